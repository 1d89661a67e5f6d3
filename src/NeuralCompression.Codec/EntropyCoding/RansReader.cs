using System.Buffers.Binary;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Reads a rANS stream block by block, so that what follows decoding finds the symbols in the cache. Source: docs/format.md, section 5.3.</summary>
internal ref struct RansReader
{
    /// <summary>Room for the states of the widest stream.</summary>
    internal const int MaxLanes = 64;

    private readonly ReadOnlySpan<byte> stream;
    private readonly SlotTable table;
    private readonly Span<uint> states;
    private int position;

    /// <summary>Reads parameters, table and states.</summary>
    /// <param name="stream">The stream and what follows it.</param>
    /// <param name="outputs">What each symbol of the alphabet decodes to.</param>
    /// <param name="room">Room for <see cref="MaxLanes"/> states, kept.</param>
    internal RansReader(ReadOnlySpan<byte> stream, scoped ReadOnlySpan<byte> outputs, Span<uint> room)
    {
        this.stream = stream;
        var reader = new BitReader(stream, ContainerError.FrequencyTable);
        int precision = (int)reader.Read(3) + RansConstants.MinPrecisionBits;
        int mantissa = (int)reader.Read(3);
        int lanes = RansConstants.LaneCounts[(int)reader.Read(2)];
        if (precision > RansConstants.MaxPrecisionBits)
            Invalid.Throw(ContainerError.FrequencyTable, "The precision of a frequency table is out of range.");
        FrequencyTable frequencies = FrequencyTableCode.Read(ref reader, outputs.Length, precision, mantissa);
        position = reader.Finish();

        if (stream.Length - position < lanes * sizeof(uint))
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends inside its states.");
        states = room[..lanes];                                                                     // D1
        for (int lane = 0; lane < lanes; lane++)
        {
            uint state = BinaryPrimitives.ReadUInt32LittleEndian(stream[position..]);
            if (state < RansConstants.LowerBound || state >> RansConstants.StateBits != 0)
                Invalid.Throw(ContainerError.EntropyStream, "A coder state is out of range.");
            states[lane] = state;
            position += sizeof(uint);
        }

        table = new SlotTable(frequencies, outputs);
    }

    /// <summary>Decodes the next symbols: a multiple of <see cref="MaxLanes"/>, or the last of the text.</summary>
    internal void Read(Span<byte> symbols)
    {
        int read = RansKernels.Decode(stream[position..], table, states, symbols);
        if (read < 0)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends early.");
        position += read;
    }

    /// <summary>Checks the end states and gives the length of the stream in bytes; what follows it is the caller's.</summary>
    internal readonly int Finish()
    {
        foreach (uint state in states)                                                              // D7
        {
            if (state != RansConstants.LowerBound)
                Invalid.Throw(ContainerError.EntropyStream, "The coder does not end in its start state.");
        }

        return position;
    }
}
