using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>Predicts where units repeat: one code for writing and reading. Source: docs/format.md, section 5.9.</summary>
internal sealed class RepeatModel
{
    /// <summary>Distances that can be named by their place in the order of their last use.</summary>
    internal const int Recent = 4;

    private readonly NumberModel runs = new(contexts: 2, isLarge: false);
    private readonly NumberModel lengths = new(contexts: 1, isLarge: false);
    private readonly NumberModel recentLengths = new(contexts: 1, isLarge: false);
    private readonly NumberModel distances = new(contexts: 4, isLarge: true);
    private readonly DecisionCounter[] isNew = new DecisionCounter[4];
    private readonly DecisionCounter[] place = new DecisionCounter[Recent - 1];
    private readonly int[] recent = [1, 2, 3, 4];
    private int wasRecent;

    /// <summary>Codes how many units come before the next repeat, or the end.</summary>
    internal int Run<TCoder>(ref TCoder coder, int run)
        where TCoder : struct, IDecisionCoder, allows ref struct => runs.Code(ref coder, wasRecent, run);

    /// <summary>Codes a repeat: how many units are those of so many places before.</summary>
    internal void Repeat<TCoder>(ref TCoder coder, int run, ref int length, ref int distance)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        int known = TCoder.Decodes ? 0 : Array.IndexOf(recent, distance);
        bool fresh = Code(ref coder, ref isNew[wasRecent + (run == 0 ? 2 : 0)], known < 0 ? 1 : 0) != 0;
        if (fresh)
        {
            length = lengths.Code(ref coder, 0, length - 1) + 1;
            distance = distances.Code(ref coder, Math.Min(length - 1, 3), distance - 1) + 1;
            known = Recent - 1;
        }
        else
        {
            int value = 0;
            while (value < Recent - 1 && Code(ref coder, ref place[value], known > value ? 1 : 0) != 0)
                value++;
            known = value;
            distance = recent[known];
            length = recentLengths.Code(ref coder, 0, length - 1) + 1;
        }

        wasRecent = fresh ? 0 : 1;
        recent.AsSpan(0, known).CopyTo(recent.AsSpan(1));
        recent[0] = distance;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Code<TCoder>(ref TCoder coder, ref DecisionCounter counter, int bit)
        where TCoder : struct, IDecisionCoder, allows ref struct
    {
        bit = coder.Code(bit, counter.Probability);
        counter.Add(bit);
        return bit;
    }

    /// <summary>Numbers from 0 to 2^25 - 2: how many bits the number plus 1 has after its highest, then those bits.</summary>
    /// <param name="contexts">Contexts in which numbers of bits have counters of their own.</param>
    /// <param name="isLarge">True where few numbers are small: numbers of bits are then halved, not counted.</param>
    private sealed class NumberModel(int contexts, bool isLarge)
    {
        /// <summary>A segment has at most 2^24 units, so no number plus 1 has more bits after its highest.</summary>
        private const int MostBits = 24;
        private const int ClassBits = 5;
        private const int HighBits = 8;
        private const int LowBits = 4;

        private readonly DecisionCounter[] classes = new DecisionCounter[contexts << ClassBits];
        private readonly DecisionCounter[] high = new DecisionCounter[1 << (ClassBits + HighBits)];
        private readonly DecisionCounter[] low = new DecisionCounter[1 << LowBits];

        internal int Code<TCoder>(ref TCoder coder, int context, int value)
            where TCoder : struct, IDecisionCoder, allows ref struct
        {
            int own = TCoder.Decodes ? 0 : BitOperations.Log2((uint)value + 1);
            int bits = Class(ref coder, classes.AsSpan(context << ClassBits, 1 << ClassBits), own);

            // The value plus 1, from its highest bit on.
            int number = 1;
            int left = bits;
            for (int i = Math.Min(bits, HighBits); i > 0; i--)
                number = (2 * number) + RepeatModel.Code(ref coder, ref high[(bits << HighBits) + number], ((value + 1) >> --left) & 1);
            while (left > LowBits)
                number = (2 * number) + coder.Code(((value + 1) >> --left) & 1, BinaryRansConstants.NearlyHalf);
            int node = 1;
            while (left > 0)
            {
                int bit = RepeatModel.Code(ref coder, ref low[node], ((value + 1) >> --left) & 1);
                node = (2 * node) + bit;
                number = (2 * number) + bit;
            }

            return number - 1;
        }

        private int Class<TCoder>(ref TCoder coder, Span<DecisionCounter> counters, int own)
            where TCoder : struct, IDecisionCoder, allows ref struct
        {
            int bits = 0;
            if (!isLarge)
            {
                while (bits < MostBits && RepeatModel.Code(ref coder, ref counters[bits], own > bits ? 1 : 0) != 0)
                    bits++;
                return bits;
            }

            int node = 1;
            for (int bit = ClassBits - 1; bit >= 0; bit--)
                node = (2 * node) + RepeatModel.Code(ref coder, ref counters[node], (own >> bit) & 1);
            bits = node - (1 << ClassBits);
            if (TCoder.Decodes && bits > MostBits)
                Invalid.Throw(ContainerError.EntropyStream, "A repeat is further away than a segment is long.");
            return bits;
        }
    }
}
