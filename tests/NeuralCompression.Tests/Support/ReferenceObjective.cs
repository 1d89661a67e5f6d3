using NeuralCompression.Codec;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Support;

/// <summary>
/// J(θ, g, b) of docs/training.md computed from first principles for given draws of noise: writes ŵ into the module, evaluates the task, adds the closed form of the loss, and puts everything back.
/// </summary>
internal sealed class ReferenceObjective(CompressionSession session, nn.Module model, CompressionOptions options, Func<Tensor> task)
{
    /// <summary>Sum of J over the given draws.</summary>
    public double Value(params ulong[] draws)
    {
        double sum = 0;
        foreach (ulong draw in draws)
        {
            sum += WithWeights(draw, () => TestTensors.Value(task()));
            sum += session.Weights.Sum(w => session.Lambda * ClosedForm.Loss(Mapped(w), options.Loss, w.Strength is { } s ? TestTensors.Values(s) : null));
        }

        return sum;
    }

    /// <summary>∂task/∂ŵ of one compressed tensor at a draw, by plain autograd on the module.</summary>
    public double[] TaskGradient(int index, ulong draw)
    {
        double[] result = [];
        WithWeights(draw, () =>
        {
            var parameter = session.Weights[index].Parameter;
            var value = task();
            value.backward();
            result = TestTensors.Values(parameter.grad!);
            foreach (var p in model.parameters())
            {
                p.grad = null;
            }

            return 0;
        });
        return result;
    }

    /// <summary>Central differences of J over every entry of one of the session's parameters.</summary>
    public double[] Differences(Parameter parameter, double step, params ulong[] draws)
    {
        double[] values = TestTensors.Values(parameter);
        var differences = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int index = i;
            differences[i] = ClosedForm.Difference(
                x =>
                {
                    double[] moved = (double[])values.Clone();
                    moved[index] = x;
                    Write(parameter, moved);
                    return Value(draws);
                },
                values[i],
                step);
        }

        Write(parameter, values);
        return differences;
    }

    public double[] Mapped(CompressedWeight weight)
    {
        double[] theta = TestTensors.Values(weight.Raw);
        return ReferenceEquals(weight.Raw, weight.Parameter)
            ? Array.ConvertAll(theta, x => x / weight.Gain)
            : Array.ConvertAll(theta, session.Mapping.Map);
    }

    /// <summary>ŵ of one tensor at a draw.</summary>
    public double[] Noisy(int index, ulong draw)
    {
        var weight = session.Weights[index];
        double[] m = Mapped(weight);
        double gain = Gain(weight);
        double a = options.Quantization.NoiseLevel;
        double s = model.training ? session.NoiseScale : 0;
        double t = session.QuantizedForward;
        var noise = new double[m.Length];
        for (int i = 0; i < noise.Length; i += UniformNoise.BlockLength)
        {
            var block = noise.AsSpan(i, Math.Min(UniformNoise.BlockLength, noise.Length - i));
            UniformNoise.Fill(options.Noise.Seed, draw, index, i, 1, block);
        }

        return [.. m.Select((x, i) =>
        {
            double level = Math.Clamp(
                Math.Sign(x) * Math.Max(0, Math.Ceiling(Math.Abs(x / (2 * a)) - 0.5)), options.Quantization.MinSymbol, options.Quantization.MaxSymbol);
            bool silent = options.Noise.Target == NoiseTarget.NonZeroWeights && level == 0;
            return gain * (((1 - t) * x) + (t * 2 * a * level) + (silent ? 0 : s * a * noise[i]));
        })];
    }

    // The log-gain follows its θ in Parameters(); without one the gain is fixed.
    private double Gain(CompressedWeight weight)
    {
        Parameter[] all = [.. session.Parameters()];
        int at = Array.IndexOf(all, weight.Raw);
        return options.TrainGains ? Math.Exp(TestTensors.Value(all[at + 1])) : weight.Gain;
    }

    private double WithWeights(ulong draw, Func<double> evaluate)
    {
        var weights = session.Weights;
        double[][] noisy = [.. weights.Select((_, i) => Noisy(i, draw))];
        byte[][] before = [.. weights.Select(w => TestTensors.Bits(w.Parameter))];
        using var scope = NewDisposeScope();
        for (int i = 0; i < weights.Count; i++)
        {
            Write(weights[i].Parameter, noisy[i]);
        }

        try
        {
            return evaluate();
        }
        finally
        {
            for (int i = 0; i < weights.Count; i++)
            {
                before[i].CopyTo(weights[i].Parameter.bytes);
            }
        }
    }

    private static void Write(Parameter parameter, double[] values)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        parameter.copy_(tensor(values, dtype: ScalarType.Float64).reshape(parameter.shape));
    }
}
