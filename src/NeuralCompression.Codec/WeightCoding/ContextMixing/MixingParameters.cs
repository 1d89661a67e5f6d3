using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>What the encoder chose for a tensor; the head of its payload. Source: docs/format.md, section 5.6.</summary>
internal readonly record struct MixingParameters
{
    internal const int MaxPeriod = 1 << 14;
    internal const int MaxLowBits = 12;

    private const int LowBitsMask = 15;
    private const int PlainSignsFlag = 0x10;
    private const int CenterFlag = 0x20;
    private const int EmptyLinesFlag = 0x40;
    private const int KnownFlags = LowBitsMask | PlainSignsFlag | CenterFlag | EmptyLinesFlag;

    /// <summary>Distance inside a row to a related weight: the size of a kernel, or the width of an image; 1 for none.</summary>
    internal int Period { get; init; }

    /// <summary>The mean magnitude: twice this is its logarithm.</summary>
    internal byte Scale { get; init; }

    /// <summary>How many low bits of a magnitude are coded apart.</summary>
    internal int LowBits { get; init; }

    /// <summary>True when signs are coded with even odds.</summary>
    internal bool PlainSigns { get; init; }

    /// <summary>True when empty rows and columns are marked and their weights not coded.</summary>
    internal bool EmptyLines { get; init; }

    /// <summary>What is subtracted from every symbol.</summary>
    internal int Center { get; init; }

    internal byte[] ToArray()
    {
        var bytes = new List<byte> { (byte)(LowBits | (PlainSigns ? PlainSignsFlag : 0) | (Center != 0 ? CenterFlag : 0) | (EmptyLines ? EmptyLinesFlag : 0)), Scale };
        int period = Period - 1;
        if (period < 0x80)
            bytes.Add((byte)period);
        else
            bytes.AddRange([(byte)(period | 0x80), (byte)(period >> 7)]);
        if (Center != 0)
            bytes.AddRange([(byte)Center, (byte)(Center >> 8)]);
        return [.. bytes];
    }

    /// <summary>Reads the parameters and says how many bytes they took.</summary>
    internal static MixingParameters Read(ReadOnlySpan<byte> payload, out int length)
    {
        length = 3;
        if (payload.Length < length)
            Invalid.Throw(ContainerError.EntropyStream, "The parameters end early.");
        int flags = payload[0];
        int period = payload[2];
        if (period >= 0x80)
        {
            if (payload.Length <= length)
                Invalid.Throw(ContainerError.EntropyStream, "The parameters end early.");
            period = (period & 0x7F) | (payload[length++] << 7);
        }

        int center = 0;
        if ((flags & CenterFlag) != 0)
        {
            if (payload.Length < length + sizeof(short))
                Invalid.Throw(ContainerError.EntropyStream, "The parameters end early.");
            center = (short)(payload[length] | (payload[length + 1] << 8));
            length += sizeof(short);
        }

        if ((flags & ~KnownFlags) != 0 || (flags & LowBitsMask) > MaxLowBits || period >= MaxPeriod)
            Invalid.Throw(ContainerError.EntropyStream, "A parameter is out of range.");
        return new MixingParameters { LowBits = flags & LowBitsMask, PlainSigns = (flags & PlainSignsFlag) != 0, EmptyLines = (flags & EmptyLinesFlag) != 0, Scale = payload[1], Period = period + 1, Center = center };
    }
}
