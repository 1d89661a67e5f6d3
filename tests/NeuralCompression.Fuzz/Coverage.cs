using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NeuralCompression.Fuzz;

/// <summary>What the instrumented library calls at the start of every basic block: counts edges, as AFL does, and blocks.</summary>
public static class Coverage
{
    /// <summary>Edges share places when there are more of them than this.</summary>
    internal const int MapSize = 1 << 16;

    /// <summary>More blocks than any mutant of the corpus may take; a loop without an end stops here.</summary>
    private const long Endless = 2_000_000_000;

    private static readonly byte[] Edges = new byte[MapSize];
    private static int previous;
    private static long blocks;

    /// <summary>Blocks run since <see cref="Reset"/>.</summary>
    internal static long Blocks => blocks;

    /// <summary>How often each edge was taken, modulo 256.</summary>
    internal static Span<byte> Map => Edges;

    /// <summary>Marks a block.</summary>
    /// <param name="id">Its number, in <c>[0, MapSize)</c>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Hit(int id)
    {
        Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Edges), (uint)((id ^ previous) & (MapSize - 1)))++;
        previous = id >> 1;
        if (++blocks > Endless)
            throw new TimeoutException("The library does not come to an end.");
    }

    internal static void Reset()
    {
        Edges.AsSpan().Clear();
        previous = 0;
        blocks = 0;
    }
}
