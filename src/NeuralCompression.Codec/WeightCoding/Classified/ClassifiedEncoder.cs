using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The <c>Optimal</c> coder: static tables chosen by row, column and neighbours, in lanes that each own a stripe of rows. Source: docs/format.md, section 5.8.</summary>
internal static class ClassifiedEncoder
{
    /// <summary>Below this many weights the parameters take more than they save.</summary>
    private const int MinLength = 256;

    /// <summary>Codes symbols, unless that would take <paramref name="limit"/> bytes or more by a good margin; null then.</summary>
    internal static byte[]? TryEncode(ReadOnlySpan<sbyte> symbols, ReadOnlySpan<long> shape, int min, int max, long limit)
    {
        ClassifiedChoice? choice = null;
        return TryEncode(symbols, shape, min, max, limit, ref choice);
    }

    /// <summary>The same with a choice of parameters that was found before; receives the one that was taken.</summary>
    internal static byte[]? TryEncode(ReadOnlySpan<sbyte> symbols, ReadOnlySpan<long> shape, int min, int max, long limit, ref ClassifiedChoice? choice)
    {
        if (symbols.Length < MinLength)
            return null;
        ClassifiedSearch? search = ClassifiedSearch.Run(symbols, shape, min, max, limit, ref choice);
        return search is null ? null : Write(search);
    }

    private static byte[] Write(ClassifiedSearch search)
    {
        ClassifiedText text = search.Text;
        TablePlan tables = search.Tables;
        ClassifiedParameters parameters = text.Parameters;
        var output = new ArrayBufferWriter<byte>();
        var head = new BitWriter();
        parameters.Write(head);
        output.Write(head.ToArray());

        if (parameters.HasSideInformation)
        {
            var side = new BinaryRansEncoder();
            var writer = new Writer(side);
            if (parameters.HasRowClasses)
                SideInformation.Classes(ref writer, text.RowClasses);
            if (parameters.HasColumnClasses)
                SideInformation.Classes(ref writer, text.ColumnClasses);
            SideInformation.Map(
                ref writer, tables.Map, ClassifiedReader.Scales(text.RowClasses, text.ColumnClasses), parameters.HasEnergy ? ClassifiedLayout.Energies : 1, parameters.Tables);
            side.EndBlock(last: false);
            output.Write(side.ToArray());
        }

        output.Write(tables.Bits);
        WriteWords(output, text, tables);
        return output.WrittenSpan.ToArray();
    }

    // From the last step to the first and from the last lane to the first: the words come out in reverse.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteWords(ArrayBufferWriter<byte> output, ClassifiedText text, TablePlan tables)
    {
        LaneRows rows = text.Rows;
        int precision = text.Parameters.PrecisionBits;
        int width = text.Width;
        var states = new uint[Math.Max(rows.Lanes, 1)];
        states.AsSpan().Fill(RansConstants.LowerBound);
        ReadOnlySpan<byte> digits = text.Digits;
        ReadOnlySpan<byte> contexts = text.Contexts;
        int most = checked(digits.Length * sizeof(ushort));
        byte[] rented = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            int position = most;
            for (int step = rows.Stripe - 1; step >= 0; step--)
            {
                int active = rows.Active(step);
                for (int column = width - 1; column >= 0; column--)
                {
                    if (text.IsEmptyColumn(column))
                        continue;
                    for (int lane = active - 1; lane >= 0; lane--)
                    {
                        int place = (((lane * rows.Stripe) + step) * width) + column;
                        FrequencyTable table = tables.Tables[tables.Map[contexts[place]]];
                        byte digit = digits[place];
                        uint frequency = table.Frequencies[digit];
                        uint state = states[lane];
                        if (state >= frequency << (RansConstants.StateBits - precision))            // E3
                        {
                            position -= sizeof(ushort);
                            BinaryPrimitives.WriteUInt16LittleEndian(rented.AsSpan(position), (ushort)state);
                            state >>= RansConstants.WordBits;
                        }

                        states[lane] = ((state / frequency) << precision) + (state % frequency) + table.Cumulative[digit];   // E4
                    }
                }
            }

            foreach (uint state in states.AsSpan(0, rows.Lanes))
            {
                BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(sizeof(uint)), state);
                output.Advance(sizeof(uint));
            }

            output.Write(rented.AsSpan(position, most - position));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private readonly struct Writer(BinaryRansEncoder output) : IDecisionCoder
    {
        public static bool Decodes => false;

        public int Code(int bit, int probability)
        {
            output.Add(bit, probability);
            return bit;
        }
    }
}
