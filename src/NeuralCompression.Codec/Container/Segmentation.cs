namespace NeuralCompression.Codec.Container;

/// <summary>How tensors are cut into segments. Source: docs/format.md, section 4.7.</summary>
internal static class Segmentation
{
    /// <summary>
    /// The elements of every segment but the last, as this writer chooses them: as few segments as the limit allows, but one more than an odd number, so that two threads share
    /// them evenly; about equally long, each made of whole rows, or of the largest part of a row (the elements of all indices of the last axes) that fits.
    /// </summary>
    internal static long LengthFor(ReadOnlySpan<long> shape, long length, int elementBytes, int segmentBytes)
    {
        long most = Math.Max(1, segmentBytes / elementBytes);
        if (length <= most)
            return length;
        long unit = 1;
        for (int axis = shape.Length - 1; axis > 0 && shape[axis] <= most / unit; axis--)
            unit *= shape[axis];
        most -= most % unit;
        long count = ((length - 1) / most) + 1;
        count += count % 2;
        long each = ((length - 1) / count) + 1;
        return ((each - 1) / unit * unit) + unit;
    }

    /// <summary>The shape of a run of elements: how many of the largest part of the tensor (the elements of all indices of the last axes) that divides the segment length, then those axes.</summary>
    internal static long[] ShapeOf(ReadOnlySpan<long> shape, long length, long segmentLength, long count)
    {
        if (segmentLength == length)
            return shape.ToArray();
        long unit = 1;
        int first = shape.Length;
        for (int axis = shape.Length - 1; axis > 0 && shape[axis] <= segmentLength / unit && segmentLength % (unit * shape[axis]) == 0; axis--)
        {
            unit *= shape[axis];
            first = axis;
        }

        return [count / unit, .. shape[first..]];
    }
}
