namespace NeuralCompression;

/// <summary>Strengths of the two parts of the compression term now: the ratio's, and the equaliser's.</summary>
internal readonly record struct LossStrengths(double Lambda, double Equalizer)
{
    public bool Any => Lambda > 0 || Equalizer > 0;

    public static LossStrengths operator *(LossStrengths strengths, double factor) => new(strengths.Lambda * factor, strengths.Equalizer * factor);
}
