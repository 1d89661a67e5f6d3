using System.Numerics;
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
    private long _nonZeros;

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

    private bool IsWhole { get; }

    private bool MeasuresNorms => !IsWhole && _options.GroupMeasure == GroupMeasure.Norms;

    public void Measure<T>(ReadOnlySpan<T> weights, bool equalizer)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (IsWhole)
        {
            var ratio = SparsityRatio.Of(weights);
            (_l1[0], _squares[0]) = (ratio.L1, ratio.SumOfSquares);
        }
        else
        {
            MeasureRuns(weights);
        }

        _nonZeros = equalizer ? SparsityRatio.CountNonZeros(weights) : 0;
    }

    public void Measure(Tensor weights, bool equalizer)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var magnitudes = weights.detach().to(ScalarType.Float64).reshape(_view).abs();
        magnitudes.sum(_summed).cpu().contiguous().data<double>().ToArray().CopyTo(_l1, 0);
        magnitudes.square().sum(_summed).cpu().contiguous().data<double>().ToArray().CopyTo(_squares, 0);
        _nonZeros = equalizer ? weights.detach().count_nonzero().item<long>() : 0;
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

        var whole = Whole();
        double unequal = _nonZeros == 0 ? 0 : 1 - (whole.Ratio * whole.Ratio / _nonZeros);
        return Factor * ((strengths.Lambda * value) + (strengths.Equalizer * unequal));
    }

    /// <summary>Computes the coefficients that <see cref="Gradient{T}"/> applies, for what was measured last.</summary>
    public void Prepare(LossStrengths strengths)
    {
        strengths *= Factor;
        var whole = Whole();

        // E = 1 - R^2 / k, so its gradient is that of R times -2 R / k.
        var equalizer = _nonZeros == 0 ? default(GradientCoefficients?) : whole.Coefficients(-2 * strengths.Equalizer * whole.Ratio / _nonZeros, LossGrowth.Full);
        var norms = MeasuresNorms ? Norms() : default;
        for (int g = 0; g < _coefficients.Length; g++)
        {
            var ratio = new SparsityRatio(_l1[g], _squares[g]);
            var coefficients = MeasuresNorms
                ? OfNorm(norms, ratio.L2, strengths.Lambda)
                : ratio.Coefficients(strengths.Lambda * ratio.GradientScale(_options), _options.Growth);
            _coefficients[g] = equalizer is { } e ? coefficients + e : coefficients;
        }
    }

    /// <summary>Writes the prepared gradient of the weights that begin at an index of the tensor.</summary>
    public void Gradient<T>(ReadOnlySpan<T> weights, long start, Span<T> gradient)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (IsWhole)
        {
            _coefficients[0].Write(weights, gradient);
            return;
        }

        for (int i = 0; i < weights.Length;)
        {
            var (run, offset) = Math.DivRem(start + i, _runLength);
            int n = (int)Math.Min(weights.Length - i, _runLength - offset);
            _coefficients[run % _coefficients.Length].Write(weights.Slice(i, n), gradient.Slice(i, n));
            i += n;
        }
    }

    /// <summary>The prepared gradient with tensor operations, in double precision: for other devices, types and strides.</summary>
    public Tensor Gradient(Tensor weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var wide = weights.detach().to(ScalarType.Float64).reshape(_view);
        var sign = wide.sign();
        var inner = sign.mul(Each(c => c.InnerSign)).sub(wide.mul(Each(c => c.InnerWeight)));
        var outer = sign.mul(Each(c => c.OuterSign)).sub(wide.mul(Each(c => c.OuterWeight)));
        return outer.where(wide.abs().gt(Each(c => c.Critical)), inner).reshape(weights.shape).MoveToOuterDisposeScope();

        Tensor Each(Func<GradientCoefficients, double> part) =>
            tensor(Array.ConvertAll(_coefficients, c => part(c)), ScalarType.Float64).reshape(_groupShape).to(wide.device);
    }

    private void MeasureRuns<T>(ReadOnlySpan<T> weights)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        Array.Clear(_l1);
        Array.Clear(_squares);
        int length = (int)_runLength;
        for (int i = 0, g = 0; i < weights.Length; i += length, g = g + 1 == _l1.Length ? 0 : g + 1)
        {
            var ratio = SparsityRatio.Of(weights.Slice(i, length));
            _l1[g] += ratio.L1;
            _squares[g] += ratio.SumOfSquares;
        }
    }

    private SparsityRatio Whole()
    {
        double l1 = 0;
        double squares = 0;
        for (int g = 0; g < _l1.Length; g++)
        {
            l1 += _l1[g];
            squares += _squares[g];
        }

        return new SparsityRatio(l1, squares);
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
        if (norm == 0 || (_options.Growth == LossGrowth.ShrinkOnly && norm > norms.CriticalMagnitude))
        {
            return GradientCoefficients.Everywhere(0, 0);
        }

        var slope = norms.Coefficients(lambda * norms.GradientScale(_options), LossGrowth.Full);
        return GradientCoefficients.Everywhere(0, slope.InnerWeight - (slope.InnerSign / norm));
    }
}
