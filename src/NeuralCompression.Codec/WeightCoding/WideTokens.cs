namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Splits 16-bit symbols into a token below 256 and bypass bits. Source: docs/format.md, section 5.4.</summary>
internal static class WideTokens
{
    /// <summary>Tokens 0 to 127 stand for themselves.</summary>
    internal const int Direct = 128;

    /// <summary>Tokens that can occur: 128 direct ones and 8 for each of the bit lengths 8 to 16.</summary>
    internal const int Count = Direct + (8 * 9);

    /// <summary>The token of a symbol, its bypass bits and how many there are.</summary>
    internal static byte Split(int symbol, out uint bypass, out int bypassBits)
    {
        uint value = (uint)((symbol << 1) ^ (symbol >> 31));
        if (value < Direct)
        {
            bypass = 0;
            bypassBits = 0;
            return (byte)value;
        }

        int length = int.Log2((int)value) + 1;
        bypassBits = length - 4;
        bypass = value & ((1u << bypassBits) - 1);
        return (byte)(Direct + ((length - 8) * 8) + (int)((value >> bypassBits) & 7));
    }

    /// <summary>How many bypass bits follow a token.</summary>
    internal static int BypassBits(byte token) => token < Direct ? 0 : ((token - Direct) >> 3) + 4;

    /// <summary>Undoes <see cref="Split"/>.</summary>
    internal static int Join(byte token, uint bypass)
    {
        uint value = token < Direct ? token : ((8u | ((uint)(token - Direct) & 7)) << BypassBits(token)) | bypass;
        return (int)(value >> 1) ^ -(int)(value & 1);
    }
}
