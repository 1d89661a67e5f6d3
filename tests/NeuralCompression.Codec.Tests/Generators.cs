using CsCheck;

namespace NeuralCompression.Codec.Tests;

/// <summary>Random tensors of every kind: lengths from 0 on, all alphabets, sparse and dense, every grid and type.</summary>
internal static class Generators
{
    internal static Gen<short[]> Symbols { get; } =
        from length in Gen.OneOf(Gen.Int[0, 5], Gen.Int[0, 300], Gen.Int[0, 3000])
        from low in Gen.OneOfConst(-1, 0, -7, -128, -300, -32768, 5, 1000)
        from width in Gen.OneOfConst(0, 1, 2, 6, 15, 254, 255, 256, 700, 20000, 33767)
        from sparse in Gen.Int[0, 10]
        from seed in Gen.ULong
        select Make(length, low, Math.Min(low + width, short.MaxValue), sparse, seed);

    internal static Gen<QuantizedTensor> Tensor { get; } =
        from symbols in Symbols
        from kind in Gen.Int[0, 4]
        from type in Gen.Int[0, 3]
        from narrow in Gen.Bool
        from step in Gen.Double[1e-6, 10]
        from split in Gen.Int[1, 4]
        select MakeTensor(symbols, kind, (ElementType)type, narrow, step, split);

    private static short[] Make(int length, int low, int high, int sparse, ulong seed)
    {
        var random = new XorShift(seed);
        int centre = Math.Clamp(0, low, high);
        var symbols = new short[length];
        foreach (ref short symbol in symbols.AsSpan())
            symbol = (short)(random.Next(10) < sparse ? centre : low + random.Next(high - low + 1));
        return symbols;
    }

    private static QuantizedTensor MakeTensor(short[] symbols, int kind, ElementType type, bool narrow, double step, int split)
    {
        long[] shape = symbols.Length % split == 0 ? [split, symbols.Length / split] : [symbols.Length];
        int min = symbols.Length == 0 ? 0 : symbols.Min();
        int max = symbols.Length == 0 ? 0 : symbols.Max();
        QuantizationGrid grid = kind switch
        {
            0 => QuantizationGrid.Uniform(step),
            1 => QuantizationGrid.Uniform((float)step),
            2 => QuantizationGrid.PerChannel([.. Enumerable.Range(1, (int)shape[0]).Select(i => (float)step * i)]),
            3 => QuantizationGrid.PerChannel([.. Enumerable.Range(1, (int)shape[^1]).Select(i => (float)step * i)], shape.Length - 1),
            _ => QuantizationGrid.Codebook([.. Enumerable.Range(0, max - min + 1).Select(i => (float)step * i)], min),
        };
        return narrow && min >= sbyte.MinValue && max <= sbyte.MaxValue
            ? QuantizedTensor.FromSymbols(Array.ConvertAll(symbols, symbol => (sbyte)symbol), shape, grid, type)
            : QuantizedTensor.FromSymbols(symbols, shape, grid, type);
    }
}
