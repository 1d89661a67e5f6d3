using System.Runtime.CompilerServices;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>The classes and the map from contexts to tables as adaptive decisions: one code for writing, reading and pricing. Source: docs/format.md, section 5.8.2.</summary>
internal static class SideInformation
{
    /// <summary>Steps of the table number that have a counter of their own.</summary>
    private const int StepCounters = 8;

    /// <summary>Codes the classes of all rows or of all columns, each in the context of the one before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Classes<TCoder>(ref TCoder coder, Span<byte> classes)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        Span<DecisionCounter> counters = stackalloc DecisionCounter[ClassifiedLayout.Classes * ClassifiedLayout.Classes];
        counters.Clear();
        int previous = 0;

        // A copy stays in registers.
        TCoder local = coder;
        for (int i = 0; i < classes.Length; i++)
        {
            // The probabilities of both next decisions are read before it is known which one comes; the counts follow when all three are.
            int value = classes[i];
            Span<DecisionCounter> nodes = counters.Slice(previous * ClassifiedLayout.Classes, ClassifiedLayout.Classes);
            int high = local.Code(value >> 2, nodes[1].Probability);
            int middle = local.Code((value >> 1) & 1, Select(high, nodes[2].Probability, nodes[3].Probability));
            int low = local.Code(
                value & 1, Select(high, Select(middle, nodes[4].Probability, nodes[5].Probability), Select(middle, nodes[6].Probability, nodes[7].Probability)));
            nodes[1].Add(high);
            nodes[2 + high].Add(middle);
            nodes[4 + (2 * high) + middle].Add(low);
            previous = (4 * high) + (2 * middle) + low;
            classes[i] = (byte)previous;
        }

        coder = local;
    }

    /// <summary>Codes the table of every context of the scales that occur: how far it is from the table of the context before.</summary>
    /// <param name="coder">Where decisions go to or come from.</param>
    /// <param name="map">Tables by scale and energy.</param>
    /// <param name="scales">Bit s is set where scale s occurs.</param>
    /// <param name="energies">Energies that occur: 1 or <see cref="ClassifiedLayout.Energies"/>.</param>
    /// <param name="tables">How many there are.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Map<TCoder>(ref TCoder coder, Span<byte> map, int scales, int energies, int tables)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        // Kind of place (first energy or not) by: same, direction, length of the step.
        Span<DecisionCounter> counters = stackalloc DecisionCounter[2 * (2 + StepCounters)];
        counters.Clear();
        int first = 0;
        for (int scale = 0; scale < ClassifiedLayout.Scales; scale++)
        {
            if (((scales >> scale) & 1) == 0)
                continue;
            int previous = first;
            for (int energy = 0; energy < energies; energy++)
            {
                ref byte table = ref map[(scale * ClassifiedLayout.Energies) + energy];
                previous = Step(ref coder, counters[((energy == 0 ? 0 : 1) * (2 + StepCounters))..], table, previous, tables);
                table = (byte)previous;
                if (energy == 0)
                    first = previous;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Step<TCoder>(ref TCoder coder, scoped Span<DecisionCounter> counters, int value, int previous, int tables)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        if (tables == 1 || Code(ref coder, ref counters[0], value != previous ? 1 : 0) == 0)
            return previous;

        // The direction is known at either end.
        bool down = previous == tables - 1 || (previous > 0 && Code(ref coder, ref counters[1], value < previous ? 1 : 0) == 1);
        int most = down ? previous : tables - 1 - previous;
        int distance = Math.Abs(value - previous);
        int step = 1;
        while (step < most && Code(ref coder, ref counters[2 + Math.Min(step - 1, StepCounters - 1)], distance > step ? 1 : 0) == 1)
            step++;
        return down ? previous - step : previous + step;
    }

    // Without a branch.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Select(int bit, int ofZero, int ofOne) => ofZero ^ ((ofZero ^ ofOne) & -bit);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Code<TCoder>(ref TCoder coder, scoped ref DecisionCounter counter, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        bit = coder.Code(bit, counter.Probability);
        counter.Add(bit);
        return bit;
    }
}
