using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NeuralCompression.Codec.EntropyCoding.Kernels;

/// <summary>Turns decoded tokens into groups of symbols: one table lookup and one store for a group, or, where the digits of a group fit in 8 bits, shifts and masks.</summary>
/// <remarks>
/// Where two digits of 4 bits or four of 2 bits hold a group, the decoding table gives that byte instead of the token, and 32 bytes expand at once. Otherwise the token selects
/// a row of a table of at most 2 KiB, or 64 tokens are looked up at once (<see cref="Avx512Groups"/>).
/// </remarks>
internal sealed class GroupExpander
{
    private readonly byte[] outputs;
    private readonly ulong[] rows = new ulong[RansConstants.MaxAlphabet];
    private readonly byte[] lowBytes = new byte[Avx512Groups.TableBytes];
    private readonly byte[] highBytes = new byte[Avx512Groups.TableBytes];
    private readonly int groupSize;
    private readonly int fieldBits;
    private readonly byte min;

    /// <summary>Prepares for listed groups (numbers to the base <paramref name="alphabetSize"/>, the first digit lowest), in the order of their tokens.</summary>
    internal GroupExpander(ReadOnlySpan<ushort> groups, bool hasEscape, int min, int alphabetSize, int groupSize)
    {
        this.groupSize = groupSize;
        this.min = (byte)min;
        HasEscape = hasEscape;
        fieldBits = (groupSize, alphabetSize) switch
        {
            (2, <= 16) => 4,
            (4, <= 4) => 2,
            _ => 0,
        };
        outputs = new byte[groups.Length + (hasEscape ? 1 : 0)];
        Span<bool> used = stackalloc bool[RansConstants.MaxAlphabet];
        used.Clear();
        Span<byte> digits = stackalloc byte[sizeof(ulong)];
        for (int token = 0; token < groups.Length; token++)
        {
            int number = groups[token];
            int packed = 0;
            digits.Clear();
            for (int i = 0; i < groupSize; i++, number /= alphabetSize)
            {
                packed |= (number % alphabetSize) << (i * fieldBits);
                digits[i] = (byte)((number % alphabetSize) + min);
            }

            byte output = fieldBits > 0 ? (byte)packed : (byte)token;
            outputs[token] = output;
            used[output] = true;
            rows[output] = MemoryMarshal.Read<ulong>(digits);
            if (fieldBits == 0)
                (lowBytes[output], highBytes[output]) = SixteenBits(digits, groupSize, this.min);
        }

        if (hasEscape)
        {
            // With an escape at most 255 groups are listed, so a byte is free.
            Escape = (byte)used.IndexOf(false);
            outputs[^1] = Escape;
        }
    }

    // A group as Avx512Groups takes it apart.
    private static (byte Low, byte High) SixteenBits(ReadOnlySpan<byte> symbols, int groupSize, byte min)
    {
        if (groupSize == 2)
            return (symbols[0], symbols[1]);
        int digitBits = 16 / groupSize;
        int group = 0;
        for (int i = 0; i < groupSize; i++)
            group |= (byte)(symbols[i] - min) << (i * digitBits);
        return ((byte)group, (byte)(group >> 8));
    }

    /// <summary>What each token decodes to: the byte that <see cref="Expand"/> takes.</summary>
    internal ReadOnlySpan<byte> Outputs => outputs;

    /// <summary>True when a byte stands for groups that are not listed; they expand to nothing of use.</summary>
    internal bool HasEscape { get; }

    /// <summary>That byte.</summary>
    internal byte Escape { get; }

    /// <summary>Expands tokens into groups; <paramref name="symbols"/> has exactly the length that takes.</summary>
    internal void Expand(ReadOnlySpan<byte> tokens, Span<byte> symbols)
    {
        int done = 0;
        if (Avx2.IsSupported && fieldBits == 4)
            done = ExpandNibbles(tokens, min, symbols);
        else if (Avx2.IsSupported && fieldBits == 2)
            done = ExpandPairsOfBits(tokens, min, symbols);
        else if (Avx512Groups.IsSupported && fieldBits == 0)
            done = Avx512Groups.Expand(tokens, lowBytes, highBytes, groupSize, min, symbols);
        ExpandRows(tokens[done..], symbols[(done * groupSize)..]);
    }

    /// <summary>The definition: a table row for each token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void ExpandRows(ReadOnlySpan<byte> tokens, Span<byte> symbols)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(symbols.Length, tokens.Length * groupSize);
        ref ulong row = ref MemoryMarshal.GetArrayDataReference(rows);
        ref byte symbol = ref MemoryMarshal.GetReference(symbols);
        switch (groupSize)
        {
            case 8:
                while (tokens.Length >= 8)
                {
                    // One load for eight tokens: loads are what this loop waits for.
                    ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(tokens);
                    for (int i = 0; i < 8; i++)
                    {
                        Unsafe.WriteUnaligned(ref Unsafe.Add(ref symbol, i * 8), Unsafe.Add(ref row, (nuint)(byte)eight));
                        eight >>= 8;
                    }

                    symbol = ref Unsafe.Add(ref symbol, 64);
                    tokens = tokens[8..];
                }

                for (int i = 0; i < tokens.Length; i++)
                    Unsafe.WriteUnaligned(ref Unsafe.Add(ref symbol, (nint)i * 8), Unsafe.Add(ref row, (nint)tokens[i]));
                break;
            case 4:
                for (int i = 0; i < tokens.Length; i++)
                    Unsafe.WriteUnaligned(ref Unsafe.Add(ref symbol, (nint)i * 4), Unsafe.As<ulong, uint>(ref Unsafe.Add(ref row, (nint)tokens[i])));
                break;
            default:
                for (int i = 0; i < tokens.Length; i++)
                    Unsafe.WriteUnaligned(ref Unsafe.Add(ref symbol, (nint)i * 2), Unsafe.As<ulong, ushort>(ref Unsafe.Add(ref row, (nint)tokens[i])));
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ExpandNibbles(ReadOnlySpan<byte> tokens, byte min, Span<byte> symbols)
    {
        int whole = tokens.Length & ~31;
        Vector256<byte> first = Vector256.Create(min);
        Vector256<byte> mask = Vector256.Create((byte)15);
        for (int i = 0; i < whole; i += 32)
        {
            Vector256<byte> packed = Vector256.Create(tokens.Slice(i, 32));
            Vector256<byte> even = (packed & mask) + first;
            Vector256<byte> odd = (Vector256.ShiftRightLogical(packed.AsUInt16(), 4).AsByte() & mask) + first;
            StoreInterleaved(Avx2.UnpackLow(even, odd), Avx2.UnpackHigh(even, odd), symbols.Slice(i * 2, 64));
        }

        return whole;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ExpandPairsOfBits(ReadOnlySpan<byte> tokens, byte min, Span<byte> symbols)
    {
        int whole = tokens.Length & ~31;
        Vector256<byte> first = Vector256.Create(min);
        Vector256<byte> mask = Vector256.Create((byte)3);
        for (int i = 0; i < whole; i += 32)
        {
            Vector256<byte> packed = Vector256.Create(tokens.Slice(i, 32));
            Vector256<byte> digit0 = (packed & mask) + first;
            Vector256<byte> digit1 = (Vector256.ShiftRightLogical(packed.AsUInt16(), 2).AsByte() & mask) + first;
            Vector256<byte> digit2 = (Vector256.ShiftRightLogical(packed.AsUInt16(), 4).AsByte() & mask) + first;
            Vector256<byte> digit3 = (Vector256.ShiftRightLogical(packed.AsUInt16(), 6).AsByte() & mask) + first;
            Vector256<ushort> low01 = Avx2.UnpackLow(digit0, digit1).AsUInt16();
            Vector256<ushort> high01 = Avx2.UnpackHigh(digit0, digit1).AsUInt16();
            Vector256<ushort> low23 = Avx2.UnpackLow(digit2, digit3).AsUInt16();
            Vector256<ushort> high23 = Avx2.UnpackHigh(digit2, digit3).AsUInt16();

            // Each holds four tokens of the lower and four of the upper half.
            Vector256<byte> tokens0 = Avx2.UnpackLow(low01, low23).AsByte();
            Vector256<byte> tokens4 = Avx2.UnpackHigh(low01, low23).AsByte();
            Vector256<byte> tokens8 = Avx2.UnpackLow(high01, high23).AsByte();
            Vector256<byte> tokens12 = Avx2.UnpackHigh(high01, high23).AsByte();
            Avx2.Permute2x128(tokens0, tokens4, 0x20).CopyTo(symbols.Slice(i * 4, 32));
            Avx2.Permute2x128(tokens8, tokens12, 0x20).CopyTo(symbols.Slice((i * 4) + 32, 32));
            Avx2.Permute2x128(tokens0, tokens4, 0x31).CopyTo(symbols.Slice((i * 4) + 64, 32));
            Avx2.Permute2x128(tokens8, tokens12, 0x31).CopyTo(symbols.Slice((i * 4) + 96, 32));
        }

        return whole;
    }

    private static void StoreInterleaved(Vector256<byte> low, Vector256<byte> high, Span<byte> symbols)
    {
        Avx2.Permute2x128(low, high, 0x20).CopyTo(symbols);
        Avx2.Permute2x128(low, high, 0x31).CopyTo(symbols[32..]);
    }
}
