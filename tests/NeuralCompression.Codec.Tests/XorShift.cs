namespace NeuralCompression.Codec.Tests;

/// <summary>xorshift64*: the same numbers on every machine and runtime, unlike System.Random's promise.</summary>
internal sealed class XorShift(ulong seed)
{
    private ulong state = (seed * 0x9E3779B97F4A7C15) | 1;

    internal ulong Next()
    {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 2685821657736338717UL;
    }

    /// <summary>A number in [0, bound).</summary>
    internal int Next(int bound) => (int)((Next() >> 32) * (ulong)bound >> 32);
}
