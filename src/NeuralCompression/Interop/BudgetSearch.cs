using System.IO.Compression;
using NeuralCompression.Codec;
using NeuralCompression.Codec.Container;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>Finds the weakest rate-distortion rounding that brings a module's file to a budget.</summary>
/// <remarks>The search steps by the meter, which is within a percent of the file, and ends by writing the file itself to nowhere: a budget that is met is met to the byte.</remarks>
internal sealed class BudgetSearch(nn.Module model, CompressionLevel level, Func<RoundingRate, IReadOnlyDictionary<nint, QuantizedTensor>> quantize)
{
    // A file this much below the budget is not worth another search.
    private const double Enough = 0.99;
    private const int Attempts = 5;
    private const int Bisections = 14;

    // Strengths are tried from here by factors; the unit depends on the task's gradients, so no scale is known beforehand.
    private const double First = 1e-9;
    private const double Factor = 16;
    private const double Least = 1e-30;
    private const double Most = 1e30;

    private readonly ModelMeter _meter = new(level);

    /// <param name="budget">The budget; bytes.</param>
    /// <param name="share">The part of it to use up.</param>
    public BudgetReport Run(long budget, double share)
    {
        long targetBytes = (long)(budget * share);
        long nearest = Exact(0);
        if (nearest <= targetBytes)
        {
            return new BudgetReport(budget, nearest, nearest, 0, 0);
        }

        long floor = Exact(double.PositiveInfinity);
        if (floor > targetBytes)
        {
            return new BudgetReport(budget, nearest, nearest, floor, 0);
        }

        var best = (Bytes: floor, Strength: double.PositiveInfinity);
        double aim = targetBytes;
        for (int i = 0; i < Attempts && best.Bytes < Enough * targetBytes; i++)
        {
            var (strength, metered) = WeakestWithin(aim);
            if (double.IsPositiveInfinity(strength))
            {
                break;
            }

            long bytes = Exact(strength);
            if (bytes <= targetBytes && bytes > best.Bytes)
            {
                best = (bytes, strength);
            }

            // The meter is off by about the same amount here and close to here.
            aim = targetBytes - (bytes - metered) - (bytes > targetBytes ? i : 0);
        }

        return new BudgetReport(budget, best.Bytes, nearest, floor, best.Strength);
    }

    // Bytes fall as the strength rises, but for single weights that change places; the largest file within the aim is kept.
    private (double Strength, long Bytes) WeakestWithin(double aim)
    {
        double high = First;
        while (Metered(high) > aim)
        {
            high *= Factor;
            if (high > Most)
            {
                return (double.PositiveInfinity, 0);
            }
        }

        double low = high / Factor;
        while (low > Least && Metered(low) <= aim)
        {
            (high, low) = (low, low / Factor);
        }

        var best = (Strength: high, Bytes: Metered(high));
        for (int i = 0; i < Bisections; i++)
        {
            double middle = Math.Sqrt(low * high);
            long bytes = Metered(middle);
            if (bytes > aim)
            {
                low = middle;
                continue;
            }

            high = middle;
            if (bytes >= best.Bytes)
            {
                best = (middle, bytes);
            }
        }

        return best;
    }

    private long Metered(double strength) => Complete(_meter, strength);

    private long Exact(double strength)
    {
        using var writer = CompressedModelWriter.Create(Stream.Null, level, leaveOpen: true);
        return Complete(writer, strength);
    }

    private long Complete(ITensorSink sink, double strength)
    {
        ModuleStorage.Write(sink, model, quantize(new RoundingRate(strength, level)));
        return sink.Complete().TotalBytes;
    }
}
