using System.Buffers.Binary;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Writes a self-contained stream of byte symbols. Source: docs/format.md, section 5.3.</summary>
internal static class RansEncoder
{
    /// <summary>Tokens made at once: a multiple of every number of lanes, few enough to stay in the first-level cache with what they are made from.</summary>
    private const int TokenBlock = 4096;

    /// <summary>Encodes symbols, all below the table's alphabet size, as parameters, table, states and words.</summary>
    internal static byte[] Encode(ReadOnlySpan<byte> symbols, RansPlan plan)
    {
        using BackwardBuffer stream = Encode(new ByteTokens(symbols, 0), symbols.Length, plan);
        return stream.Written.ToArray();
    }

    /// <summary>The same for a text that is made as it is encoded, into rented memory.</summary>
    internal static BackwardBuffer Encode<TSource>(TSource source, int length, RansPlan plan)
        where TSource : ITokenSource, allows ref struct
    {
        // One word at most per symbol; and the plan's estimate, which is close unless a sample misled it, with an eighth to spare.
        var stream = new BackwardBuffer(checked((int)Math.Min((length * (long)sizeof(ushort)) + 4096, plan.EstimatedBytes + (plan.EstimatedBytes / 8) + 4096)));
        try
        {
            Span<uint> states = stackalloc uint[RansConstants.LaneCounts[plan.LaneCode]];
            states.Fill(RansConstants.LowerBound);                                                  // E1
            var room = new byte[TokenBlock];
            FrequencyTable frequencies = source.TableFor(plan.Table);
            EncodeTable? table = RansKernels.HasKernel(states.Length) ? new EncodeTable(frequencies) : null;
            for (int start = (length - 1) / TokenBlock * TokenBlock; start >= 0 && length > 0; start -= TokenBlock)
            {
                ReadOnlySpan<byte> block = source.Read(start, Math.Min(TokenBlock, length - start), room);
                stream.Reserve(block.Length * sizeof(ushort));
                stream.Shrink(RansKernels.EncodeBlock(block, frequencies, table, states, stream.Room));
            }

            Span<byte> stored = stackalloc byte[states.Length * sizeof(uint)];
            for (int lane = 0; lane < states.Length; lane++)
                BinaryPrimitives.WriteUInt32LittleEndian(stored[(lane * sizeof(uint))..], states[lane]);
            stream.Prepend(stored);
            stream.Prepend(Head(plan));
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private static byte[] Head(RansPlan plan)
    {
        var writer = new BitWriter();
        writer.Write((uint)(plan.Table.PrecisionBits - RansConstants.MinPrecisionBits), 3);
        writer.Write((uint)plan.MantissaBits, 3);
        writer.Write((uint)plan.LaneCode, 2);
        FrequencyTableCode.Write(writer, plan.Table.Frequencies, plan.RestSymbol, plan.Table.PrecisionBits, plan.MantissaBits);
        return writer.ToArray();
    }
}
