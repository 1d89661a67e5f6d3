using System.Numerics;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Turns symbols into values. Source: docs/format.md, section 4.4.</summary>
/// <remarks>The product is formed in double and rounded once to float32; where the step is a float32 value the product of 24 and 16 bits is exact, so this equals one float32 multiplication.</remarks>
internal static class Dequantizer
{
    /// <summary>Computes the values of consecutive symbols of a tensor of this shape, the first of which has the index <paramref name="start"/>.</summary>
    internal static void Run<TSymbol, TValue>(ReadOnlySpan<TSymbol> symbols, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType type, Span<TValue> values, long start = 0)
        where TSymbol : struct, IBinaryInteger<TSymbol>
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        switch (grid.Kind)
        {
            case QuantizationGridKind.Uniform:
                Scale(symbols, grid.StepSize, type, values);
                break;
            case QuantizationGridKind.PerChannel:
                if (symbols.IsEmpty)
                    break;
                long inner = 1;
                for (int axis = grid.Axis + 1; axis < shape.Length; axis++)
                    inner *= shape[axis];
                int channel = (int)(start / inner % grid.StepSizes.Length);
                long run = inner - (start % inner);
                for (int offset = 0; offset < symbols.Length; run = inner)
                {
                    int count = (int)Math.Min(run, symbols.Length - offset);
                    Scale(symbols.Slice(offset, count), grid.StepSizes[channel], type, values[offset..]);
                    channel = channel + 1 == grid.StepSizes.Length ? 0 : channel + 1;
                    offset += count;
                }

                break;
            default:
                for (int i = 0; i < symbols.Length; i++)
                    values[i] = Round<TValue>(grid.Values[int.CreateTruncating(symbols[i]) - grid.FirstSymbol], type);
                break;
        }
    }

    private static void Scale<TSymbol, TValue>(ReadOnlySpan<TSymbol> symbols, double step, ElementType type, Span<TValue> values)
        where TSymbol : struct, IBinaryInteger<TSymbol>
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        if (type == ElementType.Float32 && typeof(TValue) == typeof(float))
        {
            for (int i = 0; i < symbols.Length; i++)
                values[i] = TValue.CreateTruncating((float)(step * int.CreateTruncating(symbols[i])));
            return;
        }

        for (int i = 0; i < symbols.Length; i++)
            values[i] = Round<TValue>(step * int.CreateTruncating(symbols[i]), type);
    }

    private static TValue Round<TValue>(double value, ElementType type)
        where TValue : struct, IBinaryFloatingPointIeee754<TValue> => type switch
        {
            ElementType.Float64 => TValue.CreateTruncating(value),
            ElementType.Float32 => TValue.CreateTruncating((float)value),
            ElementType.Float16 => TValue.CreateTruncating((Half)(float)value),
            _ => TValue.CreateTruncating(BFloat16Bits.ToSingle(BFloat16Bits.FromSingle((float)value))),
        };
}
