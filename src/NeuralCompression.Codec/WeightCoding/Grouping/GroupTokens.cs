using System.Numerics.Tensors;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>The tokens of a text's groups; the digits of groups without one are put aside on the way.</summary>
internal ref struct GroupTokens : ITokenSource
{
    private readonly ReadOnlySpan<byte> text;
    private readonly byte first;
    private readonly int alphabetSize;
    private readonly GroupPlan plan;
    private readonly byte[] tokenOf;
    private readonly Span<byte> apart;
    private int apartLeft;

    /// <summary>Prepares.</summary>
    /// <param name="text">Symbols of 8 bits.</param>
    /// <param name="first">The smallest.</param>
    /// <param name="alphabetSize">Symbols minus the smallest are below this.</param>
    /// <param name="plan">Which groups have a token.</param>
    /// <param name="apart">Receives the digits of the others, filled from its end; exactly as long as they are.</param>
    internal GroupTokens(ReadOnlySpan<byte> text, byte first, int alphabetSize, GroupPlan plan, Span<byte> apart)
    {
        this.text = text;
        this.first = first;
        this.alphabetSize = alphabetSize;
        this.plan = plan;
        this.apart = apart;
        apartLeft = apart.Length;
        tokenOf = new byte[SymbolGroups.Numbers(alphabetSize, plan.GroupSize)];
        tokenOf.AsSpan().Fill((byte)plan.Listed.Length);
        for (int token = 0; token < plan.Listed.Length; token++)
            tokenOf[plan.Listed[token]] = (byte)token;
    }

    public void Read(int start, scoped Span<byte> tokens)
    {
        int size = plan.GroupSize;
        Span<ushort> room = stackalloc ushort[SymbolGroups.Block];
        while (tokens.Length > 0)
        {
            // From the last block to the first, so that what is put aside comes in reverse order.
            int from = (tokens.Length - 1) / SymbolGroups.Block * SymbolGroups.Block;
            Span<byte> block = tokens[from..];
            Span<ushort> numbers = room[..block.Length];
            SymbolGroups.Number(text.Slice((start + from) * size, block.Length * size), first, alphabetSize, size, numbers);
            NumberTables.Map(numbers, tokenOf, block);
            if (plan.HasEscape)
                PutAside(block, start + from);
            tokens = tokens[..from];
        }
    }

    private void PutAside(scoped ReadOnlySpan<byte> tokens, int start)
    {
        byte escape = (byte)plan.Listed.Length;
        int size = plan.GroupSize;
        int found;
        while ((found = tokens.LastIndexOf(escape)) >= 0)
        {
            apartLeft -= size;
            TensorPrimitives.Subtract(text.Slice((start + found) * size, size), first, apart.Slice(apartLeft, size));
            tokens = tokens[..found];
        }
    }
}
