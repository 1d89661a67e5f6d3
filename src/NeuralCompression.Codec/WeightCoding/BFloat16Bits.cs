using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>bfloat16 as bits, since .NET has no such type.</summary>
internal static class BFloat16Bits
{
    internal static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Widens as many numbers as there are.</summary>
    internal static void ToSingle(ReadOnlySpan<ushort> bits, Span<float> values)
    {
        values = values[..bits.Length];
        int i = 0;
        for (; i <= values.Length - Vector128<ushort>.Count; i += Vector128<ushort>.Count)
        {
            (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Create(bits[i..]));
            Vector128.ShiftLeft(low, 16).AsSingle().CopyTo(values[i..]);
            Vector128.ShiftLeft(high, 16).AsSingle().CopyTo(values[(i + Vector128<uint>.Count)..]);
        }

        for (; i < values.Length; i++)
            values[i] = ToSingle(bits[i]);
    }

    /// <summary>Rounds to nearest, ties to even; NaN stays a quiet NaN.</summary>
    internal static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The same for many, sixteen at a time; gives how many that were: it stops before a NaN.</summary>
    internal static int FromSingles(ReadOnlySpan<float> values, Span<ushort> bits)
    {
        int i = 0;
        for (; i + 16 <= values.Length; i += 16)
        {
            Vector256<float> low = Vector256.Create(values.Slice(i, 8));
            Vector256<float> high = Vector256.Create(values.Slice(i + 8, 8));
            if (!Vector256.EqualsAll(low, low) || !Vector256.EqualsAll(high, high))
                break;
            Vector256.Narrow(Round(low.AsUInt32()), Round(high.AsUInt32())).CopyTo(bits[i..]);
        }

        return i;
    }

    private static Vector256<uint> Round(Vector256<uint> bits)
    {
        Vector256<uint> upper = Vector256.ShiftRightLogical(bits, 16);
        return Vector256.ShiftRightLogical(bits + Vector256.Create(0x7FFFu) + (upper & Vector256<uint>.One), 16);
    }
}
