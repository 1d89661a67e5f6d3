namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>What <see cref="ClassifiedSearch"/> chooses between, and what came of it.</summary>
internal readonly record struct ClassifiedChoice
{
    /// <summary>The far distance is a row.</summary>
    internal const int Above = -1;

    internal ClassifiedParameters Parameters { get; init; }

    /// <summary>Classes of rows: 0 none, 1 fine steps, 2 coarse steps.</summary>
    internal int Rows { get; init; }

    /// <summary>Classes of columns.</summary>
    internal int Columns { get; init; }

    /// <summary>The far distance, or <see cref="Above"/>.</summary>
    internal int Far { get; init; }

    /// <summary>Whether repeats were shorter than everything else.</summary>
    internal bool Repeats { get; init; }
}
