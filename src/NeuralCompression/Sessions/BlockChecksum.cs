using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Sessions;

/// <summary>Sum and sum of sums of 32-bit words, lane by lane: notices that memory changed at the price of reading it once, where comparing would need a copy.</summary>
internal struct BlockChecksum : IEquatable<BlockChecksum>
{
    private Vector256<uint> _sum;
    private Vector256<uint> _sumOfSums;
    private ulong _rest;

    /// <summary>Adds the next block.</summary>
    public void Add<T>(ReadOnlySpan<T> block)
        where T : unmanaged
    {
        var words = MemoryMarshal.Cast<T, uint>(block);
        ref uint word = ref MemoryMarshal.GetReference(words);
        var sums = this;
        int i = 0;
        for (; i <= words.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
        {
            sums.Add(Vector256.LoadUnsafe(ref word, (nuint)i));
        }

        this = sums;
        for (; i < words.Length; i++)
        {
            _rest = (_rest * 31) + words[i];
        }
    }

    /// <summary>Adds the next eight words, for passes that have them at hand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Vector256<uint> words)
    {
        _sum += words;
        _sumOfSums += _sum;
    }

    public readonly bool Equals(BlockChecksum other) => _sum == other._sum && _sumOfSums == other._sumOfSums && _rest == other._rest;

    public override readonly bool Equals(object? obj) => obj is BlockChecksum other && Equals(other);

    public override readonly int GetHashCode() => HashCode.Combine(_sum, _sumOfSums, _rest);
}
