namespace NeuralCompression;

/// <summary>How a network was brought to a byte budget by rounding: what the file weighs, and what it would have weighed without.</summary>
/// <remarks>
/// <para>A <see cref="NearestBytes"/> far above the budget says that training had not got there: then rounding has done what training should have, and accuracy has paid for it.</para>
/// <para>Immutable. Source: this project.</para>
/// </remarks>
public sealed class BudgetReport
{
    internal BudgetReport(long targetBytes, long bytes, long nearestBytes, long floorBytes, double strength)
    {
        TargetBytes = targetBytes;
        Bytes = bytes;
        NearestBytes = nearestBytes;
        FloorBytes = floorBytes;
        Strength = strength;
    }

    /// <summary>The budget; bytes.</summary>
    public long TargetBytes { get; }

    /// <summary>The whole file as it was rounded; bytes.</summary>
    public long Bytes { get; }

    /// <summary>The whole file with every weight at its nearest level; bytes.</summary>
    public long NearestBytes { get; }

    /// <summary>The whole file with every compressed weight zero: no budget below it can be met; bytes. 0 where it was not needed.</summary>
    public long FloorBytes { get; }

    /// <summary>Error units that rounding gave for a bit (<see cref="QuantizationOptions.RateDistortion"/>); 0 where the nearest levels fitted, or where nothing fits and they were kept.</summary>
    public double Strength { get; }

    /// <summary>Whether the file is within the budget.</summary>
    public bool IsMet => Bytes <= TargetBytes;

    /// <summary>One line for people.</summary>
    /// <returns>The same in every culture.</returns>
    public override string ToString() => FormattableString.Invariant(
        $"{Bytes} of {TargetBytes} bytes ({(IsMet ? "met" : $"not met: even with all weights zero the file has {FloorBytes}")}); {NearestBytes} with nearest levels");
}
