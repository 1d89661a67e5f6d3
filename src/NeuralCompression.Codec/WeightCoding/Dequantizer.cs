using System.Buffers.Binary;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Turns symbols into values. Source: docs/format.md, section 4.4.</summary>
/// <remarks>The product is formed in double and rounded once to float32; where the step is a float32 value the product of 24 and 16 bits is exact, so this equals one float32 multiplication.</remarks>
internal static class Dequantizer
{
    private const int SymbolTable = 256;

    /// <summary>Below this many symbols of one step a table of values costs more than it saves.</summary>
    private const int MinTableRun = 1024;

    /// <summary>Values of short runs on the stack.</summary>
    private const int ShortBlock = 256;

    /// <summary>Channels shorter than this are multiplied several at a time, by a list of steps.</summary>
    private const int MinOwnRun = 64;

    /// <summary>Turns the symbols of a tensor from position <paramref name="start"/> on into values.</summary>
    internal static void Run<TSymbol, TValue>(ReadOnlySpan<TSymbol> symbols, long start, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType type, Span<TValue> values)
        where TSymbol : struct, IBinaryInteger<TSymbol>
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        long inner = Inner(shape, grid);
        bool isProduct = typeof(TValue) == typeof(float) && type == ElementType.Float32;
        if (typeof(TSymbol) == typeof(sbyte) && inner < (isProduct ? MinOwnRun : MinTableRun))
        {
            ShortRuns(MemoryMarshal.Cast<TSymbol, sbyte>(symbols), start, inner, grid, type, values);
            return;
        }

        while (!symbols.IsEmpty)
        {
            int run = StepRun(start, symbols.Length, inner, grid, out int channel);
            Scale(symbols[..run], grid, channel, type, values);
            symbols = symbols[run..];
            values = values[run..];
            start += run;
        }
    }

    /// <summary>The same for 8-bit symbols and types of 16 bits, as little-endian bytes.</summary>
    internal static void RunHalves(ReadOnlySpan<sbyte> symbols, long start, ReadOnlySpan<long> shape, QuantizationGrid grid, ElementType type, Span<byte> bytes)
    {
        Span<ushort> table = stackalloc ushort[SymbolTable];
        Span<float> room = stackalloc float[ShortBlock];
        long inner = Inner(shape, grid);
        int filled = -1;
        while (!symbols.IsEmpty)
        {
            int run = inner < MinTableRun ? Math.Min(ShortBlock, symbols.Length) : StepRun(start, symbols.Length, inner, grid, out _);
            if (run < MinTableRun)
            {
                // Rounded to float32 by the multiplication, then to 16 bits, as the definition says.
                run = Math.Min(run, ShortBlock);
                Products(symbols[..run], start, inner, grid, room);
                ElementBytes.Write(room[..run], type, bytes[..(run * sizeof(ushort))]);
            }
            else
            {
                StepRun(start, symbols.Length, inner, grid, out int channel);
                if (filled != channel)
                {
                    for (int symbol = sbyte.MinValue; symbol <= sbyte.MaxValue; symbol++)
                        BinaryPrimitives.WriteUInt16LittleEndian(MemoryMarshal.AsBytes(table.Slice((byte)symbol, 1)), HalfBits(Value<float>(grid, channel, symbol, type), type));
                    filled = channel;
                }

                // The table holds what the bytes are to be, whatever the order of this machine's.
                Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(bytes)[..run];
                for (int i = 0; i < halves.Length; i++)
                    halves[i] = table[(byte)symbols[i]];
            }

            symbols = symbols[run..];
            bytes = bytes[(run * 2)..];
            start += run;
        }
    }

    // Runs of few symbols, or of too few for a table of values: a block of them at a time, in float32, which is rounded to the type.
    private static void ShortRuns<TValue>(ReadOnlySpan<sbyte> symbols, long start, long inner, QuantizationGrid grid, ElementType type, Span<TValue> values)
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        Span<float> room = stackalloc float[ShortBlock];
        Span<byte> halves = stackalloc byte[ShortBlock * sizeof(ushort)];
        for (; !symbols.IsEmpty; symbols = symbols[room.Length..])
        {
            room = room[..Math.Min(ShortBlock, symbols.Length)];
            if (type == ElementType.Float64 && typeof(TValue) == typeof(double))
            {
                Steps(start, inner, grid, room);
                for (int i = 0; i < room.Length; i++)
                    values[i] = TValue.CreateTruncating((double)room[i] * symbols[i]);
            }
            else
            {
                Products(symbols[..room.Length], start, inner, grid, room);
                if (type is ElementType.Float16 or ElementType.BFloat16)
                {
                    ElementBytes.Write(room, type, halves);
                    ElementBytes.Read(halves, type, room);
                }

                if (typeof(TValue) == typeof(float))
                    room.CopyTo(MemoryMarshal.Cast<TValue, float>(values));
                else
                    TensorPrimitives.ConvertTruncating<float, TValue>(room, values);
            }

            values = values[room.Length..];
            start += room.Length;
        }
    }

    // Symbols times steps in float32; a step of a grid with channels is a float32 value, so one multiplication is exact enough (see Multiply).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Products(ReadOnlySpan<sbyte> symbols, long start, long inner, QuantizationGrid grid, Span<float> values)
    {
        if (grid.Kind != QuantizationGridKind.PerChannel)
        {
            Scale(symbols, grid, 0, ElementType.Float32, values);
            return;
        }

        Steps(start, inner, grid, values[..symbols.Length]);
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i + 16 <= symbols.Length; i += 16)
            {
                (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Create(symbols.Slice(i, 16)));
                Span<float> sixteen = values.Slice(i, 16);
                (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * Vector128.Create(sixteen)).CopyTo(sixteen);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * Vector128.Create(sixteen[4..])).CopyTo(sixteen[4..]);
                (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * Vector128.Create(sixteen[8..])).CopyTo(sixteen[8..]);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * Vector128.Create(sixteen[12..])).CopyTo(sixteen[12..]);
            }
        }

        for (; i < symbols.Length; i++)
            values[i] *= symbols[i];
    }

    // The step of each symbol from a position on.
    private static void Steps(long start, long inner, QuantizationGrid grid, Span<float> steps)
    {
        ReadOnlySpan<float> channels = grid.StepSizes;
        int channel = (int)(start / inner % channels.Length);
        int left = (int)Math.Min(steps.Length, inner - (start % inner));
        while (!steps.IsEmpty)
        {
            if (inner == 1)
            {
                left = Math.Min(steps.Length, channels.Length - channel);
                channels.Slice(channel, left).CopyTo(steps);
                channel = 0;
            }
            else
            {
                steps[..left].Fill(channels[channel]);
                channel = channel + 1 == channels.Length ? 0 : channel + 1;
            }

            steps = steps[left..];
            left = (int)Math.Min(steps.Length, inner);
        }
    }

    // How many neighbours have one step: all of a tensor, or the elements of the axes behind that of the channels.
    private static long Inner(ReadOnlySpan<long> shape, QuantizationGrid grid)
    {
        if (grid.Kind != QuantizationGridKind.PerChannel)
            return long.MaxValue;
        long inner = 1;
        for (int axis = grid.Axis + 1; axis < shape.Length; axis++)
            inner *= shape[axis];
        return inner;
    }

    // How many of the next symbols have one step, and the channel it belongs to.
    private static int StepRun(long start, int length, long inner, QuantizationGrid grid, out int channel)
    {
        channel = 0;
        if (grid.Kind != QuantizationGridKind.PerChannel)
            return length;
        channel = (int)(start / inner % grid.StepSizes.Length);
        return (int)Math.Min(length, inner - (start % inner));
    }

    private static void Scale<TSymbol, TValue>(ReadOnlySpan<TSymbol> symbols, QuantizationGrid grid, int channel, ElementType type, Span<TValue> values)
        where TSymbol : struct, IBinaryInteger<TSymbol>
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        if (typeof(TSymbol) == typeof(sbyte))
        {
            double step = grid.Kind == QuantizationGridKind.Codebook ? 0 : grid.Kind == QuantizationGridKind.PerChannel ? grid.StepSizes[channel] : grid.StepSize;
            if (typeof(TValue) == typeof(float) && type == ElementType.Float32 && step > 0 && (float)step == step)
            {
                Multiply(MemoryMarshal.Cast<TSymbol, sbyte>(symbols), (float)step, MemoryMarshal.Cast<TValue, float>(values));
                return;
            }

            if (symbols.Length >= MinTableRun)
            {
                Span<byte> room = stackalloc byte[SymbolTable * sizeof(double)];
                Span<TValue> table = MemoryMarshal.Cast<byte, TValue>(room);
                for (int symbol = sbyte.MinValue; symbol <= sbyte.MaxValue; symbol++)
                    table[(byte)symbol] = Value<TValue>(grid, channel, symbol, type);
                values = values[..symbols.Length];
                ReadOnlySpan<byte> bytes = MemoryMarshal.Cast<TSymbol, byte>(symbols);
                for (int i = 0; i < values.Length; i++)
                    values[i] = table[bytes[i]];
                return;
            }
        }

        for (int i = 0; i < symbols.Length; i++)
            values[i] = Value<TValue>(grid, channel, int.CreateTruncating(symbols[i]), type);
    }

    // One float32 multiplication each: the product of a float32 step and an 8-bit symbol has 32 bits at most, so rounding it once from double gives the same.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(ReadOnlySpan<sbyte> symbols, float step, Span<float> values)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            Vector128<float> steps = Vector128.Create(step);
            for (; i + 16 <= symbols.Length; i += 16)
            {
                (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Create(symbols.Slice(i, 16)));
                Span<float> sixteen = values.Slice(i, 16);
                (Vector128.ConvertToSingle(Vector128.WidenLower(low)) * steps).CopyTo(sixteen);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * steps).CopyTo(sixteen[4..]);
                (Vector128.ConvertToSingle(Vector128.WidenLower(high)) * steps).CopyTo(sixteen[8..]);
                (Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * steps).CopyTo(sixteen[12..]);
            }
        }

        for (; i < symbols.Length; i++)
            values[i] = step * symbols[i];
    }

    // The value of any symbol; 0 for one that the codebook does not have, which no valid payload holds.
    private static TValue Value<TValue>(QuantizationGrid grid, int channel, int symbol, ElementType type)
        where TValue : struct, IBinaryFloatingPointIeee754<TValue>
    {
        switch (grid.Kind)
        {
            case QuantizationGridKind.Uniform:
                return Round<TValue>(grid.StepSize * symbol, type);
            case QuantizationGridKind.PerChannel:
                return Round<TValue>((double)grid.StepSizes[channel] * symbol, type);
            default:
                int index = symbol - grid.FirstSymbol;
                return (uint)index < (uint)grid.Values.Length ? Round<TValue>(grid.Values[index], type) : TValue.Zero;
        }
    }

    private static ushort HalfBits(float value, ElementType type) =>
        type == ElementType.Float16 ? BitConverter.HalfToUInt16Bits((Half)value) : BFloat16Bits.FromSingle(value);

    private static TValue Round<TValue>(double value, ElementType type)
        where TValue : struct, IBinaryFloatingPointIeee754<TValue> => type switch
        {
            ElementType.Float64 => TValue.CreateTruncating(value),
            ElementType.Float32 => TValue.CreateTruncating((float)value),
            ElementType.Float16 => TValue.CreateTruncating((Half)(float)value),
            _ => TValue.CreateTruncating(BFloat16Bits.ToSingle(BFloat16Bits.FromSingle((float)value))),
        };
}
