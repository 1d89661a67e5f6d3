using NeuralCompression.Codec;
using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>A trainable parameter that is not compressed (bias, norm): trained as it is, stored without loss or on a fine grid of its own.</summary>
internal sealed class OtherParameter(Parameter parameter) : IDisposable
{
    private Tensor? _exact;

    public Parameter Parameter { get; } = parameter;

    /// <summary>What the parameter holds while quantised; null while it holds its trained values.</summary>
    public QuantizedTensor? Quantized { get; private set; }

    public QuantizedTensor? Preview(int? bits) => bits is { } b ? WeightQuantization.QuantizeToBits(Parameter, b) : null;

    public void Quantize(int? bits)
    {
        Quantized = Preview(bits);
        if (Quantized is not null)
        {
            using var _ = no_grad();
            _exact?.Dispose();
            _exact = Parameter.detach().clone().DetachFromDisposeScope();
            WeightQuantization.WriteTo(Quantized, Parameter);
        }
    }

    /// <summary>Whether it still holds what <see cref="Quantize"/> wrote, if that was the last thing written.</summary>
    public bool IsUntouched() => Quantized is null || WeightQuantization.Holds(Parameter, Quantized);

    public void LeaveQuantized()
    {
        if (Quantized is not null)
        {
            using var _ = no_grad();
            Parameter.copy_(_exact!);
            Dispose();
        }
    }

    public void Dispose()
    {
        Quantized = null;
        _exact?.Dispose();
        _exact = null;
    }
}
