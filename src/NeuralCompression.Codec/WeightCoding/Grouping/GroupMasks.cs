using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Groups without a token: which of their digits differ from the filler, and those digits. Source: docs/format.md, section 5.7.</summary>
/// <remarks>
/// Such groups are rare because several of their digits are. Where these stand and what they are is told apart, since all places are about equally likely: coded digit by digit,
/// 95 % zeros in groups of eight take 0.3 % more.
/// </remarks>
internal static class GroupMasks
{
    /// <summary>Bytes that <see cref="Scatter"/> reads or writes beyond the last digit.</summary>
    internal const int Padding = sizeof(ulong);

    private const int MaxGroup = sizeof(ulong);

    // Row m: which of the given digits belongs to each place whose bit is set in m.
    private static readonly byte[] Ranks = BuildRanks();

    /// <summary>Moves the digits of a group that are not the filler to its start.</summary>
    /// <returns>The mask: bit i is set where digit i is not the filler.</returns>
    internal static byte Take(Span<byte> digits, byte filler, out int count)
    {
        int mask = 0;
        count = 0;
        for (int i = 0; i < digits.Length; i++)
        {
            byte digit = digits[i];
            int differs = digit == filler ? 0 : 1;
            digits[count] = digit;
            mask |= differs << i;
            count += differs;
        }

        return (byte)mask;
    }

    /// <summary>How many digits masks tell of.</summary>
    internal static int Count(ReadOnlySpan<byte> masks)
    {
        int count = 0;
        for (; masks.Length >= sizeof(ulong); masks = masks[sizeof(ulong)..])
            count += BitOperations.PopCount(BinaryPrimitives.ReadUInt64LittleEndian(masks));
        foreach (byte mask in masks)
            count += BitOperations.PopCount(mask);
        return count;
    }

    /// <summary>Puts groups together.</summary>
    /// <param name="masks">One for each group.</param>
    /// <param name="digits">As many as the masks count, and <see cref="Padding"/> more bytes of any content.</param>
    /// <param name="filler">Stands in all other places.</param>
    /// <param name="groupSize">Digits of a group.</param>
    /// <param name="groups">Receives the groups, and has room for <see cref="Padding"/> more bytes, which are overwritten.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scatter(ReadOnlySpan<byte> masks, ReadOnlySpan<byte> digits, byte filler, int groupSize, Span<byte> groups)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(digits.Length, Count(masks) + Padding);
        ArgumentOutOfRangeException.ThrowIfLessThan(groups.Length, (masks.Length * groupSize) + Padding);
        ref ulong ranks = ref Unsafe.As<byte, ulong>(ref MemoryMarshal.GetArrayDataReference(Ranks));
        ref byte digit = ref MemoryMarshal.GetReference(digits);
        ref byte group = ref MemoryMarshal.GetReference(groups);
        Vector128<byte> fillers = Vector128.Create(filler);
        Vector128<byte> bits = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0);
        foreach (byte mask in masks)
        {
            Vector128<byte> values = Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(ref digit)).AsByte();
            values = Vector128.Shuffle(values, Vector128.CreateScalar(Unsafe.Add(ref ranks, (nuint)mask)).AsByte());
            values = Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create(mask) & bits, bits), values, fillers);
            Unsafe.WriteUnaligned(ref group, values.AsUInt64().ToScalar());
            digit = ref Unsafe.Add(ref digit, BitOperations.PopCount(mask));
            group = ref Unsafe.Add(ref group, groupSize);
        }
    }

    private static byte[] BuildRanks()
    {
        var ranks = new byte[256 * MaxGroup];
        for (int mask = 0; mask < 256; mask++)
        {
            byte rank = 0;
            for (int place = 0; place < MaxGroup; place++)
                ranks[(mask * MaxGroup) + place] = (mask >> place & 1) != 0 ? rank++ : (byte)0;
        }

        return ranks;
    }
}
