using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TrainAndCompress;

/// <summary>The two networks of the compression literature, both on flattened images [n, rows * columns].</summary>
internal static class Networks
{
    public const string LeNet300100 = "lenet-300-100";
    public const string LeNet5Caffe = "lenet-5-caffe";

    public static readonly IReadOnlyList<string> Names = [LeNet300100, LeNet5Caffe];

    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="data">Gives image size and number of classes.</param>
    /// <param name="inputDropout">Share of pixels blanked in training.</param>
    /// <param name="hiddenDropout">Share of hidden units blanked in training.</param>
    public static Module<Tensor, Tensor> Create(string name, IdxDataSet data, double inputDropout = 0, double hiddenDropout = 0) =>
        name switch
        {
            LeNet300100 => Sequential(
                ("dropout0", Dropout(inputDropout)),
                ("fc1", Linear(data.Rows * data.Columns, 300)), ("relu1", ReLU()), ("dropout1", Dropout(hiddenDropout)),
                ("fc2", Linear(300, 100)), ("relu2", ReLU()), ("dropout2", Dropout(hiddenDropout)),
                ("fc3", Linear(100, data.Classes))),

            // Caffe's LeNet: no padding and wide layers. Caffe has no ReLU after the pools; here one follows each.
            LeNet5Caffe => Sequential(
                ("dropout0", Dropout(inputDropout)),
                ("image", Unflatten(1, [1, data.Rows, data.Columns])),
                ("conv1", Conv2d(1, 20, 5)), ("pool1", MaxPool2d(2)), ("relu1", ReLU()),
                ("conv2", Conv2d(20, 50, 5)), ("pool2", MaxPool2d(2)), ("relu2", ReLU()),
                ("flatten", Flatten()), ("dropout1", Dropout(hiddenDropout)),
                ("fc1", Linear(50 * AfterConvolutions(data.Rows) * AfterConvolutions(data.Columns), 500)), ("relu3", ReLU()),
                ("dropout2", Dropout(hiddenDropout)),
                ("fc2", Linear(500, data.Classes))),

            _ => throw new ArgumentException($"Unknown network '{name}'.", nameof(name)),
        };

    public static long ParameterCount(this Module network) => network.parameters().Sum(parameter => parameter.numel());

    // Two times: a 5 x 5 kernel without padding, then every second position.
    private static int AfterConvolutions(int size) =>
        ((size - 4) / 2 - 4) / 2 is > 0 and var rest ? rest
            : throw new IdxException($"{LeNet5Caffe} needs images of at least 16 x 16 pixels, these are {size} wide or high.");
}
