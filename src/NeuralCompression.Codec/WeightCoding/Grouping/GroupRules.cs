using System.IO.Compression;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Grouping;

/// <summary>What size may cost in speed, by level.</summary>
/// <param name="Tolerance">A larger group, which decodes faster, may cost one part in this many of the smallest estimate.</param>
/// <param name="WideFrom">From so many bytes on tokens have 32 lanes.</param>
internal readonly record struct GroupRules(int Tolerance, int WideFrom)
{
    /// <summary>The rules of a level that compresses.</summary>
    internal static GroupRules For(CompressionLevel level) => level switch
    {
        CompressionLevel.Fastest => new(192, RansPlan.FastWideFrom),
        CompressionLevel.SmallestSize => new(int.MaxValue, RansPlan.DefaultWideFrom),
        _ => new(512, RansPlan.OptimalWideFrom),
    };
}
