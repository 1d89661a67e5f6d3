using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>How hard the encoder tries to shorten a plane of bytes.</summary>
/// <param name="MinPrecisionBits">The coarsest frequency table.</param>
/// <param name="MaxPrecisionBits">The finest frequency table.</param>
/// <param name="WideFrom">Bytes of text from which on there are 32 lanes.</param>
/// <param name="LeastGain">A plane stays raw unless it becomes shorter by more than one byte in this many; 0: by any byte.</param>
internal readonly record struct PlaneRules(int MinPrecisionBits, int MaxPrecisionBits, int WideFrom, int LeastGain)
{
    /// <summary>What a level allows for a plane of the given length.</summary>
    /// <remarks>
    /// A plane of trained mantissas has 7.9 to 8 bits a byte: coding it gains a hundredth of the file and halves the speed of decoding, which only <c>SmallestSize</c> wants. Planes of
    /// exponents stand beside one to seven planes that cost more, so 84 bytes for more lanes weigh less than in symbols. Tables are no finer than the plane is long, because laying one out takes as long as decoding several symbols a slot.
    /// </remarks>
    internal static PlaneRules For(CompressionLevel level, int length)
    {
        if (level == CompressionLevel.SmallestSize)
            return new(RansConstants.MinPrecisionBits, RansConstants.MaxPrecisionBits, RansPlan.DefaultWideFrom, LeastGain: 0);
        int log = int.Log2(Math.Max(length, 1));
        if (level == CompressionLevel.Fastest)
            return new(Precision(log - 4), Precision(log - 4), 2 << 10, LeastGain: 16);
        return new(Precision(log - 4), Precision(log - 3), 4 << 10, LeastGain: 32);
    }

    /// <summary>The bytes by which coding must shorten a plane.</summary>
    internal long Gain(long length) => LeastGain == 0 ? 0 : length / LeastGain;

    private static int Precision(int bits) => Math.Clamp(bits, RansConstants.MinPrecisionBits, SlotTable.MaxPackedPrecisionBits);
}
