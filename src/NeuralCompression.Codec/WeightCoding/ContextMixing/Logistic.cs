namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>The logistic domain in integers. Source: docs/format.md, section 5.6.</summary>
/// <remarks>A log-odds is ln(p / (1 - p)) x 256, clamped to [-3071, 3071]; a probability has 16 fraction bits. The table comes from integer arithmetic, so it is the same on every machine.</remarks>
internal static class Logistic
{
    /// <summary>Largest log-odds: 12 x 256 - 1, a probability of 6e-6.</summary>
    internal const int Limit = 3071;

    private const int OneHalf = Limit + 1;

    /// <summary>e^(-1/256) x 2^63, rounded.</summary>
    private const ulong Decay = 9_187_413_517_043_429_148;

    /// <summary>Probability by log-odds + 3072; in 16 bits, so that a first-level cache holds it.</summary>
    internal static readonly ushort[] Squash = BuildSquash();

    internal static int Probability(int logOdds) => Squash[OneHalf + logOdds];

    private static ushort[] BuildSquash()
    {
        var table = new ushort[2 * OneHalf];
        UInt128 power = (UInt128)1 << 63;                                     // e^(-x/256) x 2^63
        for (int x = 0; x < OneHalf; x++)
        {
            // p = 1 / (1 + e^-x), rounded; 1 - p by symmetry.
            UInt128 below = ((UInt128)1 << 63) + power;
            int p = (int)((((UInt128)1 << (63 + 17)) / below + 1) >> 1);
            p = Math.Min(p, ushort.MaxValue);
            table[OneHalf + x] = (ushort)p;
            table[OneHalf - x] = (ushort)(65_536 - p);
            power = (power * Decay) >> 63;
        }

        table[0] = table[1];
        return table;
    }
}
