using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>One layer with weights: its units, those before it, and how many weights join a pair (a kernel, or the positions of a channel).</summary>
internal sealed record LayerShape(string Name, int Outputs, int Inputs, int WeightsPerPair, bool IsConvolution)
{
    public string Weight => Name + ".weight";

    public string Bias => Name + ".bias";

    public int Columns => Inputs * WeightsPerPair;

    public long[] WeightShape => IsConvolution ? [Outputs, Inputs, NetworkShape.Kernel, NetworkShape.Kernel] : [Outputs, Columns];
}

/// <summary>A chain of layers with a ReLU between them: the two networks of the compression literature, in full or with fewer units.</summary>
internal sealed record NetworkShape(IReadOnlyList<LayerShape> Layers)
{
    public const int Kernel = 5;
    public const int ImageSide = 28;
    private const int PooledPositions = 16;
    private const int Classes = 10;

    public static NetworkShape Full(string network) => network switch
    {
        "lenet-300-100" => LeNet300100(ImageSide * ImageSide, 300, 100),
        "lenet-5-caffe" => LeNet5Caffe(20, 50, 500),
        _ => throw new ArgumentException($"Unknown network '{network}'.", nameof(network)),
    };

    public bool IsConvolutional => Layers[0].IsConvolution;

    /// <summary>Units before the first layer and after each.</summary>
    public int[] Sizes => [Layers[0].Inputs, .. Layers.Select(l => l.Outputs)];

    /// <summary>The same chain with other numbers of units.</summary>
    public NetworkShape Resize(IReadOnlyList<int> sizes) =>
        IsConvolutional ? LeNet5Caffe(sizes[1], sizes[2], sizes[3]) : LeNet300100(sizes[0], sizes[1], sizes[2]);

    /// <summary>A module on images [n, inputs] for the first kind of chain, [n, 784] for the second.</summary>
    public Module<Tensor, Tensor> CreateModule(double inputDropout = 0, double hiddenDropout = 0)
    {
        var sizes = Sizes;
        return IsConvolutional
            // Caffe's LeNet: no padding and wide layers. Caffe has no ReLU after the pools; here one follows each.
            ? Sequential(
                ("dropout0", Dropout(inputDropout)),
                ("image", Unflatten(1, [1, ImageSide, ImageSide])),
                ("conv1", Conv2d(1, sizes[1], Kernel)), ("pool1", MaxPool2d(2)), ("relu1", ReLU(inplace: true)),
                ("conv2", Conv2d(sizes[1], sizes[2], Kernel)), ("pool2", MaxPool2d(2)), ("relu2", ReLU(inplace: true)),
                ("flatten", Flatten()), ("dropout1", Dropout(hiddenDropout)),
                ("fc1", Linear(sizes[2] * PooledPositions, sizes[3])), ("relu3", ReLU(inplace: true)), ("dropout2", Dropout(hiddenDropout)),
                ("fc2", Linear(sizes[3], Classes)))
            : Sequential(
                ("dropout0", Dropout(inputDropout)),
                ("fc1", Linear(sizes[0], sizes[1])), ("relu1", ReLU(inplace: true)), ("dropout1", Dropout(hiddenDropout)),
                ("fc2", Linear(sizes[1], sizes[2])), ("relu2", ReLU(inplace: true)), ("dropout2", Dropout(hiddenDropout)),
                ("fc3", Linear(sizes[2], Classes)));
    }

    private static NetworkShape LeNet300100(int inputs, int first, int second) => new(
    [
        new LayerShape("fc1", first, inputs, 1, IsConvolution: false),
        new LayerShape("fc2", second, first, 1, IsConvolution: false),
        new LayerShape("fc3", Classes, second, 1, IsConvolution: false),
    ]);

    private static NetworkShape LeNet5Caffe(int first, int second, int hidden) => new(
    [
        new LayerShape("conv1", first, 1, Kernel * Kernel, IsConvolution: true),
        new LayerShape("conv2", second, first, Kernel * Kernel, IsConvolution: true),
        new LayerShape("fc1", hidden, second, PooledPositions, IsConvolution: false),
        new LayerShape("fc2", Classes, hidden, 1, IsConvolution: false),
    ]);
}
