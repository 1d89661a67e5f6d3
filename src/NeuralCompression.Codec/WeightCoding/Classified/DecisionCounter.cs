using System.Runtime.CompilerServices;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Predicts a decision from how often it was zero and one: the estimator of Krichevsky and Trofimov, which learns fastest from few decisions. Source: docs/format.md, section 5.8.2.</summary>
internal struct DecisionCounter
{
    /// <summary>Both counts are halved when their sum reaches this.</summary>
    private const int Limit = 255;

    private const int Half = 1 << 15;

    // ceil(2^32 / n): multiplied by a number below 2^32 / n and shifted it gives the quotient exactly, without the division that decisions would wait for.
    private static readonly ulong[] Reciprocals = Array.ConvertAll(Enumerable.Range(0, Limit + 1).ToArray(), n => n == 0 ? 0 : ((1UL << 32) + (ulong)n - 1) / (ulong)n);

    private byte zeros;
    private byte ones;

    // The probability less one half, so that a counter that saw nothing is all zeros. Kept, because the next decision waits for it and not for the counts.
    private short offset;

    /// <summary>Of a one; 128 to 65,408, in 1/65,536.</summary>
    internal readonly int Probability => offset + Half;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(int bit)
    {
        ones += (byte)bit;
        zeros += (byte)(1 - bit);
        if (zeros + ones == Limit)
        {
            zeros = (byte)((zeros + 1) >> 1);
            ones = (byte)((ones + 1) >> 1);
        }

        offset = (short)((int)((((2 * (ulong)ones) + 1) << 15) * Reciprocals[zeros + ones + 1] >> 32) - Half);
    }
}
