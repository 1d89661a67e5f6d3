using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>Codes units, symbols or elements, that do not repeat what stands before them: the literals.</summary>
internal interface ILiteralCoder<T>
    where T : struct
{
    /// <summary>Codes literals as a tensor of one axis.</summary>
    public EncodedTensor Encode(ReadOnlySpan<T> literals);

    /// <summary>Decodes them, after a check of the coding and the length.</summary>
    public void Decode(Coding coding, ReadOnlySpan<byte> payload, Span<T> literals);

    /// <summary>Bytes of the raw form of so many.</summary>
    public int RawLength(int literals);

    /// <summary>True for a coding that literals may have.</summary>
    public bool Allows(Coding coding);
}

/// <summary>Codes segments in which long parts occur more than once, such as equal rows, tables and masks. Source: docs/format.md, section 5.9.</summary>
internal static class RepeatCoder
{
    /// <summary>A first list that makes the payload longer by more than one part in this many is the last.</summary>
    private const int HopelessShare = 16;

    /// <summary>Codes units; null where that takes <paramref name="limit"/> bytes or more, or does not look as if it would take fewer.</summary>
    /// <param name="units">Symbols or elements.</param>
    /// <param name="limit">Bytes of the shortest payload without repeats.</param>
    /// <param name="coder">Codes what is left.</param>
    /// <param name="isThorough">True to look further and once more.</param>
    internal static byte[]? TryEncode<T, TLiterals>(ReadOnlySpan<T> units, long limit, TLiterals coder, bool isThorough)
        where T : struct, IBinaryInteger<T>
        where TLiterals : struct, ILiteralCoder<T>
    {
        if (units.Length < 2 || limit <= 0)
            return null;
        var prices = new RepeatPrices<T>(units, limit);
        if (!RepeatParser.LooksRepetitive(units, prices, limit))
            return null;
        byte[]? best = null;
        ReadOnlySpan<int> depths = isThorough ? [16, 64, 128] : [16, 64];
        foreach (int depth in depths)
        {
            List<Repeat> repeats = RepeatParser.Parse(units, prices, depth);
            if (repeats.Count == 0)
                break;
            T[] literals = Literals(units, repeats);
            EncodedTensor coded = coder.Encode(literals);
            byte[] payload = Write(repeats, units.Length, literals.Length, coded);
            if (payload.Length < limit)
            {
                best = payload;
                limit = payload.Length;
            }

            else if (payload.Length - (limit / HopelessShare) > limit)
            {
                // Better prices do not win back so much.
                coded.Release();
                break;
            }

            prices.Learn(repeats, literals, coded.Payload.Length);
            coded.Release();
        }

        return best;
    }

    /// <summary>Decodes a payload.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Decode<T, TLiterals>(ReadOnlySpan<byte> payload, Span<T> units, TLiterals coder)
        where T : struct, IBinaryInteger<T>
        where TLiterals : struct, ILiteralCoder<T>
    {
        int position = 0;
        int count = ReadNumber(payload, ref position, units.Length - 1);
        T[] rented = ArrayPool<T>.Shared.Rent(count);
        try
        {
            Span<T> literals = rented.AsSpan(0, count);
            DecodeLiterals(payload, ref position, literals, coder);
            var reader = new Reader { Rans = new BinaryRansDecoder(payload[position..]) };
            reader.Rans.BeginOnlyBlock();
            Expand(ref reader, literals, units);
            reader.Rans.EndBlock(last: true);
        }
        finally
        {
            ArrayPool<T>.Shared.Return(rented);
        }
    }

    private static void DecodeLiterals<T, TLiterals>(ReadOnlySpan<byte> payload, ref int position, Span<T> literals, TLiterals coder)
        where T : struct, IBinaryInteger<T>
        where TLiterals : struct, ILiteralCoder<T>
    {
        if (position == payload.Length)
            Invalid.Throw(ContainerError.EntropyStream, "The coding of the units that do not repeat is missing.");
        var coding = (Coding)payload[position++];
        if (!coder.Allows(coding))
            Invalid.Throw(ContainerError.Coding, "The coding of the units that do not repeat is unknown or not allowed.");
        int raw = coder.RawLength(literals.Length);
        int length = coding == Coding.Raw ? raw : ReadNumber(payload, ref position, raw - 1);
        if (length > payload.Length - position)
            Invalid.Throw(ContainerError.EntropyStream, "The units that do not repeat end early.");
        coder.Decode(coding, payload.Slice(position, length), literals);
        position += length;
    }

    private static int ReadNumber(ReadOnlySpan<byte> bytes, ref int position, int most)
    {
        int read = VarInt.Read(bytes[position..], out long value);
        if (read == 0)
            Invalid.Throw(ContainerError.EntropyStream, "What is said of the units that do not repeat ends early.");
        if (value is 0 || value > most)
            Invalid.Throw(ContainerError.EntropyStream, "The number of units that do not repeat, or of their bytes, is out of range.");
        position += read;
        return (int)value;
    }

    private static void Expand<T>(ref Reader reader, ReadOnlySpan<T> literals, Span<T> units)
        where T : struct
    {
        var model = new RepeatModel();
        int position = 0;
        while (true)
        {
            int run = model.Run(ref reader, 0);
            if (run > literals.Length || run > units.Length - position)
                Invalid.Throw(ContainerError.EntropyStream, "More units are said not to repeat than there are.");
            literals[..run].CopyTo(units[position..]);
            literals = literals[run..];
            position += run;
            if (position == units.Length)
                break;
            int length = 0;
            int distance = 0;
            model.Repeat(ref reader, run, ref length, ref distance);
            if (distance > position || length > units.Length - position)
                Invalid.Throw(ContainerError.EntropyStream, "A repeat begins before the first unit or ends after the last.");
            Copy(units, position, distance, length);
            position += length;
        }

        if (!literals.IsEmpty)
            Invalid.Throw(ContainerError.EntropyStream, "Fewer units are said not to repeat than there are.");
    }

    // A repeat may overlap what it makes: then what is there already doubles.
    private static void Copy<T>(Span<T> units, int position, int distance, int length)
    {
        Span<T> source = units.Slice(position - distance, distance);
        Span<T> destination = units.Slice(position, length);
        while (destination.Length > source.Length)
        {
            source.CopyTo(destination);
            destination = destination[source.Length..];
            source = units.Slice(position - distance, 2 * source.Length);
        }

        source[..destination.Length].CopyTo(destination);
    }

    private static T[] Literals<T>(ReadOnlySpan<T> units, List<Repeat> repeats)
    {
        var literals = new T[units.Length - repeats.Sum(repeat => repeat.Length)];
        int count = 0;
        foreach (Repeat repeat in repeats)
        {
            units[..repeat.Run].CopyTo(literals.AsSpan(count));
            count += repeat.Run;
            units = units[(repeat.Run + repeat.Length)..];
        }

        units.CopyTo(literals.AsSpan(count));
        return literals;
    }

    private static byte[] Write(List<Repeat> repeats, int length, int literals, EncodedTensor coded)
    {
        int last = length - repeats.Sum(repeat => repeat.Run + repeat.Length);
        return [.. VarInt.ToArray((ulong)literals), (byte)coded.Coding, .. coded.Coding == Coding.Raw ? [] : VarInt.ToArray((ulong)coded.Payload.Length), .. coded.Payload.Span, .. Places(repeats, last)];
    }

    /// <summary>Codes where units come from.</summary>
    /// <param name="repeats">The repeats, each with the literals before it.</param>
    /// <param name="last">Literals after the last one.</param>
    internal static byte[] Places(IEnumerable<Repeat> repeats, int last)
    {
        var output = new BinaryRansEncoder();
        var writer = new Writer(output);
        var model = new RepeatModel();
        foreach (Repeat repeat in repeats)
        {
            int length = repeat.Length;
            int distance = repeat.Distance;
            model.Run(ref writer, repeat.Run);
            model.Repeat(ref writer, repeat.Run, ref length, ref distance);
        }

        model.Run(ref writer, last);
        output.EndOnlyBlock();
        return output.ToArray();
    }

    private readonly struct Writer(BinaryRansEncoder output) : IDecisionCoder
    {
        public static bool Decodes => false;

        public int Code(int bit, int probability)
        {
            output.Add(bit, probability);
            return bit;
        }
    }

    private ref struct Reader : IDecisionCoder
    {
        internal BinaryRansDecoder Rans;

        public static bool Decodes => true;

        public int Code(int bit, int probability) => Rans.Decode(probability);
    }
}
