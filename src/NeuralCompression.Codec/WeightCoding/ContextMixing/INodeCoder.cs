namespace NeuralCompression.Codec.WeightCoding.ContextMixing;

/// <summary>Codes decisions of five answers too: how many of four nodes in a row are one.</summary>
internal interface INodeCoder : IDecisionCoder
{
    /// <summary>Codes one decision.</summary>
    /// <param name="answer">0 to 4; ignored when decoding.</param>
    /// <param name="thresholds">Six integers that fall from 65,536 to 0. An answer takes the slots below the threshold at its place, from the next threshold on; one that occurs has at least one slot.</param>
    /// <returns>The answer.</returns>
    public int Code(int answer, ref int thresholds);
}
