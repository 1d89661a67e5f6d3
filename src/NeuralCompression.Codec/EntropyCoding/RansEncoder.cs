using System.Buffers;
using System.Buffers.Binary;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Writes a self-contained stream of byte symbols. Source: docs/format.md, section 5.3.</summary>
internal static class RansEncoder
{
    /// <summary>Encodes symbols, all below the table's alphabet size, as parameters, table, states and words.</summary>
    internal static byte[] Encode(ReadOnlySpan<byte> symbols, RansPlan plan)
    {
        var writer = new BitWriter();
        writer.Write((uint)(plan.Table.PrecisionBits - RansConstants.MinPrecisionBits), 3);
        writer.Write((uint)plan.MantissaBits, 3);
        writer.Write((uint)plan.LaneCode, 2);
        FrequencyTableCode.Write(writer, plan.Table.Frequencies, plan.RestSymbol, plan.Table.PrecisionBits, plan.MantissaBits);
        byte[] head = writer.ToArray();

        // One word at most per symbol; and the plan's estimate, exact but for lanes and rounding, with an eighth to spare.
        int most = (int)Math.Min(symbols.Length * (long)sizeof(ushort), plan.EstimatedBytes + (plan.EstimatedBytes / 8) + 4096);
        byte[] words = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            Span<byte> room = words.AsSpan(0, most);
            Span<uint> states = stackalloc uint[RansConstants.LaneCounts[plan.LaneCode]];
            int first = RansKernels.Encode(symbols, plan.Table, states, room);
            var stream = new byte[head.Length + (states.Length * sizeof(uint)) + room.Length - first];
            head.CopyTo(stream, 0);
            Span<byte> rest = stream.AsSpan(head.Length);
            foreach (uint state in states)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(rest, state);
                rest = rest[sizeof(uint)..];
            }

            room[first..].CopyTo(rest);
            return stream;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(words);
        }
    }
}
