using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Adds up what decisions would cost.</summary>
internal struct DecisionPrice : IDecisionCoder
{
    /// <summary>Probabilities have 16 bits, logarithms are known of numbers of 14.</summary>
    private const int Shift = BinaryRansConstants.PrecisionBits - RansConstants.MaxPrecisionBits;

    public static bool Decodes => false;

    /// <summary>Bits x 2^16.</summary>
    internal long Cost { get; private set; }

    public int Code(int bit, int probability)
    {
        int own = (bit != 0 ? probability : (int)BinaryRansConstants.Total - probability) >> Shift;
        Cost += (RansConstants.MaxPrecisionBits << FixedPointLog2.FractionBits) - FixedPointLog2.Of(own);
        return bit;
    }
}
