using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace NeuralCompression.Tool;

/// <summary>What goes to standard output: words for people, or JSON for programs.</summary>
internal static class Output
{
    internal static void Json(Action<Utf8JsonWriter> write)
    {
        using Stream output = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
    }

    internal static void Line(string text = "") => Console.Out.WriteLine(text);

    /// <summary>A table with two spaces between columns; the first columns to the left, numbers to the right.</summary>
    internal static void Table(string[] head, IEnumerable<string[]> rows, int leftColumns)
    {
        List<string[]> all = [head, .. rows.Select(row => row.Select(Printable).ToArray())];
        int[] widths = [.. Enumerable.Range(0, head.Length).Select(column => all.Max(row => row[column].Length))];
        foreach (string[] row in all)
            Line(string.Join("  ", row.Select((cell, column) => column < leftColumns ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
    }

    /// <summary>What became of a size: how many times smaller, or larger, since a file that is small already can grow.</summary>
    internal static string Ratio(long before, long after) => after <= before
        ? string.Create(CultureInfo.InvariantCulture, $"{before / (double)Math.Max(after, 1):F2} times smaller")
        : string.Create(CultureInfo.InvariantCulture, $"{after / (double)Math.Max(before, 1):F2} times larger");

    internal static string Bytes(long bytes) => $"{bytes:N0}";

    /// <summary>Names come from files: control characters must not reach a terminal.</summary>
    internal static string Printable(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(letter => char.IsControl(letter) ? '?' : letter)) : text;
}
