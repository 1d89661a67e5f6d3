using System.Numerics;
using System.Runtime.InteropServices;

namespace NeuralCompression.Sessions;

/// <summary>Sum and sum of sums of 32-bit words, lane by lane: notices that memory changed at the price of reading it once, where comparing would need a copy.</summary>
internal struct BlockChecksum : IEquatable<BlockChecksum>
{
    private Vector<uint> _sum;
    private Vector<uint> _sumOfSums;
    private ulong _rest;

    /// <summary>Adds the next block.</summary>
    public void Add<T>(ReadOnlySpan<T> block)
        where T : unmanaged
    {
        var words = MemoryMarshal.Cast<T, uint>(block);
        var sum = _sum;
        var sumOfSums = _sumOfSums;
        int i = 0;
        for (; i <= words.Length - Vector<uint>.Count; i += Vector<uint>.Count)
        {
            sum += new Vector<uint>(words[i..]);
            sumOfSums += sum;
        }

        for (; i < words.Length; i++)
        {
            _rest = (_rest * 31) + words[i];
        }

        (_sum, _sumOfSums) = (sum, sumOfSums);
    }

    public readonly bool Equals(BlockChecksum other) => _sum == other._sum && _sumOfSums == other._sumOfSums && _rest == other._rest;

    public override readonly bool Equals(object? obj) => obj is BlockChecksum other && Equals(other);

    public override readonly int GetHashCode() => HashCode.Combine(_sum, _sumOfSums, _rest);
}
