using System.Numerics;
using System.Numerics.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace NeuralCompression;

/// <summary>
/// The compression term of one tensor: measures it, then gives value and gradient for any strengths. Its only memory is two numbers for each group, so it is made once and used at every step.
/// </summary>
/// <remarks>
/// The tensor is seen as [rows, columns, kernel]. A run is what follows contiguously and belongs to one group; the group of run i is i modulo the number of groups.
/// </remarks>
internal sealed class CompressionTerm
{
    private readonly LossOptions _options;
    private readonly long[] _view;
    private readonly long[] _summed;
    private readonly long[] _groupShape;
    private readonly long _runLength;
    private readonly double[] _l1;
    private readonly double[] _squares;
    private readonly GradientCoefficients[] _coefficients;

    // What the equaliser needs: the ratio of all weights, whatever their strengths, and how many are not zero.
    private SparsityRatio _all;
    private long _nonZeros;
    private GradientCoefficients _equalizer;

    public CompressionTerm(LossOptions options, ReadOnlySpan<long> shape, double factor = 1)
    {
        _options = options;
        Factor = factor;
        long rows = shape.Length > 0 ? shape[0] : 1;
        long columns = shape.Length > 1 ? shape[1] : 1;
        long kernel = 1;
        for (int i = 2; i < shape.Length; i++)
        {
            kernel *= shape[i];
        }

        _view = [rows, columns, kernel];
        IsWhole = options.Groups == LossGroups.WholeTensor || shape.Length < (options.Groups == LossGroups.Kernels ? 3 : 2);
        (_summed, _groupShape, _runLength) = (IsWhole ? LossGroups.WholeTensor : options.Groups) switch
        {
            LossGroups.Rows => ([1, 2], [rows, 1, 1], columns * kernel),
            LossGroups.Columns => ([0, 2], [1, columns, 1], kernel),
            LossGroups.Kernels => ([2], [rows, columns, 1], kernel),
            _ => ((long[])[0, 1, 2], (long[])[1, 1, 1], rows * columns * kernel),
        };
        long groups = _groupShape[0] * _groupShape[1];
        _l1 = new double[groups];
        _squares = new double[groups];
        _coefficients = new GradientCoefficients[groups];
    }

    /// <summary>The tensor's share of the strengths, from <see cref="LossOptions.Strengths"/>.</summary>
    public double Factor { get; }

    /// <summary>Whether single weights may have strengths of their own.</summary>
    public bool TakesStrengths => !MeasuresNorms;

    /// <summary>Whether all weights are one group.</summary>
    public bool IsWhole { get; }

    /// <summary>What was prepared last, if it is the same for all weights of equal strength; else null.</summary>
    public GradientCoefficients? Single => IsWhole && _nonZeros == 0 ? _coefficients[0] : null;

    private LossGrowth Growth => _options.Growth ?? LossGrowth.Full;

    private bool MeasuresNorms => !IsWhole && _options.GroupMeasure == GroupMeasure.Norms;

    /// <summary>Measures the weights.</summary>
    /// <param name="weights">All weights of the tensor.</param>
    /// <param name="strengths">One for each weight, or none where all are 1.</param>
    /// <param name="equalizer">Whether the equaliser will be asked for.</param>
    public void Measure<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, bool equalizer)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (IsWhole)
        {
            TakeMeasure(SparsityRatio.Of(weights, strengths));
        }
        else
        {
            MeasureRuns(weights, strengths);
        }

        (_all, _nonZeros) = equalizer ? (SparsityRatio.Of(weights), SparsityRatio.CountNonZeros(weights)) : (default, 0);
    }

    /// <summary>Takes what <see cref="Measure{T}"/> would have found, without strengths and equaliser; for <see cref="IsWhole"/>.</summary>
    public void TakeMeasure(SparsityRatio whole)
    {
        (_l1[0], _squares[0]) = (whole.L1, whole.SumOfSquares);
        (_all, _nonZeros) = (default, 0);
    }

    /// <summary>The same with tensor operations: for other devices, types and strides.</summary>
    public void Measure(Tensor weights, Tensor? strengths, bool equalizer)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var magnitudes = weights.detach().to(ScalarType.Float64).reshape(_view).abs();
        var weighted = strengths is null ? magnitudes : magnitudes.mul(strengths.reshape(_view));
        weighted.sum(_summed).cpu().contiguous().data<double>().ToArray().CopyTo(_l1, 0);
        magnitudes.square().sum(_summed).cpu().contiguous().data<double>().ToArray().CopyTo(_squares, 0);
        (_all, _nonZeros) = equalizer ? (SparsityRatio.Of(weights), weights.detach().count_nonzero().item<long>()) : (default, 0);
    }

    /// <summary>Value of what was measured last.</summary>
    public double Value(LossStrengths strengths)
    {
        double value = 0;
        if (MeasuresNorms)
        {
            value = Norms().Value(_options);
        }
        else
        {
            for (int g = 0; g < _l1.Length; g++)
            {
                value += new SparsityRatio(_l1[g], _squares[g]).Value(_options);
            }
        }

        double unequal = _nonZeros == 0 ? 0 : 1 - (_all.Ratio * _all.Ratio / _nonZeros);
        return Factor * ((strengths.Lambda * value) + (strengths.Equalizer * unequal));
    }

    /// <summary>Computes the coefficients that <see cref="Gradient{T}"/> applies, for what was measured last.</summary>
    public void Prepare(LossStrengths strengths)
    {
        strengths *= Factor;

        // E = 1 - R^2 / k, so its gradient is that of R times -2 R / k.
        _equalizer = _nonZeros == 0 ? default : _all.Coefficients(-2 * strengths.Equalizer * _all.Ratio / _nonZeros, LossGrowth.Full);
        var norms = MeasuresNorms ? Norms() : default;
        for (int g = 0; g < _coefficients.Length; g++)
        {
            var ratio = new SparsityRatio(_l1[g], _squares[g]);
            _coefficients[g] = MeasuresNorms
                ? OfNorm(norms, ratio.L2, strengths.Lambda)
                : ratio.Coefficients(strengths.Lambda * ratio.GradientScale(_options), Growth);
        }
    }

    /// <summary>Writes the prepared gradient of the weights that begin at an index of the tensor, with their strengths.</summary>
    public void Gradient<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, long start, Span<T> gradient)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (_nonZeros > 0 && !strengths.IsEmpty)
        {
            // The equaliser knows no strengths.
            WriteGroups(weights, strengths, start, gradient, default);
            Span<T> equal = stackalloc T[256];
            for (int i = 0; i < weights.Length; i += equal.Length)
            {
                int n = Math.Min(equal.Length, weights.Length - i);
                _equalizer.Write(weights.Slice(i, n), default, equal);
                TensorPrimitives.Add(gradient.Slice(i, n), equal[..n], gradient.Slice(i, n));
            }

            return;
        }

        WriteGroups(weights, strengths, start, gradient, _nonZeros > 0 ? _equalizer : default(GradientCoefficients?));
    }

    /// <summary>Adds the prepared gradient of all weights times a factor.</summary>
    public void AddGradient<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, T factor, Span<T> target)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int done = strengths.IsEmpty && Single is { IsOnePair: true } single ? single.Add(weights, factor, target) : 0;

        Span<T> scratch = stackalloc T[1024];
        while (done < weights.Length)
        {
            int n = Math.Min(scratch.Length, weights.Length - done);
            var sum = target.Slice(done, n);
            Gradient(weights.Slice(done, n), strengths.IsEmpty ? default : strengths.Slice(done, n), done, scratch[..n]);
            TensorPrimitives.MultiplyAdd(scratch[..n], factor, sum, sum);
            done += n;
        }
    }

    private void WriteGroups<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths, long start, Span<T> gradient, GradientCoefficients? equalizer)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < weights.Length;)
        {
            var (run, offset) = Math.DivRem(start + i, _runLength);
            int n = (int)Math.Min(weights.Length - i, _runLength - offset);
            var coefficients = _coefficients[run % _coefficients.Length];
            (equalizer is { } e ? coefficients + e : coefficients).Write(weights.Slice(i, n), strengths.IsEmpty ? default : strengths.Slice(i, n), gradient.Slice(i, n));
            i += n;
        }
    }

    /// <summary>The prepared gradient with tensor operations, in double precision: for other devices, types and strides.</summary>
    public Tensor Gradient(Tensor weights, Tensor? strengths)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var wide = weights.detach().to(ScalarType.Float64).reshape(_view);
        var sign = wide.sign();
        var strength = strengths is null ? ones(1, ScalarType.Float64, wide.device) : strengths.to(ScalarType.Float64).reshape(_view);
        var inner = sign.mul(strength).mul(Each(c => c.InnerSign)).sub(wide.mul(Each(c => c.InnerWeight)));
        var outer = sign.mul(strength).mul(Each(c => c.OuterSign)).sub(wide.mul(Each(c => c.OuterWeight)));
        var gradient = outer.where(wide.abs().gt(strength.mul(Each(c => c.Critical))), inner);
        if (_nonZeros > 0)
        {
            gradient = gradient.add(sign.mul(_equalizer.InnerSign)).sub(wide.mul(_equalizer.InnerWeight));
        }

        return gradient.reshape(weights.shape).MoveToOuterDisposeScope();

        Tensor Each(Func<GradientCoefficients, double> part) =>
            tensor(Array.ConvertAll(_coefficients, c => part(c)), ScalarType.Float64).reshape(_groupShape).to(wide.device);
    }

    private void MeasureRuns<T>(ReadOnlySpan<T> weights, ReadOnlySpan<T> strengths)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Array.Clear(_l1);
        Array.Clear(_squares);
        int length = (int)_runLength;
        for (int i = 0, g = 0; i < weights.Length; i += length, g = g + 1 == _l1.Length ? 0 : g + 1)
        {
            var ratio = SparsityRatio.Of(weights.Slice(i, length), strengths.IsEmpty ? default : strengths.Slice(i, length));
            _l1[g] += ratio.L1;
            _squares[g] += ratio.SumOfSquares;
        }
    }

    private SparsityRatio Norms()
    {
        double sum = 0;
        double squares = 0;
        foreach (double square in _squares)
        {
            sum += Math.Sqrt(square);
            squares += square;
        }

        return new SparsityRatio(sum, squares);
    }

    // The ratio's derivative by the group's norm, times the norm's gradient w / norm. A zero group stays: its subgradient is taken as zero.
    private GradientCoefficients OfNorm(SparsityRatio norms, double norm, double lambda)
    {
        if (norm == 0 || (Growth == LossGrowth.ShrinkOnly && norm > norms.CriticalMagnitude))
        {
            return GradientCoefficients.Everywhere(0, 0);
        }

        var slope = norms.Coefficients(lambda * norms.GradientScale(_options), LossGrowth.Full);
        return GradientCoefficients.Everywhere(0, slope.InnerWeight - (slope.InnerSign / norm));
    }
}
