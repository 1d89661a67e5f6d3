using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Predicts signs: adaptive counters in four contexts, mixed in the logistic domain. Source: docs/format.md, section 5.6.4.</summary>
/// <remarks>The caller keeps contexts in their ranges; nothing is checked again where a sign is coded.</remarks>
internal sealed class SignMixer
{
    private const int Columns = 2;

    private readonly int[] counters;
    private readonly int neighbors, surroundings;
    private Vector128<int> weights = Vector128.Create(Mixing.FourWeights);
    private int pace = Mixing.StartPace;
    private int typicalRow = Counter.Fresh;

    /// <param name="columnCount">Contexts of the second input; the first is the row.</param>
    /// <param name="neighborCount">Contexts of the third input.</param>
    /// <param name="surroundingCount">Contexts of the fourth input.</param>
    internal SignMixer(int columnCount, int neighborCount, int surroundingCount)
    {
        neighbors = Columns + columnCount;
        surroundings = neighbors + neighborCount;
        counters = new int[surroundings + surroundingCount];
        counters.AsSpan().Fill(Counter.Fresh);
    }

    /// <summary>Starts a row, as <see cref="NodeMixer.BeginRow"/>.</summary>
    internal void BeginRow(int strand)
    {
        ref int row = ref counters[strand];
        if ((row & Counter.CountMask) > Counter.SeenOnce)
            typicalRow = Counter.Move(Vector256.Create(typicalRow), Vector256.Create((int)((uint)row >> Counter.CountBits)), Vector256<int>.AllBitsSet, Counter.ShortLimit)[0];
        row = (typicalRow & ~Counter.CountMask) | Counter.SeenOnce;
    }

    /// <summary>Codes a sign: 1 for a negative one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Code<TCoder>(ref TCoder coder, int strand, int column, int neighbor, int surrounding, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        ref int start = ref MemoryMarshal.GetArrayDataReference(counters);
        ref int counter0 = ref Unsafe.Add(ref start, (nuint)(uint)strand);
        ref int counter1 = ref Unsafe.Add(ref start, (nuint)(uint)(Columns + column));
        ref int counter2 = ref Unsafe.Add(ref start, (nuint)(uint)(neighbors + neighbor));
        ref int counter3 = ref Unsafe.Add(ref start, (nuint)(uint)(surroundings + surrounding));
        Vector256<int> used = Vector128.Create(counter0, counter1, counter2, counter3).ToVector256Unsafe();
        Vector256<int> logOdds = Counter.Stretch(used);
        int mixed = Math.Min(Math.Max(Vector128.Sum(weights * logOdds.GetLower()) >> 16, -Logistic.Limit), Logistic.Limit);
        int expected = Mixing.Expected(mixed + Logistic.Limit + 1);
        bit = coder.Code(bit, expected);

        weights += Mixing.Step(logOdds, Vector256.Create(Mixing.Error((bit << 16) - expected, pace))).GetLower();
        pace -= Mixing.Slowing(pace);
        used = Counter.Move(used, Vector256.Create(Counter.Target(bit)), Vector256<int>.AllBitsSet, Counter.Limit);
        counter0 = used[0];
        counter1 = used[1];
        counter2 = used[2];
        counter3 = used[3];
        return bit;
    }
}
