using System.IO.Compression;
using NeuralCompression.Codec;
using NeuralCompression.Codec.Container;
using NeuralCompression.Diagnostics;
using NeuralCompression.Interop;
using NeuralCompression.Sessions;

namespace NeuralCompression;

/// <content>The byte meter and the byte budget.</content>
public sealed partial class CompressionSession
{
    // The coders' parameters are searched anew at every so many measurements; in between the weights have hardly moved.
    private const int SearchEvery = 16;

    // What training leaves for rate-distortion rounding to take: a few percent, the weights that are worth least.
    private const double TrainingAim = 1.03;

    // What the last fine-tuning may put back by moving weights between levels.
    private const double FreezeAim = 0.995;

    private readonly BudgetController? _budget;
    private readonly ModelMeter? _budgetMeter;
    private ModelMeter? _meter;
    private int _measurements;

    /// <summary>How the network was brought to <see cref="CompressionOptions.TargetBytes"/> by the last <see cref="Quantize"/> or <see cref="FreezeZeros"/>; null without a budget, or before.</summary>
    public BudgetReport? Budget { get; private set; }

    /// <summary>What the budget multiplies <see cref="Lambda"/> by now; dimensionless, range [0, 10^4]; 1 without one.</summary>
    public double BudgetFactor => _budget?.Factor ?? 1;

    // The strength in force.
    private double Strength => Lambda * LambdaScale * BudgetFactor;

    /// <summary>What <see cref="Save(string, CompressionLevel?)"/> would write now with every weight at its nearest level, from the coders' own cost models: for every so many steps.</summary>
    /// <param name="level">The level of the file; null takes <see cref="CompressionOptions.Level"/>.</param>
    /// <returns>Bytes of the whole file, index and checksums included, and of every tensor. Within 1 % or 40 bytes of the file.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="level"/> is not defined.</exception>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A weight is not finite.</exception>
    /// <remarks>
    /// <para>The model is not changed, and a step may be open. At <see cref="CompressionLevel.SmallestSize"/> the parameters of the coder are searched at every 16th call at one level; tensors of more than 2^20 weights are sampled.</para>
    /// <para>Source: this project.</para>
    /// </remarks>
    public CompressionReport MeasureBytes(CompressionLevel? level = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var measured = level ?? _options.Level;
        if (!Enum.IsDefined(measured))
        {
            throw new ArgumentOutOfRangeException(nameof(level), level, "Unknown compression level.");
        }

        if (_meter?.Level != measured || _measurements >= SearchEvery)
        {
            (_meter, _measurements) = (new ModelMeter(measured, keepsChoices: true), 0);
        }

        _measurements++;
        return Measure(_meter);
    }

    /// <summary>Estimated length of the file that <see cref="Save(string, CompressionLevel?)"/> would write now: the total of <see cref="MeasureBytes"/>.</summary>
    /// <returns>Bytes.</returns>
    /// <exception cref="ObjectDisposedException">The session is disposed.</exception>
    /// <exception cref="InvalidOperationException">A weight is not finite.</exception>
    public long EstimateBytes() => MeasureBytes().TotalBytes;

    private CompressionReport Measure(ModelMeter meter)
    {
        ModuleStorage.Write(meter, _model, StoredForm(quantizeWeights: w => w.Quantize()));
        var report = meter.Complete();
        CompressionEventSource.Log.Measured(Name, _steps, report.TotalBytes, BudgetFactor);
        CompressionMeter.Measured(Name, report.TotalBytes);
        return report;
    }

    // After every step.
    private void SteerStrength()
    {
        if (_budget is null || _steps % _options.BudgetInterval != 0)
        {
            return;
        }

        if (Lambda * LambdaScale == 0 || IsFrozen)
        {
            _budget.Pause();
            return;
        }

        if (_steps / _options.BudgetInterval % SearchEvery == 0)
        {
            _budgetMeter!.Forget();
        }

        _budget.Observe(Measure(_budgetMeter!).TotalBytes);
    }

    // How to round now: to the nearest levels, or as far from them as the budget asks.
    private RoundingRate FitBudget(double share)
    {
        if (_options.TargetBytes is not { } target)
        {
            return new RoundingRate(_options.Quantization.RateDistortion, _options.Level);
        }

        var search = new BudgetSearch(_model, _options.Level, rate => StoredForm(quantizeWeights: w => w.Quantize(rate)));
        Budget = search.Run(target, share);
        if (!Budget.IsMet)
        {
            CompressionEventSource.Log.BudgetMissed(Name, target, Budget.Bytes, Budget.FloorBytes);
        }

        return new RoundingRate(Budget.Strength, _options.Level);
    }

    private CompressionLevel LevelOf(CompressionLevel? level) =>
        level is null || level == _options.Level || _options.TargetBytes is null ? level ?? _options.Level
        : throw new ArgumentException($"The budget is one for CompressionOptions.Level = {_options.Level}; a file at another level would not keep it.", nameof(level));
}
