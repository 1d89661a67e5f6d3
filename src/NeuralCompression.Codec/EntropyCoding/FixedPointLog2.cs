namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Base-2 logarithms as integers, so that every machine makes the same choices.</summary>
internal static class FixedPointLog2
{
    /// <summary>Fraction bits of a logarithm.</summary>
    internal const int FractionBits = 16;

    private static readonly uint[] Table = Build();

    /// <summary>log2(value) x 2^16, rounded down, for value in [1, 2^14].</summary>
    internal static uint Of(int value) => Table[value];

    /// <summary>log2(value) x 2^16 of a larger number, from its highest bits: too small by less than 2^-12.</summary>
    internal static uint OfLarge(long value)
    {
        if (value <= 1 << RansConstants.MaxPrecisionBits)
            return Table[value];
        int shift = (int)long.Log2(value) - RansConstants.MaxPrecisionBits + 1;
        return Table[value >> shift] + ((uint)shift << FractionBits);
    }

    private static uint[] Build()
    {
        var table = new uint[(1 << RansConstants.MaxPrecisionBits) + 1];
        for (int value = 1; value < table.Length; value++)
        {
            // The mantissa, in [1, 2) with 31 fraction bits, is squared once for each bit of the logarithm.
            int exponent = int.Log2(value);
            uint log = (uint)exponent;
            ulong mantissa = (ulong)value << (31 - exponent);
            for (int bit = 0; bit < FractionBits; bit++)
            {
                mantissa = (mantissa * mantissa) >> 31;
                log <<= 1;
                if (mantissa >= 1UL << 32)
                {
                    log |= 1;
                    mantissa >>= 1;
                }
            }

            table[value] = log;
        }

        return table;
    }
}
