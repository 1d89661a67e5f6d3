namespace NeuralCompression.Codec;

/// <summary>Arithmetic on shapes with every overflow checked.</summary>
internal static class TensorShape
{
    /// <summary>The most axes the writer stores: what a reader with default limits accepts.</summary>
    internal const int MaxRank = 8;

    /// <summary>The number of elements; a zero-length axis makes it 0, no axis makes it 1.</summary>
    internal static bool TryCount(ReadOnlySpan<long> shape, out long count)
    {
        count = 1;
        bool overflow = false;
        bool empty = false;
        foreach (long length in shape)
        {
            if (length < 0)
                return false;
            if (length == 0)
                empty = true;
            else if (count > long.MaxValue / length)
                overflow = true;
            else
                count *= length;
        }

        if (empty)
            count = 0;
        return empty || !overflow;
    }

    /// <summary>The number of elements of a shape a caller gave.</summary>
    internal static long Count(ReadOnlySpan<long> shape, string parameter)
    {
        if (shape.Length > MaxRank)
            throw new ArgumentException(FormattableString.Invariant($"A shape has at most {MaxRank} axes, not {shape.Length}."), parameter);
        if (!TryCount(shape, out long count))
            throw new ArgumentException("Axis lengths must be at least 0 and their product below 2^63.", parameter);
        return count;
    }

    internal static string Format(ReadOnlySpan<long> shape)
    {
        var text = new System.Text.StringBuilder("[");
        for (int i = 0; i < shape.Length; i++)
        {
            if (i > 0)
                text.Append(", ");
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"{shape[i]}");
        }

        return text.Append(']').ToString();
    }
}
