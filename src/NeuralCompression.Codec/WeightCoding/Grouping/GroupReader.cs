using System.Buffers;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>Reads the grouped coding block by block: tokens into the first-level cache, from there into symbols. Source: docs/format.md, section 5.7.</summary>
internal ref struct GroupReader
{
    /// <summary>Tokens decoded before they are expanded: few enough to stay in the first-level cache.</summary>
    internal const int TokenBlock = 2048;

    private readonly ReadOnlySpan<byte> payload;
    private readonly GroupExpander expander;
    private readonly Span<byte> tokens;
    private readonly byte[] apart;
    private readonly int escapedEnd;
    private readonly int apartLength;
    private readonly int groupSize;
    private readonly int streamStart;
    private RansReader stream;
    private int apartUsed;

    /// <summary>Reads the list of groups and the symbols coded apart.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="length">Symbols of the tensor.</param>
    /// <param name="min">The smallest symbol.</param>
    /// <param name="alphabetSize">Largest minus smallest symbol plus one.</param>
    /// <param name="states">Room for <see cref="RansReader.MaxLanes"/> states, kept.</param>
    /// <param name="tokens">Room for <see cref="TokenBlock"/> tokens, kept.</param>
    internal GroupReader(ReadOnlySpan<byte> payload, int length, int min, int alphabetSize, Span<uint> states, Span<byte> tokens)
    {
        this.payload = payload;
        this.tokens = tokens;
        if (payload.Length < 2)
            Invalid.Throw(ContainerError.FrequencyTable, "The list of groups is missing.");
        int parameters = payload[0];
        groupSize = 1 << (parameters & GroupLayout.SizeMask);
        bool hasEscape = (parameters & GroupLayout.EscapeBit) != 0;
        bool isNear = (parameters & GroupLayout.NearBit) != 0;
        if (groupSize == 1 || groupSize > SymbolGroups.MaxSize(alphabetSize) || length < groupSize)
            Invalid.Throw(ContainerError.FrequencyTable, "The group size does not fit the tensor.");
        int position = 1;
        byte filler = 0;
        if ((isNear || hasEscape) && (filler = payload[position++]) >= alphabetSize)
            Invalid.Throw(ContainerError.SymbolValue, "The digit that groups are filled with is out of range.");
        int riceBits = (parameters >> GroupLayout.RiceOffset) & GroupLayout.RiceMask;
        if (isNear && riceBits > groupSize)
            Invalid.Throw(ContainerError.FrequencyTable, "Groups are to differ in more digits than they have.");
        if (!isNear && position == payload.Length)
            Invalid.Throw(ContainerError.FrequencyTable, "The list of groups is missing.");
        int listed = isNear ? NearGroups.Count(alphabetSize, groupSize, riceBits) : payload[position++] + 1;
        if (listed + (hasEscape ? 1 : 0) is < 2 or > RansConstants.MaxAlphabet)
            Invalid.Throw(ContainerError.FrequencyTable, "A list of groups is too short or too long.");

        Span<ushort> groups = stackalloc ushort[listed];
        if (isNear)
            NearGroups.Fill(groups, alphabetSize, groupSize, riceBits, filler);
        else
            position += ReadList(payload[position..], SymbolGroups.Numbers(alphabetSize, groupSize), riceBits, groups);
        int escaped = hasEscape ? ReadCount(payload, ref position, length / groupSize) : 0;
        escapedEnd = escaped * groupSize;
        apartLength = escapedEnd + (length % groupSize);
        apart = ArrayPool<byte>.Shared.Rent(apartLength + GroupMasks.Padding);
        try
        {
            position += ReadApart(payload[position..], escaped, alphabetSize, (byte)min, (byte)(filler + min));
            expander = new GroupExpander(groups, hasEscape, min, alphabetSize, groupSize);
            streamStart = position;
            stream = new RansReader(payload[position..], expander.Outputs, states);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(apart);
            throw;
        }
    }

    /// <summary>Decodes the next symbols: a multiple of <see cref="RansReader.MaxLanes"/> groups, or the last of the tensor.</summary>
    internal void Read(Span<sbyte> symbols)
    {
        while (symbols.Length >= groupSize)
        {
            Span<byte> block = tokens[..Math.Min(TokenBlock, symbols.Length / groupSize)];
            Span<byte> expanded = MemoryMarshal.AsBytes(symbols[..(block.Length * groupSize)]);
            stream.Read(block);
            expander.Expand(block, expanded);
            if (expander.HasEscape)
                Replace(block, expanded);
            symbols = symbols[expanded.Length..];
        }

        if (symbols.Length > 0)
        {
            if (apartUsed != escapedEnd)
                Invalid.Throw(ContainerError.EntropyStream, "There are fewer groups without a token than declared.");
            MemoryMarshal.Cast<byte, sbyte>(apart.AsSpan(apartUsed, symbols.Length)).CopyTo(symbols);
            apartUsed += symbols.Length;
        }
    }

    /// <summary>Checks that everything was used.</summary>
    internal readonly void Finish()
    {
        if (apartUsed != apartLength)
            Invalid.Throw(ContainerError.EntropyStream, "There are fewer groups without a token than declared.");
        if (streamStart + stream.Finish() != payload.Length)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
    }

    /// <summary>Frees what the reader rented.</summary>
    internal readonly void Dispose() => ArrayPool<byte>.Shared.Return(apart);

    private static int ReadList(ReadOnlySpan<byte> bytes, int numbers, int riceBits, Span<ushort> groups)
    {
        var reader = new BitReader(bytes, ContainerError.FrequencyTable);
        int next = 0;
        foreach (ref ushort group in groups)
        {
            int high = 0;
            while (reader.Read(1) == 1)
            {
                if (next + (++high << riceBits) >= numbers)
                    Invalid.Throw(ContainerError.FrequencyTable, "A listed group is out of range.");
            }

            next += (high << riceBits) + (int)reader.Read(riceBits);
            if (next >= numbers)
                Invalid.Throw(ContainerError.FrequencyTable, "A listed group is out of range.");
            group = (ushort)next++;
        }

        return reader.Finish();
    }

    private static int ReadCount(ReadOnlySpan<byte> bytes, ref int position, int most)
    {
        int read = VarInt.Read(bytes[position..], out long value);
        if (read == 0)
            Invalid.Throw(ContainerError.EntropyStream, "The number of groups without a token is missing.");
        if (value is 0 || value > most)
            Invalid.Throw(ContainerError.EntropyStream, "The number of groups without a token is out of range.");
        position += read;
        return (int)value;
    }

    // Masks, then the digits they tell of and those of the last, shorter group.
    private readonly int ReadApart(ReadOnlySpan<byte> source, int escaped, int alphabetSize, byte min, byte filler)
    {
        if (apartLength == 0)
            return 0;
        int position = 0;
        byte[] masks = ArrayPool<byte>.Shared.Rent(escaped);
        byte[] digits = [];
        try
        {
            Span<byte> used = masks.AsSpan(0, escaped);
            if (escaped > 0)
            {
                position = PlaneCoder.ReadPlane(source, used);
                if (TensorPrimitives.Max<byte>(used) >= 1 << groupSize)
                    Invalid.Throw(ContainerError.EntropyStream, "A mask has a bit beyond its group.");
            }

            int count = GroupMasks.Count(used);
            int rest = apartLength - escapedEnd;
            digits = ArrayPool<byte>.Shared.Rent(count + rest + GroupMasks.Padding);
            Span<byte> all = digits.AsSpan(0, count + rest);
            if (all.Length > 0)
            {
                position += PlaneCoder.ReadPlane(source[position..], all);
                if (TensorPrimitives.Max<byte>(all) >= alphabetSize)
                    Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
                TensorPrimitives.Add(all, min, all);
            }

            GroupMasks.Scatter(used, digits.AsSpan(0, count + GroupMasks.Padding), filler, groupSize, apart);
            all[count..].CopyTo(apart.AsSpan(escapedEnd));
            return position;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(masks);
            ArrayPool<byte>.Shared.Return(digits);
        }
    }

    private void Replace(ReadOnlySpan<byte> block, Span<byte> expanded)
    {
        Vector256<byte> escape = Vector256.Create(expander.Escape);
        int start = 0;
        for (; start + Vector256<byte>.Count <= block.Length; start += Vector256<byte>.Count)
        {
            uint found = Vector256.Equals(Vector256.Create(block.Slice(start, Vector256<byte>.Count)), escape).ExtractMostSignificantBits();
            for (; found != 0; found &= found - 1)
                ReplaceOne(expanded, start + BitOperations.TrailingZeroCount(found));
        }

        for (; start < block.Length; start++)
        {
            if (block[start] == expander.Escape)
                ReplaceOne(expanded, start);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ReplaceOne(Span<byte> expanded, int group)
    {
        if (apartUsed + groupSize > escapedEnd)
            Invalid.Throw(ContainerError.EntropyStream, "There are more groups without a token than declared.");
        ReadOnlySpan<byte> digits = apart.AsSpan(apartUsed, groupSize);
        Span<byte> place = expanded.Slice(group * groupSize, groupSize);

        // Lengths that the compiler knows are copied without a call.
        switch (groupSize)
        {
            case 8:
                digits[..8].CopyTo(place);
                break;
            case 4:
                digits[..4].CopyTo(place);
                break;
            default:
                digits[..2].CopyTo(place);
                break;
        }

        apartUsed += groupSize;
    }
}
