using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="BinaryRansEncoder"/> wrote. Source: docs/format.md, section 5.6.</summary>
internal ref struct BinaryRansDecoder(ReadOnlySpan<byte> source)
{
    private readonly ReadOnlySpan<byte> source = source;
    private int position;
    private ulong state;

    /// <summary>Bytes read so far.</summary>
    internal readonly int Position => position;

    internal void BeginBlock()
    {
        if (source.Length - position < BinaryRansConstants.StateBytes)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends inside its state.");
        state = BinaryPrimitives.ReadUInt32LittleEndian(source[position..]) | ((ulong)source[position + sizeof(uint)] << 32);
        position += BinaryRansConstants.StateBytes;
        if (state < BinaryRansConstants.LowerBound)
            Invalid.Throw(ContainerError.EntropyStream, "The coder state is out of range.");
    }

    /// <summary>The next decision.</summary>
    /// <param name="probability">Of a one; 1 to 65,535, in 1/65,536.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int Decode(int probability)
    {
        uint slot = (uint)state & (BinaryRansConstants.Total - 1);
        ulong high = state >> BinaryRansConstants.PrecisionBits;
        bool one = slot < (uint)probability;
        state = one
            ? ((uint)probability * high) + slot
            : ((BinaryRansConstants.Total - (uint)probability) * high) + slot - (uint)probability;
        if (state < BinaryRansConstants.LowerBound)
            Refill();
        return one ? 1 : 0;
    }

    internal readonly void EndBlock()
    {
        if (state != BinaryRansConstants.LowerBound)
            Invalid.Throw(ContainerError.EntropyStream, "The coder does not end in its start state.");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Refill()
    {
        if (source.Length - position < sizeof(ushort))
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends early.");
        state = (state << BinaryRansConstants.WordBits) | BinaryPrimitives.ReadUInt16LittleEndian(source[position..]);
        position += sizeof(ushort);
    }
}
