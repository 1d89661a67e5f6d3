using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>bfloat16 as bits, since .NET has no such type.</summary>
internal static class BFloat16Bits
{
    internal static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Widens as many numbers as there are.</summary>
    internal static void ToSingle(ReadOnlySpan<ushort> bits, Span<float> values)
    {
        Span<uint> wide = MemoryMarshal.Cast<float, uint>(values)[..bits.Length];
        TensorPrimitives.ConvertTruncating<ushort, uint>(bits, wide);
        TensorPrimitives.ShiftLeft(wide, 16, wide);
    }

    /// <summary>Rounds to nearest, ties to even; NaN stays a quiet NaN.</summary>
    internal static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
