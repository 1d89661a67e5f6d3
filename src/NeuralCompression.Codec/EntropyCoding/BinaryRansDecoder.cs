using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="BinaryRansEncoder"/> wrote. Source: docs/format.md, section 5.6.</summary>
internal ref struct BinaryRansDecoder(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> source = source;
    private int position;
    private ulong state;

    /// <summary>Bytes read so far.</summary>
    internal readonly int Position => position;

    internal void BeginBlock() => BeginBlock(BinaryRansConstants.StateBytes);

    /// <summary>Begins where there is no other block: words have two bytes, so that the length tells how long the state is.</summary>
    internal void BeginOnlyBlock() => BeginBlock(BinaryRansConstants.StateBytes - 1 + (source.Length & 1));

    /// <summary>The next decision.</summary>
    /// <param name="probability">Of a one; 1 to 65,535, in 1/65,536.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Decode(int probability)
    {
        uint slot = (uint)state & (BinaryRansConstants.Total - 1);
        ulong high = state >> BinaryRansConstants.PrecisionBits;

        // Without a branch: half of the decisions of a dense tensor cannot be foreseen.
        int zero = (int)((uint)probability - 1 - slot) >> 31;
        uint start = (uint)(probability & zero);
        uint frequency = (uint)((probability ^ zero) - zero) + ((uint)zero & BinaryRansConstants.Total);
        state = (frequency * high) + slot - start;
        if (state < BinaryRansConstants.LowerBound)
            Refill();
        return zero + 1;
    }

    /// <summary>The next decision of five answers.</summary>
    /// <param name="thresholds">Six integers that fall from 65,536 to 0. An answer has the slots below the threshold at its place, from the next threshold on.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Decode(ref int thresholds)
    {
        int slot = (int)((uint)state & (BinaryRansConstants.Total - 1));
        ulong high = state >> BinaryRansConstants.PrecisionBits;
        int value = BitOperations.PopCount(Vector128.GreaterThan(Vector128.LoadUnsafe(ref thresholds, 1), Vector128.Create(slot)).ExtractMostSignificantBits());
        int start = Unsafe.Add(ref thresholds, (nuint)(uint)(value + 1));
        state = ((uint)(Unsafe.Add(ref thresholds, (nuint)(uint)value) - start) * high) + (uint)(slot - start);
        if (state < BinaryRansConstants.LowerBound)
            Refill();
        return value;
    }

    /// <summary>The same without a branch on the decision: for those that a processor could not foresee either.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int DecodeUnforeseen(int probability)
    {
        uint slot = (uint)state & (BinaryRansConstants.Total - 1);
        uint one = (uint)((int)(slot - (uint)probability) >> 31);                                   // all ones, or zero
        uint rest = BinaryRansConstants.Total - (uint)probability;
        state = ((rest + (one & ((uint)probability - rest))) * (state >> BinaryRansConstants.PrecisionBits)) + slot - (~one & (uint)probability);
        if (state < BinaryRansConstants.LowerBound)
            Refill();
        return (int)(one & 1);
    }

    /// <param name="last">True where nothing may follow the block.</param>
    internal readonly void EndBlock(bool last)
    {
        if (last && position != source.Length)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
        if (state != (last ? BinaryRansConstants.EndState : BinaryRansConstants.LowerBound))
            Invalid.Throw(ContainerError.EntropyStream, "The coder does not end in its start state.");
    }

    private void BeginBlock(int stateBytes)
    {
        if (source.Length - position < stateBytes)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends inside its state.");
        state = BinaryPrimitives.ReadUInt32LittleEndian(source[position..]);
        if (stateBytes > sizeof(uint))
            state |= (ulong)source[position + sizeof(uint)] << 32;
        position += stateBytes;
        if (state < BinaryRansConstants.EndState)
            Invalid.Throw(ContainerError.EntropyStream, "The coder state is out of range.");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Refill()
    {
        if (source.Length - position < sizeof(ushort))
        {
            // The last decisions have no words left. An odd byte is found when the block ends.
            return;
        }

        state = (state << BinaryRansConstants.WordBits) | BinaryPrimitives.ReadUInt16LittleEndian(source[position..]);
        position += sizeof(ushort);
    }
}
