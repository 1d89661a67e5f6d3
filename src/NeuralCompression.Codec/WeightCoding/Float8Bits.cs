namespace NeuralCompression.Codec.WeightCoding;

/// <summary>What the bits of 8-bit floating-point numbers mean. Source: OCP Microscaling Formats (MX), version 1.0, section 5.</summary>
internal static class Float8Bits
{
    private const byte SignBit = 0x80;

    internal static float FromE4M3(byte bits)
    {
        int exponent = (bits >> 3) & 15;
        int mantissa = bits & 7;
        float magnitude = (bits & ~SignBit) == 0x7F ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (bits & SignBit) == 0 ? magnitude : -magnitude;
    }

    internal static float FromE5M2(byte bits) => (float)BitConverter.UInt16BitsToHalf((ushort)(bits << 8));

    internal static float FromE8M0(byte bits) => bits == 0xFF ? float.NaN : MathF.ScaleB(1, bits - 127);
}
