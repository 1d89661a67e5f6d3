using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using NeuralCompression.Codec.WeightCoding.Classified;
using NeuralCompression.Codec.WeightCoding.ContextMixing;
using NeuralCompression.Codec.WeightCoding.Grouping;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Codes the symbols of a quantised tensor. Source: docs/format.md, section 5.</summary>
internal static class SymbolCoder
{
    /// <summary>One part in this many.</summary>
    private const int GroupedTolerance = 256;
    private const int MixingTolerance = 256;
    private const int RepeatsTolerance = 64;

    /// <summary>Bytes below which decoding takes no time to speak of.</summary>
    private const int MixingAtAnyGain = 1 << 14;

    /// <summary>Bytes of the raw form.</summary>
    internal static long RawLength(long length, int min, int max) => SymbolRange.IsNarrow(min, max) ? length : length * sizeof(short);

    /// <summary>Codes symbols in every way the level allows and keeps the shortest.</summary>
    internal static EncodedTensor Encode<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, CompressionLevel level)
        where T : struct, IBinaryInteger<T>
    {
        ClassifiedChoice? choice = null;
        return Encode(symbols, shape, min, max, level, ref choice);
    }

    /// <summary>Codes what is left of symbols without their repeats.</summary>
    internal static EncodedTensor EncodeLiterals<T>(ReadOnlySpan<T> symbols, int min, int max, CompressionLevel level)
        where T : struct, IBinaryInteger<T>
    {
        ClassifiedChoice? choice = null;
        return Encode(symbols, [symbols.Length], min, max, level, ref choice, mayRepeat: false);
    }

    /// <summary>The same with what was chosen for much the same symbols before, which saves the search; receives what was taken.</summary>
    internal static EncodedTensor Encode<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, CompressionLevel level, ref ClassifiedChoice? choice, bool mayRepeat = true)
        where T : struct, IBinaryInteger<T>
    {
        if (min == max)
            return new(Coding.Constant, Array.Empty<byte>());
        if (level != CompressionLevel.NoCompression)
        {
            var best = new EncodedTensor(Coding.Raw, default);
            long length = RawLength(symbols.Length, min, max);

            // Weights of a training do not begin to repeat themselves from one measurement to the next.
            mayRepeat &= choice is not { Repeats: false };
            if (EncodeRans(symbols, min, max, level) is EncodedTensor coded)
                Keep(coded);

            if (level != CompressionLevel.Fastest && SymbolRange.IsNarrow(min, max) && EncodeClassified(symbols, shape, min, max, length, ref choice) is byte[] classified)
            {
                // Groups decode several times as fast: at Optimal they may cost a little more.
                long margin = level == CompressionLevel.Optimal && best.Coding == Coding.GroupedRans ? length / GroupedTolerance : 0;
                if (classified.Length < length - margin)
                    Keep(new(Coding.ClassifiedRans, classified));
            }

            if (level != CompressionLevel.Fastest && mayRepeat)
            {
                // Many short repeats take longer to decode than symbols of a table.
                long limit = level == CompressionLevel.Optimal ? length - (length / RepeatsTolerance) : length;
                if (RepeatCoder.TryEncode(symbols, limit, new SymbolLiterals<T>(min, max, level), level == CompressionLevel.SmallestSize) is byte[] repeats)
                    Keep(new(Coding.Repeats, repeats));
                if (choice is ClassifiedChoice found)
                    choice = found with { Repeats = best.Coding == Coding.Repeats };
            }

            if (level == CompressionLevel.SmallestSize && ContextMixingCoder.Encode(symbols, shape, min, max) is byte[] mixed && mixed.Length < MixingLimit(length))
                Keep(new(Coding.ContextMixing, mixed));
            if (best.Coding != Coding.Raw)
                return best;

            void Keep(EncodedTensor other)
            {
                bool shorter = other.Payload.Length < length;
                (shorter ? best : other).Release();
                if (shorter)
                    (best, length) = (other, other.Payload.Length);
            }
        }

        return new(Coding.Raw, EncodeRaw(symbols, min, max));
    }

    // Mixing takes a hundred times longer to decode, so of large tensors it has to save a part: where it saves less, weights are independent of each other.
    private static long MixingLimit(long otherwise) => otherwise < MixingAtAnyGain ? otherwise : otherwise - (otherwise / MixingTolerance);

    /// <summary>Counts of the tokens the coder would see; <paramref name="bypassBits"/> is what goes around it.</summary>
    internal static long[] CountTokens<T>(ReadOnlySpan<T> symbols, int min, int max, out long bypassBits)
        where T : struct, IBinaryInteger<T>
    {
        bypassBits = 0;
        if (max - min < RansConstants.MaxAlphabet)
        {
            var counts = new long[max - min + 1];
            foreach (T symbol in symbols)
                counts[int.CreateTruncating(symbol) - min]++;
            return counts;
        }

        var wide = new long[WideTokens.Count];
        foreach (T symbol in symbols)
        {
            wide[WideTokens.Split(int.CreateTruncating(symbol), out _, out int bits)]++;
            bypassBits += bits;
        }

        return wide;
    }

    /// <summary>The finest table a level may use: 12 bits keep a decoding table of one 32-bit entry per slot in 16 KiB.</summary>
    internal static int MaxPrecision(CompressionLevel level) => level == CompressionLevel.SmallestSize ? RansConstants.MaxPrecisionBits : SlotTable.MaxPackedPrecisionBits;

    /// <summary>Decodes a payload whose length the index reader has checked against the coding.</summary>
    internal static void Decode<T>(Coding coding, ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        switch (coding)
        {
            case Coding.Constant:
                symbols.Fill(T.CreateTruncating(min));
                break;
            case Coding.Raw:
                DecodeRaw(payload, min, max, symbols);
                break;
            case Coding.ContextMixing:
                ContextMixingCoder.Decode(payload, shape, min, max, symbols);
                break;
            case Coding.GroupedRans:
                DecodeGrouped(payload, min, max, symbols);
                break;
            case Coding.ClassifiedRans:
                DecodeClassified(payload, shape, min, max, symbols);
                break;
            case Coding.Repeats:
                RepeatCoder.Decode(payload, symbols, new SymbolLiterals<T>(min, max));
                break;
            default:
                DecodeRans(payload, min, max, symbols);
                break;
        }
    }

    private static byte[] EncodeRaw<T>(ReadOnlySpan<T> symbols, int min, int max)
        where T : struct, IBinaryInteger<T>
    {
        if (typeof(T) == typeof(sbyte))
            return MemoryMarshal.AsBytes(symbols).ToArray();
        var payload = new byte[RawLength(symbols.Length, min, max)];
        if (SymbolRange.IsNarrow(min, max))
        {
            for (int i = 0; i < symbols.Length; i++)
                payload[i] = (byte)int.CreateTruncating(symbols[i]);
        }
        else
        {
            for (int i = 0; i < symbols.Length; i++)
                BinaryPrimitives.WriteInt16LittleEndian(payload.AsSpan(i * sizeof(short)), (short)int.CreateTruncating(symbols[i]));
        }

        return payload;
    }

    private static void DecodeRaw<T>(ReadOnlySpan<byte> payload, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        bool narrow = SymbolRange.IsNarrow(min, max);
        if (narrow && typeof(T) == typeof(sbyte))
        {
            Span<sbyte> bytes = MemoryMarshal.Cast<T, sbyte>(symbols);
            MemoryMarshal.Cast<byte, sbyte>(payload).CopyTo(bytes);
            (int smallest, int largest) = SymbolRange.Of(bytes);
            if (!bytes.IsEmpty && (smallest < min || largest > max))
                Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
            return;
        }

        for (int i = 0; i < symbols.Length; i++)
        {
            int symbol = narrow ? (sbyte)payload[i] : BinaryPrimitives.ReadInt16LittleEndian(payload[(i * sizeof(short))..]);
            if (symbol < min || symbol > max)
                Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
            symbols[i] = T.CreateTruncating(symbol);
        }
    }

    private static byte[]? EncodeClassified<T>(ReadOnlySpan<T> symbols, ReadOnlySpan<long> shape, int min, int max, long limit, ref ClassifiedChoice? choice)
        where T : struct, IBinaryInteger<T>
    {
        if (typeof(T) == typeof(sbyte))
            return ClassifiedEncoder.TryEncode(MemoryMarshal.Cast<T, sbyte>(symbols), shape, min, max, limit, ref choice);
        sbyte[] narrow = ArrayPool<sbyte>.Shared.Rent(symbols.Length);
        try
        {
            TensorPrimitives.ConvertTruncating<T, sbyte>(symbols, narrow);
            return ClassifiedEncoder.TryEncode(narrow.AsSpan(0, symbols.Length), shape, min, max, limit, ref choice);
        }
        finally
        {
            ArrayPool<sbyte>.Shared.Return(narrow);
        }
    }

    private static EncodedTensor? EncodeRans<T>(ReadOnlySpan<T> symbols, int min, int max, CompressionLevel level)
        where T : struct, IBinaryInteger<T>
    {
        if (typeof(T) == typeof(sbyte))
            return StaticEncoder.TryEncode(MemoryMarshal.AsBytes(symbols), min, max, level);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(symbols.Length);
        try
        {
            Span<byte> used = bytes.AsSpan(0, symbols.Length);
            if (max - min >= RansConstants.MaxAlphabet)
                return EncodeWide(symbols, min, max, level, used);
            TensorPrimitives.ConvertTruncating(symbols, used);
            return StaticEncoder.TryEncode(used, min, max, level);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static EncodedTensor? EncodeWide<T>(ReadOnlySpan<T> symbols, int min, int max, CompressionLevel level, Span<byte> tokens)
        where T : struct, IBinaryInteger<T>
    {
        long[] counts = CountTokens(symbols, min, max, out long bypassBits);
        int alphabet = Array.FindLastIndex(counts, count => count > 0) + 1;
        int first = Array.FindIndex(counts, count => count > 0);
        RansPlan? plan = RansPlan.Create(counts.AsSpan(first, alphabet - first), MaxPrecision(level));
        if (plan is null || plan.EstimatedBytes + (bypassBits / 8) > RawLength(symbols.Length, min, max) + 64)
            return null;

        var bypass = new BitWriter();
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = (byte)(WideTokens.Split(int.CreateTruncating(symbols[i]), out uint bits, out int count) - first);
            bypass.Write(bits, count);
        }

        byte[] payload = [(byte)first, (byte)(alphabet - first - 1), .. RansEncoder.Encode(tokens, plan), .. bypass.ToArray()];
        return new(Coding.StaticRans, payload);
    }

    private static void DecodeRans<T>(ReadOnlySpan<byte> payload, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        if (typeof(T) == typeof(sbyte))
        {
            DecodeNarrow(Coding.StaticRans, payload, min, max, MemoryMarshal.Cast<T, sbyte>(symbols));
            return;
        }

        byte[] tokens = ArrayPool<byte>.Shared.Rent(symbols.Length);
        try
        {
            Span<byte> used = tokens.AsSpan(0, symbols.Length);
            if (max - min < RansConstants.MaxAlphabet)
            {
                int read = RansDecoder.Decode(payload, max - min + 1, 0, used);
                if (read != payload.Length)
                    Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
                for (int i = 0; i < used.Length; i++)
                    symbols[i] = T.CreateTruncating(used[i] + min);
                return;
            }

            if (payload.Length < 2)
                Invalid.Throw(ContainerError.FrequencyTable, "The token range is missing.");
            int first = payload[0];
            int alphabet = payload[1] + 1;
            if (first + alphabet > WideTokens.Count)
                Invalid.Throw(ContainerError.FrequencyTable, "The token range is out of bounds.");
            int position = 2 + RansDecoder.Decode(payload[2..], alphabet, (byte)first, used);
            var bypass = new BitReader(payload[position..], ContainerError.EntropyStream);
            for (int i = 0; i < used.Length; i++)
            {
                int symbol = WideTokens.Join(used[i], bypass.Read(WideTokens.BypassBits(used[i])));
                if (symbol < min || symbol > max)
                    Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
                symbols[i] = T.CreateTruncating(symbol);
            }

            if (position + bypass.Finish() != payload.Length)
                Invalid.Throw(ContainerError.EntropyStream, "The bypass bits go on after the last symbol.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(tokens);
        }
    }

    private static void DecodeGrouped<T>(ReadOnlySpan<byte> payload, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        RequireNarrow(min, max);
        if (typeof(T) == typeof(sbyte))
        {
            DecodeNarrow(Coding.GroupedRans, payload, min, max, MemoryMarshal.Cast<T, sbyte>(symbols));
            return;
        }

        sbyte[] narrow = ArrayPool<sbyte>.Shared.Rent(symbols.Length);
        try
        {
            DecodeNarrow(Coding.GroupedRans, payload, min, max, narrow.AsSpan(0, symbols.Length));
            TensorPrimitives.ConvertTruncating<sbyte, T>(narrow.AsSpan(0, symbols.Length), symbols);
        }
        finally
        {
            ArrayPool<sbyte>.Shared.Return(narrow);
        }
    }

    private static void DecodeClassified<T>(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<T> symbols)
        where T : struct, IBinaryInteger<T>
    {
        RequireNarrow(min, max);
        if (typeof(T) == typeof(sbyte))
        {
            ClassifiedReader.Decode(payload, shape, min, max, MemoryMarshal.Cast<T, sbyte>(symbols));
            return;
        }

        sbyte[] narrow = ArrayPool<sbyte>.Shared.Rent(symbols.Length);
        try
        {
            ClassifiedReader.Decode(payload, shape, min, max, narrow.AsSpan(0, symbols.Length));
            TensorPrimitives.ConvertTruncating<sbyte, T>(narrow.AsSpan(0, symbols.Length), symbols);
        }
        finally
        {
            ArrayPool<sbyte>.Shared.Return(narrow);
        }
    }

    private static void RequireNarrow(int min, int max)
    {
        if (!SymbolRange.IsNarrow(min, max))
            Invalid.Throw(ContainerError.SymbolRange, "This coding is for symbols of 8 bits.");
    }

    private static void DecodeNarrow(Coding coding, ReadOnlySpan<byte> payload, int min, int max, Span<sbyte> symbols)
    {
        Span<uint> states = stackalloc uint[RansReader.MaxLanes];
        Span<byte> tokens = stackalloc byte[GroupReader.TokenBlock];
        var reader = new SymbolReader(coding, payload, symbols.Length, min, max, states, tokens);
        try
        {
            reader.Read(symbols);
            reader.Finish();
        }
        finally
        {
            reader.Dispose();
        }
    }
}
