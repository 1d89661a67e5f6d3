using System.Buffers;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>The tokens of a text's groups; groups without one are put aside on the way.</summary>
/// <remarks>Where all numbers of groups fit in a byte they are not turned into tokens: the coder's table is laid out by number.</remarks>
internal readonly ref struct GroupTokens : ITokenSource
{
    private readonly ReadOnlySpan<byte> text;
    private readonly byte first;
    private readonly int alphabetSize;
    private readonly GroupPlan plan;
    private readonly byte[] tokenOf;
    private readonly SearchValues<byte>? escaped;
    private readonly BackwardBuffer masks;
    private readonly BackwardBuffer apart;

    /// <summary>Prepares.</summary>
    /// <param name="text">Symbols of 8 bits.</param>
    /// <param name="first">The smallest.</param>
    /// <param name="alphabetSize">Symbols minus the smallest are below this.</param>
    /// <param name="plan">Which groups have a token.</param>
    /// <param name="masks">Receives the masks of the others, from the last group to the first.</param>
    /// <param name="apart">Receives the digits that these tell of, likewise.</param>
    internal GroupTokens(ReadOnlySpan<byte> text, byte first, int alphabetSize, GroupPlan plan, BackwardBuffer masks, BackwardBuffer apart)
    {
        this.text = text;
        this.first = first;
        this.alphabetSize = alphabetSize;
        this.plan = plan;
        this.masks = masks;
        this.apart = apart;
        byte escape = (byte)plan.Listed.Length;
        tokenOf = new byte[SymbolGroups.Numbers(alphabetSize, plan.GroupSize)];
        tokenOf.AsSpan().Fill(escape);
        for (int token = 0; token < plan.Listed.Length; token++)
            tokenOf[plan.Listed[token]] = (byte)token;
        if (!plan.HasEscape)
            return;
        byte[] tokens = tokenOf;
        escaped = IsByNumber
            ? SearchValues.Create([.. Enumerable.Range(0, tokens.Length).Where(number => tokens[number] == escape).Select(number => (byte)number)])
            : SearchValues.Create(escape);
    }

    private bool IsByNumber => tokenOf.Length <= RansConstants.MaxAlphabet;

    public FrequencyTable TableFor(FrequencyTable tokens) => IsByNumber ? tokens.For(tokenOf) : tokens;

    [SkipLocalsInit]
    public ReadOnlySpan<byte> Read(int start, int count, byte[] room)
    {
        int size = plan.GroupSize;
        Span<ushort> numberRoom = stackalloc ushort[SymbolGroups.Block];
        for (int left = count; left > 0;)
        {
            // From the last block to the first, so that what is put aside comes in reverse order.
            int from = (left - 1) / SymbolGroups.Block * SymbolGroups.Block;
            Span<byte> block = room.AsSpan(from, left - from);
            Span<ushort> numbers = numberRoom[..block.Length];
            SymbolGroups.Number(text.Slice((start + from) * size, block.Length * size), first, alphabetSize, size, numbers);
            if (IsByNumber)
                NumberTables.Narrow(numbers, block);
            else
                NumberTables.Map(numbers, tokenOf, block);
            if (escaped is not null)
                PutAside(block, start + from);
            left = from;
        }

        return room.AsSpan(0, count);
    }

    private void PutAside(ReadOnlySpan<byte> block, int start)
    {
        int size = plan.GroupSize;
        Span<byte> digits = stackalloc byte[sizeof(ulong)];
        digits = digits[..size];
        int found;
        while ((found = block.LastIndexOfAny(escaped!)) >= 0)
        {
            ReadOnlySpan<byte> group = text.Slice((start + found) * size, size);
            for (int i = 0; i < group.Length; i++)
                digits[i] = (byte)(group[i] - first);
            masks.Prepend([GroupMasks.Take(digits, plan.Filler, out int count)]);
            apart.Prepend(digits[..count]);
            block = block[..found];
        }
    }
}
