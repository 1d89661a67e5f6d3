namespace NeuralCompression.Sessions;

/// <summary>Steers the strength of the compression term so that the file comes down to a budget and stays there.</summary>
/// <remarks>
/// <para>
/// The file answers to the strength slowly, so a controller of the size alone would overshoot and collapse the network. This one controls the speed: with x = ln(bytes / aim), the file should shrink by x per time constant
/// (the distance that is left decays exponentially), and the logarithm of the factor moves by <see cref="Stiffness"/> times what it shrank too little. A file that holds still at the aim leaves the factor alone.
/// </para>
/// <para>The factor rises slowly and falls fast, and below <see cref="Gate"/> of the aim the compression term is off until the file has grown back: what is pruned too much cannot be undone.</para>
/// </remarks>
internal sealed class BudgetController(double aimBytes, double intervalsPerTimeConstant)
{
    // From a linear model of the loop, size ~ strength^-0.6 with a lag of about 10 intervals: overdamped for time constants of 7 intervals and more.
    private const double Stiffness = 4;

    // Most change of the factor's logarithm, and of the shrinkage asked for, per interval.
    private const double Rise = 0.08;
    private const double Fall = 0.3;
    private const double FastestShrinkage = 0.12;

    private const double Gate = 0.95;
    private const double Smallest = 1e-4;
    private const double Largest = 1e4;

    private double _lastBytes;
    private double _factor = 1;

    /// <summary>What the strength is multiplied by now.</summary>
    public double Factor => _lastBytes > 0 && _lastBytes < Gate * aimBytes ? 0 : _factor;

    /// <summary>Everything that must survive a restart.</summary>
    public double[] State
    {
        get => [_lastBytes, _factor];
        set => (_lastBytes, _factor) = (value[0], value[1]);
    }

    /// <summary>Takes the size of the file now, an interval after the last one.</summary>
    public void Observe(double bytes)
    {
        if (_lastBytes > 0)
        {
            double wanted = Math.Clamp(Math.Log(bytes / aimBytes) / intervalsPerTimeConstant, -FastestShrinkage, FastestShrinkage);
            double shrinkage = Math.Log(_lastBytes / bytes);
            _factor = Math.Clamp(_factor * Math.Exp(Math.Clamp(Stiffness * (wanted - shrinkage), -Fall, Rise)), Smallest, Largest);
        }

        _lastBytes = bytes;
    }

    /// <summary>Forgets the last size: nothing was steered since, so it says nothing.</summary>
    public void Pause() => _lastBytes = 0;
}
