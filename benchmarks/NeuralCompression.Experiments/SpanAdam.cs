using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Experiments;

/// <summary>TorchSharp's Adam with its step in one pass over the memory instead of ten tensor operations a parameter: these networks are so small that it would be a third of the time.</summary>
internal sealed class SpanAdam(IEnumerable<Parameter> parameters, double learningRate, double beta2 = 0.999) : Adam(parameters, learningRate, Beta1, beta2, Epsilon)
{
    private const double Beta1 = 0.9;
    private const double Epsilon = 1e-8;

    private readonly double _beta2 = beta2;

    public override Tensor step(Func<Tensor>? closure = null)
    {
        foreach (var group in _parameter_groups)
        {
            foreach (var parameter in group.Parameters)
            {
                using var gradient = parameter.grad;
                if (gradient is null)
                    continue;
                var state = (State)_state[parameter.Handle];
                state.step++;
                double size = group.LearningRate / (1 - Math.Pow(Beta1, state.step));
                Move(
                    Span(parameter), Span(gradient), Span(state.exp_avg), Span(state.exp_avg_sq),
                    (float)_beta2, (float)size, (float)(1 / Math.Sqrt(1 - Math.Pow(_beta2, state.step))));
            }
        }

        return null!;
    }

    /// <summary>Zeros in place; the base class makes a wrapper for every parameter.</summary>
    public override void zero_grad()
    {
        foreach (var group in _parameter_groups)
        {
            foreach (var parameter in group.Parameters)
            {
                using var gradient = parameter.grad;
                if (gradient is not null)
                    Span(gradient).Clear();
            }
        }
    }

    private static Span<float> Span(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);

    private static void Move(Span<float> parameter, ReadOnlySpan<float> gradient, Span<float> mean, Span<float> square, float beta2, float size, float correction)
    {
        int i = 0;
        for (; i <= parameter.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var g = new Vector<float>(gradient[i..]);
            var m = new Vector<float>(mean[i..]);
            var v = new Vector<float>(square[i..]);
            m += (g - m) * (1 - (float)Beta1);
            v += ((g * g) - v) * (1 - beta2);
            m.CopyTo(mean[i..]);
            v.CopyTo(square[i..]);
            (new Vector<float>(parameter[i..]) - (m * size / ((Vector.SquareRoot(v) * correction) + new Vector<float>((float)Epsilon)))).CopyTo(parameter[i..]);
        }

        for (; i < parameter.Length; i++)
        {
            float g = gradient[i];
            mean[i] += (g - mean[i]) * (1 - (float)Beta1);
            square[i] += ((g * g) - square[i]) * (1 - beta2);
            parameter[i] -= mean[i] * size / ((MathF.Sqrt(square[i]) * correction) + (float)Epsilon);
        }
    }
}
