namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Codes binary decisions of changing probability. Source: docs/format.md, section 5.6.</summary>
/// <remarks>A rANS decoder reads backwards what the encoder wrote, so the decisions of a block are kept until <see cref="EndBlock(bool)"/> codes them from last to first.</remarks>
internal sealed class BinaryRansEncoder
{
    private readonly List<byte> output = [];
    private uint[] decisions = new uint[4096];
    private int count;

    /// <summary>Bytes of all ended blocks.</summary>
    internal int Length => output.Count;

    /// <summary>Adds a decision.</summary>
    /// <param name="bit">0 or 1.</param>
    /// <param name="probability">Of a one; 1 to 65,535, in 1/65,536.</param>
    internal void Add(int bit, int probability)
    {
        if (bit != 0)
            AddSlots(0, probability);
        else
            AddSlots(probability, (int)BinaryRansConstants.Total - probability);
    }

    /// <summary>Adds a decision that has more than two answers.</summary>
    /// <param name="start">The first of the 65,536 slots of the answer.</param>
    /// <param name="frequency">How many it has; 1 to 65,535.</param>
    internal void AddSlots(int start, int frequency)
    {
        if (count == decisions.Length)
            Array.Resize(ref decisions, checked(2 * count));
        decisions[count++] = ((uint)start << BinaryRansConstants.PrecisionBits) | (uint)frequency;
    }

    /// <summary>Codes the decisions added since the last block: the state, then the words in the order they are read.</summary>
    /// <param name="last">True where no other block follows.</param>
    internal void EndBlock(bool last) => EndBlock(last ? BinaryRansConstants.EndState : BinaryRansConstants.LowerBound, only: false);

    /// <summary>The same where there is no other block: its state has the fewest bytes, and as words have two, the length tells how many.</summary>
    internal void EndOnlyBlock() => EndBlock(BinaryRansConstants.EndState, only: true);

    private void EndBlock(ulong state, bool only)
    {
        int start = output.Count;
        for (int i = count - 1; i >= 0; i--)
        {
            uint frequency = decisions[i] & (BinaryRansConstants.Total - 1);
            if (state >= frequency * BinaryRansConstants.LowerBound)
            {
                output.Add((byte)(state >> 8));                                        // reversed below
                output.Add((byte)state);
                state >>= BinaryRansConstants.WordBits;
            }

            ulong quotient = state / frequency;
            state = (quotient << BinaryRansConstants.PrecisionBits) + (state - (quotient * frequency)) + (decisions[i] >> BinaryRansConstants.PrecisionBits);
        }

        int stateBytes = only && state >> (8 * (BinaryRansConstants.StateBytes - 1)) == 0 ? BinaryRansConstants.StateBytes - 1 : BinaryRansConstants.StateBytes;
        for (int shift = 8 * (stateBytes - 1); shift >= 0; shift -= 8)
            output.Add((byte)(state >> shift));
        output.Reverse(start, output.Count - start);
        count = 0;
    }

    internal byte[] ToArray() => [.. output];

    /// <summary>Appends bytes that are not coded.</summary>
    internal void Append(ReadOnlySpan<byte> bytes) => output.AddRange(bytes);
}
