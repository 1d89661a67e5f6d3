using System.Globalization;
using System.Text;

namespace NeuralCompression.Codec;

/// <summary>What a finished file holds and what each tensor cost.</summary>
/// <remarks>Immutable. Source: docs/format.md, section 3.</remarks>
public sealed class CompressionReport
{
    internal CompressionReport(long totalBytes, IReadOnlyList<TensorReport> tensors)
    {
        TotalBytes = totalBytes;
        Tensors = tensors;
        OriginalBytes = tensors.Sum(tensor => tensor.OriginalBytes);
    }

    /// <summary>The length of the whole file, header, index and checksums included; bytes.</summary>
    public long TotalBytes { get; }

    /// <summary>The tensors in the order of the file.</summary>
    public IReadOnlyList<TensorReport> Tensors { get; }

    /// <summary>The bytes of all values in their own element types; bytes.</summary>
    public long OriginalBytes { get; }

    /// <summary>Original bytes / total bytes, dimensionless: 100 means a hundred times smaller.</summary>
    public double Ratio => OriginalBytes / (double)TotalBytes;

    /// <summary>A table for people, the same in every culture.</summary>
    /// <returns>One line per tensor and a last line of totals.</returns>
    public override string ToString()
    {
        int nameWidth = Math.Max(5, Tensors.Count == 0 ? 0 : Tensors.Max(tensor => tensor.Name.Length));
        int shapeWidth = Math.Max(5, Tensors.Count == 0 ? 0 : Tensors.Max(tensor => TensorShape.Format(tensor.Shape).Length));
        var text = new StringBuilder();
        Line("name", "shape", "type", "coding", "original", "stored", "bits/weight");
        foreach (TensorReport tensor in Tensors)
        {
            Line(
                tensor.Name,
                TensorShape.Format(tensor.Shape),
                tensor.ElementType.ToString(),
                tensor.AliasOf is null ? tensor.Coding : "alias",
                tensor.OriginalBytes.ToString(CultureInfo.InvariantCulture),
                tensor.StoredBytes.ToString(CultureInfo.InvariantCulture),
                tensor.BitsPerElement.ToString("F4", CultureInfo.InvariantCulture));
        }

        text.Append(CultureInfo.InvariantCulture, $"{OriginalBytes} bytes -> {TotalBytes} bytes, ratio {Ratio:F2}").Append('\n');
        return text.ToString();

        void Line(string name, string shape, string type, string coding, string original, string stored, string bits) =>
            text.Append(name.PadRight(nameWidth)).Append("  ").Append(shape.PadRight(shapeWidth)).Append("  ").Append(type.PadRight(8)).Append("  ")
                .Append(coding.PadRight(11)).Append("  ").Append(original.PadLeft(10)).Append("  ").Append(stored.PadLeft(10)).Append("  ").Append(bits.PadLeft(11)).Append('\n');
    }
}
