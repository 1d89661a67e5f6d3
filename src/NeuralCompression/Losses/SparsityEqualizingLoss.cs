using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression;

/// <summary>
/// The sparsity-equalizing compression loss: strength times L1/L2 of a weight tensor, summed over the weight tensors of a module. Its critical points are tensors with few non-zeros of
/// equal magnitude.
/// </summary>
/// <remarks>
/// <para>value = λ · Σ R(w), R(w) = ‖w‖₁ / ‖w‖₂, with gradient ∂R/∂w = (sign(w) − w · ‖w‖₁ / ‖w‖₂²) / ‖w‖₂ and sign(0) = 0. Both are exact with <see cref="LossGrowth.Full"/>; by default the part of the gradient that makes large weights larger is left out, since nothing bounds them here (<see cref="LossOptions.Growth"/>); sums run in double precision whatever the element type.
/// An all-zero tensor has value 0 and gradient 0. Other forms: <see cref="LossOptions.Variant"/>, <see cref="LossOptions.Weighting"/>, <see cref="LossOptions.Growth"/>, <see cref="LossOptions.Groups"/>, <see cref="LossOptions.Equalizer"/>.</para>
/// <para>The result carries the first derivative only; a second derivative through it is zero. Add it to the task loss and call <c>backward</c> once. The sum over all
/// tensors is float64 when a tensor is, else float32.</para>
/// <para>Not thread-safe. Holds no parameters.</para>
/// <para>Source: claims 3 to 7.</para>
/// </remarks>
/// <example>
/// <code>
/// var compression = new SparsityEqualizingLoss(new LossOptions { Lambda = 1e-4 });
/// var objective = criterion.call(model.call(x), y) + compression.call(model);
/// </code>
/// </example>
public sealed class SparsityEqualizingLoss : nn.Module<Tensor, Tensor>
{
    private readonly LossOptions _options;

    /// <summary>Makes the loss.</summary>
    /// <param name="options">What it is; copied. Null takes the defaults.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is out of its range.</exception>
    public SparsityEqualizingLoss(LossOptions? options = null)
        : base(nameof(SparsityEqualizingLoss))
    {
        _options = (options ?? new LossOptions()).Copy(bounded: false);
        _options.Validate().ThrowIfAny(typeof(LossOptions));
        Lambda = _options.Lambda;
    }

    /// <summary>Strength of the term; range [0, ∞). Settable at any time, for schedules.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double Lambda
    {
        get;
        set
        {
            if (!(double.IsFinite(value) && value >= 0))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "The strength must be finite and not negative.");
            }

            field = value;
        }
    }

    /// <summary>The loss of one weight tensor.</summary>
    /// <param name="weights">Weights; shape <c>[…]</c>, any floating-point type, device and strides. Not modified.</param>
    /// <returns>Shape <c>[]</c>, loss units; float64 for float64 weights, else float32; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="weights"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="weights"/> is not of a floating-point type.</exception>
    public override Tensor forward(Tensor weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (!TorchTypes.IsFloating(weights.dtype))
        {
            throw new ArgumentException($"The weights must be floating point, not {weights.dtype}.", nameof(weights));
        }

        return Term(weights, factor: 1);
    }

    /// <summary>The loss of a module: the sum over its chosen parameters, each once, tied ones once.</summary>
    /// <param name="module">The module; not modified.</param>
    /// <returns>Shape <c>[]</c>, loss units; the caller owns it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="module"/> is null.</exception>
    /// <exception cref="ArgumentException">No parameter of the module counts, so the term would silently do nothing; or a pattern of <see cref="LossOptions.Strengths"/> matches none of them.</exception>
    public Tensor forward(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        using var scope = NewDisposeScope();
        var weights = WeightSelection.Of(module, _options.Include).ToList();
        if (weights.Count == 0)
        {
            throw new ArgumentException("The module has no trainable floating-point parameter of two or more dimensions; name others with LossOptions.Include.", nameof(module));
        }

        double[] factors = _options.FactorsOf(weights.ConvertAll(w => w.Name));
        Tensor? sum = null;
        for (int i = 0; i < weights.Count; i++)
        {
            var term = Term(weights[i].Parameter, factors[i]);
            sum = sum is null ? term : sum.add(term.to(sum.device));
        }

        return sum!.MoveToOuterDisposeScope();
    }

    /// <inheritdoc cref="forward(nn.Module)"/>
    public Tensor call(nn.Module module) => forward(module);

    /// <summary>
    /// A tensor with a given value whose gradient with respect to <paramref name="weights"/> is exactly <paramref name="gradient"/>: ordinary operations only, since an exception in a
    /// custom autograd function ends the process.
    /// </summary>
    internal static Tensor LinearSurrogate(Tensor weights, Tensor gradient, double value, ScalarType resultType)
    {
        using var scope = NewDisposeScope();
        var linear = weights.to(resultType).mul(gradient).sum();
        return linear.sub(linear.detach()).add(tensor(value, resultType, weights.device)).MoveToOuterDisposeScope();
    }

    internal static ScalarType ResultType(Tensor weights) =>
        weights.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    private Tensor Term(Tensor weights, double factor)
    {
        var strengths = new LossStrengths(Lambda, _options.Equalizer);
        var term = new CompressionTerm(_options, weights.shape, factor);
        var resultType = ResultType(weights);
        bool span = TensorMemory.IsSpan(weights) && weights.dtype == resultType;
        bool equalizer = strengths.Equalizer > 0;
        switch (span, resultType)
        {
            case (true, ScalarType.Float32):
                term.Measure<float>(TensorMemory.Span<float>(weights), default, equalizer);
                break;
            case (true, _):
                term.Measure<double>(TensorMemory.Span<double>(weights), default, equalizer);
                break;
            default:
                term.Measure(weights, strengths: null, equalizer);
                break;
        }

        using var scope = NewDisposeScope();
        double value = term.Value(strengths);
        if (!weights.requires_grad || !is_grad_enabled())
        {
            return tensor(value, resultType, weights.device).MoveToOuterDisposeScope();
        }

        term.Prepare(strengths);
        return LinearSurrogate(weights, Gradient(weights, term, span, resultType), value, resultType).MoveToOuterDisposeScope();
    }

    private static Tensor Gradient(Tensor weights, CompressionTerm term, bool span, ScalarType resultType)
    {
        if (!span)
        {
            using var wide = term.Gradient(weights, strengths: null);
            return wide.to(resultType);
        }

        var gradient = empty_like(weights, requires_grad: false);
        if (resultType == ScalarType.Float32)
        {
            term.Gradient<float>(TensorMemory.Span<float>(weights), default, 0, TensorMemory.Span<float>(gradient));
        }
        else
        {
            term.Gradient<double>(TensorMemory.Span<double>(weights), default, 0, TensorMemory.Span<double>(gradient));
        }

        return gradient;
    }
}
