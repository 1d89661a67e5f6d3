namespace NeuralCompression.Codec.WeightCoding;

internal static class CodingNames
{
    /// <summary>True for a coding of format version 1 that a tensor with, or without, a grid may have.</summary>
    internal static bool IsAllowed(this Coding coding, bool hasGrid) => coding switch
    {
        Coding.Raw or Coding.Constant or Coding.Repeats => true,
        Coding.StaticRans or Coding.ContextMixing or Coding.GroupedRans or Coding.ClassifiedRans => hasGrid,
        Coding.BytePlanes => !hasGrid,
        _ => false,
    };

    internal static string Name(this Coding coding) => coding switch
    {
        Coding.Raw => "raw",
        Coding.Constant => "constant",
        Coding.StaticRans => "static-rans",
        Coding.ContextMixing => "context-mixing",
        Coding.GroupedRans => "grouped-rans",
        Coding.ClassifiedRans => "classified-rans",
        Coding.Repeats => "repeats",
        _ => "byte-planes",
    };
}
