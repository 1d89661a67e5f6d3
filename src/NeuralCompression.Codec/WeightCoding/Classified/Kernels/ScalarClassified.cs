using System.Buffers.Binary;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified.Kernels;

/// <summary>The definition of the coding: every other kernel must give the same symbols and leave the same states of active lanes and the same words. Source: docs/format.md, section 5.8.4.</summary>
internal static class ScalarClassified
{
    /// <summary>Decodes columns while two bytes of words for each lane are left.</summary>
    internal static int Decode(ClassifiedSteps steps, ReadOnlySpan<byte> words, int from, int to, out int read)
    {
        ClassifiedParameters parameters = steps.Parameters;
        int lanes = steps.Lanes;
        int precision = parameters.PrecisionBits;
        uint slotMask = (1u << precision) - 1;
        ReadOnlySpan<uint> slots = steps.Slots;
        Span<uint> states = steps.States;
        int position = 0;
        int column = from;
        for (; column < to; column++)
        {
            Span<byte> now = Step(steps, 0);
            Span<byte> symbols = steps.Block.AsSpan((column % ClassifiedLayout.BlockColumns) * lanes, lanes);
            int columnClass = steps.ColumnClasses[column];
            if (columnClass == 0)
            {
                symbols.Clear();
                if (!parameters.SkipsEmptyColumns)
                {
                    now.Fill(ClassifiedLayout.Neutral);
                    steps.Time++;
                }

                continue;
            }

            if (words.Length - position < lanes * sizeof(ushort))
                break;
            ReadOnlySpan<byte> near = Step(steps, 1);
            ReadOnlySpan<byte> second = Step(steps, 2);
            ReadOnlySpan<byte> far = Step(steps, Math.Max(parameters.FarDistance, 2));
            ReadOnlySpan<byte> before = Step(steps, Math.Max(parameters.FarDistance, 2) + 1);
            ReadOnlySpan<byte> after = Step(steps, Math.Max(parameters.FarDistance, 2) - 1);
            for (int lane = 0; lane < steps.Active; lane++)
            {
                int energy = steps.Near[near[lane]] + steps.Second[second[lane]] + steps.Far[far[lane]] + steps.Side[before[lane]] + steps.Side[after[lane]];
                int scale = steps.LaneClasses[lane] + columnClass - 2;
                int table = steps.Map[(scale * ClassifiedLayout.Energies) + Math.Min(energy, ClassifiedLayout.Energies - 1)];

                uint state = states[lane];                                                          // D3 to D6
                uint entry = slots[(table << precision) + (int)(state & slotMask)];
                state = ((entry >> 20) * (state >> precision)) + ((entry >> 8) & 0xFFF);
                if (state < RansConstants.LowerBound)
                {
                    state = (state << RansConstants.WordBits) | BinaryPrimitives.ReadUInt16LittleEndian(words[position..]);
                    position += sizeof(ushort);
                }

                states[lane] = state;

                int symbol = (sbyte)entry;
                if ((sbyte)steps.NearSign[near[lane]] + (sbyte)steps.FarSign[far[lane]] < 0)
                    symbol = -symbol;
                symbols[lane] = (byte)symbol;
                now[lane] = ClassifiedLayout.SignedSize((sbyte)symbol, parameters.SizeShift);
            }

            steps.Time++;
        }

        read = position;
        return column - from;
    }

    // The signed sizes of some steps back.
    private static Span<byte> Step(ClassifiedSteps steps, int back) =>
        steps.History.AsSpan(((steps.Time - back) & steps.HistoryMask) * steps.Lanes, steps.Lanes);
}
