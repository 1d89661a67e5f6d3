using System.Diagnostics.Metrics;

namespace NeuralCompression.Diagnostics;

/// <summary>What a session does at every step: the meter <c>NeuralCompression</c>, described in docs/hosting.md. Nothing is computed for it that the session has not computed anyway.</summary>
internal static class CompressionMeter
{
    private static readonly Meter Meter = new("NeuralCompression");
    private static readonly Counter<long> Steps = Meter.CreateCounter<long>("neuralcompression.session.steps", "{step}", "Optimizer steps.");
    private static readonly Gauge<double> Strength = Meter.CreateGauge<double>("neuralcompression.session.strength", "1", "Strength of the compression term in force.");
    private static readonly Gauge<long> Bytes = Meter.CreateGauge<long>("neuralcompression.session.bytes", "By", "What the file would weigh, when it was measured last.");
    private static readonly Counter<long> SavedBytes = Meter.CreateCounter<long>("neuralcompression.session.saved_bytes", "By", "Bytes of compressed files written.");

    public static void Step(string module, double strength)
    {
        if (Steps.Enabled)
        {
            Steps.Add(1, Tag(module));
        }

        if (Strength.Enabled)
        {
            Strength.Record(strength, Tag(module));
        }
    }

    public static void Measured(string module, long bytes) => Bytes.Record(bytes, Tag(module));

    public static void Saved(string module, long bytes) => SavedBytes.Add(bytes, Tag(module));

    private static KeyValuePair<string, object?> Tag(string module) => new("module", module);
}
