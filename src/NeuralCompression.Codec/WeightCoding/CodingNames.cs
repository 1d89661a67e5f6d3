namespace NeuralCompression.Codec.WeightCoding;

internal static class CodingNames
{
    /// <summary>How many codings format version 1 knows.</summary>
    internal const int Count = 5;

    internal static string Name(this Coding coding) => coding switch
    {
        Coding.Raw => "raw",
        Coding.Constant => "constant",
        Coding.StaticRans => "static-rans",
        Coding.ContextMixing => "context-mixing",
        _ => "byte-planes",
    };
}
