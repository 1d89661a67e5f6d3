using System.Buffers.Binary;

namespace NeuralCompression.Codec.Updates;

/// <summary>What is added to a tensor of the base, element by element. Source: docs/format.md, sections 18.4 and 18.5.</summary>
internal static class Differences
{
    /// <summary>True where no difference of two tensors can leave 16 bits.</summary>
    internal static bool Fit(CompressedTensorInfo before, CompressedTensorInfo tensor) =>
        tensor.MaxSymbol - before.MinSymbol <= short.MaxValue && before.MaxSymbol - tensor.MinSymbol <= short.MaxValue;

    /// <summary>What is added to each symbol, over the symbols; where that of the base is negative, what is subtracted, so that away from zero is positive.</summary>
    internal static void Subtract(ReadOnlySpan<short> baseSymbols, Span<short> symbols)
    {
        for (int i = 0; i < baseSymbols.Length; i++)
            symbols[i] = (short)(baseSymbols[i] < 0 ? baseSymbols[i] - symbols[i] : symbols[i] - baseSymbols[i]);
    }

    /// <summary>Undoes <see cref="Subtract(ReadOnlySpan{short}, Span{short})"/>, over the differences. False where a symbol leaves the range.</summary>
    internal static bool TryAdd(ReadOnlySpan<short> baseSymbols, Span<short> differences, int min, int max)
    {
        for (int i = 0; i < baseSymbols.Length; i++)
        {
            int symbol = baseSymbols[i] < 0 ? baseSymbols[i] - differences[i] : baseSymbols[i] + differences[i];
            if (symbol < min || symbol > max)
                return false;
            differences[i] = (short)symbol;
        }

        return true;
    }

    /// <summary>The type that differences of elements are stored as: a signed integer of as many bytes.</summary>
    internal static ElementType TypeOf(ElementType type) => type.Size() switch { 1 => ElementType.Int8, 2 => ElementType.Int16, 4 => ElementType.Int32, _ => ElementType.Int64 };

    /// <summary>The distance of each element from that of the base, counted in values of the type, over the elements.</summary>
    internal static void Subtract(ElementType type, ReadOnlySpan<byte> baseElements, Span<byte> elements)
    {
        int size = type.Size();
        for (int i = 0; i < elements.Length; i += size)
            Write(elements.Slice(i, size), Place(type, Read(elements.Slice(i, size))) - Place(type, Read(baseElements.Slice(i, size))));
    }

    /// <summary>Undoes <see cref="Subtract(ElementType, ReadOnlySpan{byte}, Span{byte})"/>, over the distances.</summary>
    internal static void Add(ElementType type, ReadOnlySpan<byte> baseElements, Span<byte> distances)
    {
        int size = type.Size();
        for (int i = 0; i < distances.Length; i += size)
            Write(distances.Slice(i, size), Value(type, Place(type, Read(baseElements.Slice(i, size))) + Read(distances.Slice(i, size))));
    }

    // Floats with a sign, in the order of their values: the negative ones turned round, below the others.
    private static ulong Place(ElementType type, ulong bits)
    {
        ulong sign = Sign(type);
        return (bits & sign) == 0 ? bits | sign : ~bits;
    }

    private static ulong Value(ElementType type, ulong place)
    {
        ulong sign = Sign(type);
        return (place & sign) == sign ? place ^ sign : ~place;
    }

    // Integers are in order as they are.
    private static ulong Sign(ElementType type) => type is <= ElementType.Float64 or ElementType.Float8E4M3 or ElementType.Float8E5M2 ? 1UL << ((8 * type.Size()) - 1) : 0;

    private static ulong Read(ReadOnlySpan<byte> element) => element.Length switch
    {
        1 => element[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(element),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(element),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(element),
    };

    // The upper bits fall away: everything is modulo a power of two.
    private static void Write(Span<byte> element, ulong value)
    {
        switch (element.Length)
        {
            case 1:
                element[0] = (byte)value;
                break;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(element, (ushort)value);
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(element, (uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(element, value);
                break;
        }
    }
}
