using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>The two networks of the compression literature, on images [n, 1, 28, 28].</summary>
internal static class Networks
{
    public static Module<Tensor, Tensor> Create(string name) => name switch
    {
        "lenet-300-100" => Sequential(
            ("flatten", Flatten()), ("fc1", Linear(784, 300)), ("relu1", ReLU()), ("fc2", Linear(300, 100)), ("relu2", ReLU()), ("fc3", Linear(100, 10))),
        "lenet-5-caffe" => Sequential(
            ("conv1", Conv2d(1, 20, 5)), ("pool1", MaxPool2d(2)), ("conv2", Conv2d(20, 50, 5)), ("pool2", MaxPool2d(2)),
            ("flatten", Flatten()), ("fc1", Linear(800, 500)), ("relu", ReLU()), ("fc2", Linear(500, 10))),
        _ => throw new ArgumentException($"Unknown network '{name}'.", nameof(name)),
    };
}
