// The MNIST loop that every TorchSharp user has, with three lines added: each is marked with NEW.
using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

int epochs = 12;
string folder = Path.Combine(AppContext.BaseDirectory, "data", "mnist");
for (int i = 0; i < args.Length; i += 2)
{
    if (args[i] == "--epochs" && i + 1 < args.Length && int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out epochs) && epochs > 0)
        continue;
    if (args[i] == "--data" && i + 1 < args.Length && File.Exists(Path.Combine(args[i + 1], "train-images-idx3-ubyte.gz")))
        folder = args[i + 1];
    else
        return Fail("usage: ExistingLoop [--epochs N] [--data FOLDER WITH THE FOUR MNIST FILES]", 2);
}

random.manual_seed(1);
set_num_threads(1);                                                                   // a network this small is faster so
using Tensor images = Images("train-images-idx3-ubyte.gz"), labels = Labels("train-labels-idx1-ubyte.gz");
using Tensor testImages = Images("t10k-images-idx3-ubyte.gz"), testLabels = Labels("t10k-labels-idx1-ubyte.gz");

using var model = NewModel();
using var optimizer = optim.Adam(model.parameters(), lr: 1e-3);
using var criterion = CrossEntropyLoss();

// NEW. ShrinkOnly: beside Adam, the full loss also makes large what the task does not need, such as weights of pixels that are always black.
using var compression = new SparsityEqualizingLoss(new LossOptions { Lambda = 1e-3, Growth = LossGrowth.ShrinkOnly });

for (int epoch = 1; epoch <= epochs; epoch++)
{
    using var order = randperm(images.shape[0]);
    foreach (var indices in order.split(128))
    {
        using var scope = NewDisposeScope();
        var (x, y) = (images.index_select(0, indices), labels.index_select(0, indices));
        optimizer.zero_grad();
        var loss = criterion.call(model.call(x), y) + compression.call(model);        // NEW: + compression.call(model)
        loss.backward();
        optimizer.step();
    }
    GC.Collect();                                                                     // frees what TorchSharp left to finalizers
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"epoch {epoch,2} of {epochs}: test error {TestError(model):f2} %"));
}

string file = Path.Combine(Path.GetTempPath(), $"existing-loop-{Environment.ProcessId}.ncm");
model.SaveCompressed(file, new QuantizationOptions { NoiseLevel = 1.0 / 30, OtherBits = 8 }, CompressionLevel.SmallestSize); // NEW: 31 levels

using var loaded = NewModel();
loaded.LoadCompressed(file);
long before = 4 * model.parameters().Sum(parameter => parameter.numel()), after = new FileInfo(file).Length;
File.Delete(file);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"float32: {before:n0} bytes, test error {TestError(model):f2} %\nfile: {after:n0} bytes, {(double)before / after:f1} times smaller, test error {TestError(loaded):f2} %"));
return 0;

static Module<Tensor, Tensor> NewModel() => Sequential(
    ("fc1", Linear(784, 300)), ("relu1", ReLU()), ("fc2", Linear(300, 100)), ("relu2", ReLU()), ("fc3", Linear(100, 10)));

double TestError(Module<Tensor, Tensor> network)
{
    using var noGradient = no_grad();
    using var scope = NewDisposeScope();
    return 100 * network.call(testImages).argmax(1).ne(testLabels).to_type(float64).mean().item<double>();
}

Tensor Images(string name) => Read(name, dimensions: 3).to_type(float32).div_(255);

Tensor Labels(string name) => Read(name, dimensions: 1).to_type(int64).view(-1);

// IDX: a magic number, big-endian sizes, then one byte a value.
Tensor Read(string name, int dimensions)
{
    using var stream = new GZipStream(File.OpenRead(Path.Combine(folder, name)), CompressionMode.Decompress);
    byte[] header = new byte[4 + 4 * dimensions];
    stream.ReadExactly(header);
    using var rest = new MemoryStream();
    stream.CopyTo(rest);
    return tensor(rest.ToArray(), uint8).view(BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4)), -1);
}

static int Fail(string message, int code)
{
    Console.Error.WriteLine(message);
    return code;
}
