using System.Buffers.Binary;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads what <see cref="RansEncoder"/> wrote. Source: docs/format.md, section 5.3.</summary>
internal static class RansDecoder
{
    /// <summary>Decodes exactly as many symbols as the destination holds, each plus <paramref name="firstSymbol"/> modulo 256.</summary>
    /// <returns>The length of the stream in bytes; what follows it is the caller's.</returns>
    internal static int Decode(ReadOnlySpan<byte> stream, int alphabetSize, byte firstSymbol, Span<byte> symbols)
    {
        var reader = new BitReader(stream, ContainerError.FrequencyTable);
        int precision = (int)reader.Read(3) + RansConstants.MinPrecisionBits;
        int mantissa = (int)reader.Read(3);
        int lanes = RansConstants.LaneCounts[(int)reader.Read(2)];
        if (precision > RansConstants.MaxPrecisionBits)
            Invalid.Throw(ContainerError.FrequencyTable, "The precision of a frequency table is out of range.");
        FrequencyTable table = FrequencyTableCode.Read(ref reader, alphabetSize, precision, mantissa);
        int position = reader.Finish();

        if (stream.Length - position < lanes * sizeof(uint))
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends inside its states.");
        Span<uint> states = stackalloc uint[lanes];                                                 // D1
        for (int lane = 0; lane < lanes; lane++)
        {
            uint state = BinaryPrimitives.ReadUInt32LittleEndian(stream[position..]);
            if (state < RansConstants.LowerBound || state >> RansConstants.StateBits != 0)
                Invalid.Throw(ContainerError.EntropyStream, "A coder state is out of range.");
            states[lane] = state;
            position += sizeof(uint);
        }

        int read = RansKernels.Decode(stream[position..], new SlotTable(table, firstSymbol), states, symbols);
        if (read < 0)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends early.");
        foreach (uint state in states)                                                              // D7
        {
            if (state != RansConstants.LowerBound)
                Invalid.Throw(ContainerError.EntropyStream, "The coder does not end in its start state.");
        }

        return position + read;
    }
}
