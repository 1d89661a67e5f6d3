using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Codes one plane of bytes in its shortest form. Source: docs/format.md, section 5.5.1.</summary>
internal static class PlaneCoder
{
    internal const byte RawMode = 0;
    internal const byte ConstantMode = 1;
    internal const byte RansMode = 2;

    /// <summary>Runs of a plane that are looked at first, evenly spread.</summary>
    private const int SampleRuns = 32;

    private const int SampleRun = 1024;

    /// <summary>Writes one plane in its shortest form, however little that gains.</summary>
    internal static void WritePlane(MemoryStream output, ReadOnlySpan<byte> plane, int maxPrecisionBits, int wideFrom) =>
        WritePlane(output, plane, ByteHistogram.Count(plane, RansConstants.MaxAlphabet), new PlaneRules(RansConstants.MinPrecisionBits, maxPrecisionBits, wideFrom, LeastGain: 0));

    /// <summary>Writes one plane. A long one whose sample gains less than half of what the rules ask for is not even counted.</summary>
    internal static void WritePlane(MemoryStream output, ReadOnlySpan<byte> plane, PlaneRules rules)
    {
        if (rules.LeastGain > 0 && plane.Length >= 2 * SampleRuns * SampleRun)
        {
            Span<byte> sample = stackalloc byte[SampleRuns * SampleRun];
            for (int run = 0; run < SampleRuns; run++)
                plane.Slice((int)((plane.Length - SampleRun) * (long)run / (SampleRuns - 1)), SampleRun).CopyTo(sample[(run * SampleRun)..]);
            if (EntropyBytes(ByteHistogram.Count(sample, RansConstants.MaxAlphabet)) > sample.Length - (rules.Gain(sample.Length) / 2))
            {
                output.WriteByte(RawMode);
                output.Write(plane);
                return;
            }
        }

        WritePlane(output, plane, ByteHistogram.Count(plane, RansConstants.MaxAlphabet), rules);
    }

    /// <summary>Writes one plane whose bytes are already counted.</summary>
    internal static void WritePlane(MemoryStream output, ReadOnlySpan<byte> plane, long[] counts, PlaneRules rules)
    {
        int first = Array.FindIndex(counts, count => count > 0);
        int last = Array.FindLastIndex(counts, count => count > 0);
        if (first >= 0 && first == last)
        {
            output.Write([ConstantMode, (byte)first]);
            return;
        }

        long worth = plane.Length - rules.Gain(plane.Length);
        if (EntropyBytes(counts) < worth && RansPlan.Create(counts.AsSpan(first, last - first + 1), rules.MaxPrecisionBits, rules.MinPrecisionBits, rules.WideFrom) is RansPlan plan && plan.EstimatedBytes < worth)
        {
            using BackwardBuffer stream = RansEncoder.Encode(new ByteTokens(plane, (byte)first), plane.Length, plan);
            if (stream.Written.Length + 2 < plane.Length)
            {
                output.Write([RansMode, (byte)first, (byte)(last - first)]);
                output.Write(stream.Written.Span);
                return;
            }
        }

        output.WriteByte(RawMode);
        output.Write(plane);
    }

    /// <summary>Reads one plane and gives its length in the payload.</summary>
    internal static int ReadPlane(ReadOnlySpan<byte> payload, Span<byte> plane)
    {
        if (payload.IsEmpty)
            Invalid.Throw(ContainerError.Plane, "A byte plane is missing.");
        return 1 + ReadContent(payload[0], payload[1..], plane);
    }

    /// <summary>Reads what follows the mode and gives its length.</summary>
    internal static int ReadContent(int mode, ReadOnlySpan<byte> content, Span<byte> plane)
    {
        switch (mode)
        {
            case RawMode:
                CheckLength(content, plane.Length);
                content[..plane.Length].CopyTo(plane);
                return plane.Length;
            case ConstantMode:
                CheckLength(content, 1);
                plane.Fill(content[0]);
                return 1;
            case RansMode:
                if (content.Length < 2 || content[0] + content[1] > byte.MaxValue)
                    Invalid.Throw(ContainerError.Plane, "The byte range of a plane is missing or out of bounds.");
                return 2 + RansDecoder.Decode(content[2..], content[1] + 1, content[0], plane);
            default:
                Invalid.Throw(ContainerError.Plane, "The mode of a byte plane is unknown.");
                return 0;
        }
    }

    /// <summary>Refuses a plane of fewer bytes than it needs.</summary>
    internal static void CheckLength(ReadOnlySpan<byte> content, int length)
    {
        if (content.Length < length)
            Invalid.Throw(ContainerError.Plane, "A byte plane ends early.");
    }

    /// <summary>The order-0 entropy of a text, rounded down to bytes: no table does better. Integers only, so that every machine decides alike.</summary>
    internal static long EntropyBytes(ReadOnlySpan<long> counts)
    {
        long length = 0;
        UInt128 spent = 0;
        foreach (long count in counts)
        {
            length += count;
            if (count > 0)
                spent += (UInt128)(ulong)count * Log2(count);
        }

        UInt128 bits = length == 0 ? 0 : ((UInt128)(ulong)length * Log2(length)) - UInt128.Min(spent, (UInt128)(ulong)length * Log2(length));
        return (long)(bits >> (FixedPointLog2.FractionBits + 3));
    }

    // The table ends at 2^14; what it cuts off is below 1e-4 bits.
    private static uint Log2(long value)
    {
        int extra = Math.Max(0, (int)long.Log2(value) - RansConstants.MaxPrecisionBits + 1);
        return FixedPointLog2.Of((int)(value >> extra)) + ((uint)extra << FixedPointLog2.FractionBits);
    }
}
