using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>A layer with a row of weights for each output unit and a column for each input: linear, or a convolution of one group.</summary>
internal sealed record UnitLayer(Parameter Weight, Parameter? Bias, bool PadsWithZeros)
{
    public bool IsConvolution => Weight.dim() > 2;

    public long Outputs => Weight.shape[0];

    public long Inputs => Weight.shape[1];

    public static UnitLayer? TryOf(nn.Module module) => module switch
    {
        Linear linear => new UnitLayer(linear.weight!, linear.bias, PadsWithZeros: false),
        Convolution { transposed: false, groups: 1 } convolution => new UnitLayer(
            convolution.weight!,
            convolution.bias,
            convolution.padding_mode == PaddingModes.Zeros && (convolution.padding_type == Padding.Same || convolution.padding?.Any(p => p != 0) == true)),
        _ => null,
    };
}
