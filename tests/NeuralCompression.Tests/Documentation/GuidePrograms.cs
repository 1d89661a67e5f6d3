using System.IO.Compression;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NeuralCompression.Codec;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace NeuralCompression.Tests.Documentation;

/// <summary>The C# blocks of the pages in docs, line for line: change both together.</summary>
internal static class GuidePrograms
{
    public static void Start()
    {
        using var model = Sequential(Linear(20, 64), ReLU(), Linear(64, 2));
        using var other = Sequential(Linear(20, 64), ReLU(), Linear(64, 2));
        var (x, y) = (torch.randn(64, 20), torch.randint(0, 2, [64]));
        {
            // docs/start.md begin
            CompressionReport report = model.SaveCompressed("model.ncm", new QuantizationOptions { NoiseLevel = 1.0 / 30 }, CompressionLevel.SmallestSize);
            Console.WriteLine(report);                       // bytes and bits per weight of every tensor, and of the whole file
            other.LoadCompressed("model.ncm");               // a module of the same shape; exact names, or an error that names every mismatch
            // docs/start.md end
        }

        {
            // docs/start.md begin
            using var session = new CompressionSession(model, new CompressionOptions { Loss = { Lambda = 1e-3 } });
            using var optimizer = torch.optim.Adam(session.Parameters(), 1e-2);     // session.Parameters(), not model.parameters()
            for (int step = 0; step < 200; step++)
            {
                using var scope = torch.NewDisposeScope();
                optimizer.zero_grad();
                using (session.BeginStep())                                         // weights are noisy in here, as if quantised
                    (functional.cross_entropy(model.call(x), y) + session.Loss()).backward();
                session.Step(optimizer);                                            // not optimizer.step()
            }

            session.Save("model.ncm");
            // docs/start.md end
        }

        {
            // docs/start.md begin
            using var reader = CompressedModelReader.Open("model.ncm");             // reads the index, decodes nothing
            foreach (CompressedTensorInfo tensor in reader.Tensors)
            {
                var values = new float[tensor.Length];
                reader.Decode(tensor, values);
                Console.WriteLine($"{tensor.Name}: {values.Length} weights of {tensor.StoredBytes} bytes");
            }
            // docs/start.md end

            Assert.Equal(4, reader.Tensors.Count);
        }
    }

    public static void Guide()
    {
        const long stepsPerEpoch = 200;
        using var model = Sequential(("fc3", Linear(20, 64)), ("relu", ReLU()), ("embedding", Linear(64, 2)));
        {
            // docs/guide.md begin
            long steps = 60 * stepsPerEpoch;
            var options = new CompressionOptions
            {
                Loss = { Lambda = 1e-4, Mode = LossMode.Proximal, Weighting = LossWeighting.Rate, Growth = LossGrowth.ShrinkOnly },
                Noise = { Target = NoiseTarget.NonZeroWeights },
                Quantization = { NoiseLevel = 1.0 / 6, OtherBits = QuantizationOptions.AutomaticBits },
                Schedule = CompressionSchedule.Default(steps),
                Level = CompressionLevel.SmallestSize,
                TargetBytes = 7_000,
                BudgetSteps = (int)(steps / 10),
            };
            using var session = new CompressionSession(model, options);
            using var optimizer = torch.optim.Adam(session.Parameters(), 8e-3);
            // docs/guide.md end

            // docs/guide.md begin
            options.Loss.Strengths.Add(new LossStrength("fc3.*", 0.25));     // a quarter of the strength where the output is made
            options.Loss.Strengths.Add(new LossStrength("embedding.*", 0));  // left out
            // docs/guide.md end

            // docs/guide.md begin
            CompressionReport now = session.MeasureBytes();
            Console.WriteLine(now);
            Console.WriteLine($"{now.TotalBytes} bytes, {session.Sparsity:P1} zeros, budget factor {session.BudgetFactor:f2}");
            // docs/guide.md end

            Untrained();

            // docs/guide.md begin
            session.SaveState("checkpoint.ncm");             // raw parameters, gains, counters, the module's other tensors
            // docs/guide.md end

            // docs/guide.md begin
            session.LoadState("checkpoint.ncm");             // same module, same options: goes on bit for bit as if it had not stopped
            // docs/guide.md end
        }

        using var again = Sequential(("fc3", Linear(20, 64)), ("relu", ReLU()), ("embedding", Linear(64, 2)));
        using var strict = new CompressionSession(again, new CompressionOptions { Loss = { Strengths = { new LossStrength("fc3.*", 0.25), new LossStrength("embedding.*", 0) } } });
    }

    private static void Untrained()
    {
        using var model = Sequential(("fc1", Linear(20, 64)), ("relu", ReLU()), ("fc2", Linear(64, 2)));
        torch.Tensor[] calibration = [torch.randn(64, 20)];
        // docs/guide.md begin
        var quantizer = new PostTrainingQuantizer(model, new PostTrainingOptions { Bits = 4, PerChannel = true, RateDistortion = 0.1 });
        quantizer.Quantize(calibration);                 // or Quantize(), without data; the module now holds what a reader will decode
        quantizer.Save("four.ncm");
        // docs/guide.md end

        // docs/guide.md begin
        model.save("model.dat");
        using (TorchSharpReader source = TorchSharpReader.Open("model.dat"))
            TorchSharpConverter.Compress(source, "exact.ncm");               // without loss, or with ModelConversionOptions
        using CompressedModelReader exact = CompressedModelReader.Open("exact.ncm");
        TorchSharpConverter.Decompress(exact, "back.dat");                   // model.load("back.dat") reads it
        // docs/guide.md end
        Assert.Equal(File.ReadAllBytes("model.dat"), File.ReadAllBytes("back.dat"));
    }

    public static void Codec()
    {
        var symbols = new sbyte[300 * 784];
        symbols[784] = 3;
        var biases = new float[300];
        // docs/codec.md begin
        using (var writer = CompressedModelWriter.Create("model.ncm", CompressionLevel.SmallestSize))
        {
            writer.Add("fc1.weight", QuantizedTensor.FromSymbols(symbols, [300, 784], QuantizationGrid.Uniform(0.02f)));
            writer.Add("fc1.bias", [300], biases);        // floats: without loss
            CompressionReport report = writer.Complete(); // the file appears here; without it nothing changes on disk
        }
        // docs/codec.md end

        // docs/codec.md begin
        using var reader = CompressedModelReader.Open("model.ncm");
        CompressedTensorInfo info = reader["fc1.weight"];
        var weights = new float[info.Length];
        reader.Decode(info, weights);                     // or DecodeSymbols, for an engine that computes with integers
        reader.Decode(info, start: 784, weights.AsSpan(0, 784));     // one row, without the others
        // docs/codec.md end
        Assert.Equal(3 * 0.02f, weights[0]);

        // docs/codec.md begin
        reader.Decode(info, weights.AsMemory(), new DecodeOptions { MaxDegreeOfParallelism = -1, Progress = new Progress<long>(done => Console.WriteLine(done)) });
        // docs/codec.md end
        Assert.Equal(3 * 0.02f, weights[784]);

        byte[] file = File.ReadAllBytes("model.ncm");
        ReadOnlyMemory<byte> Download(long offset, int length) => file.AsMemory((int)offset, Math.Min(length, file.Length - (int)offset));
        // docs/codec.md begin
        using var remote = CompressedModelReader.Open((offset, length) => Download(offset, length));
        // docs/codec.md end
        Assert.Equal(2, remote.Tensors.Count);

        symbols[785] = 1;
        using (var next = CompressedModelWriter.Create("next.ncm", CompressionLevel.SmallestSize))
        {
            next.Add("fc1.weight", QuantizedTensor.FromSymbols(symbols, [300, 784], QuantizationGrid.Uniform(0.02f)));
            next.Add("fc1.bias", [300], biases);
            next.Complete();
        }

        // docs/codec.md begin
        CompressedModelUpdateReport update = CompressedModelUpdate.Create("model.ncm", "next.ncm", "next.ncmu");
        Console.WriteLine($"{update.TotalBytes} bytes: {update.UnchangedTensors} tensors unchanged, {update.DifferenceTensors} as differences, {update.FullTensors} in full");
        CompressedModelUpdate.Apply("model.ncm", "next.ncmu", "updated.ncm");       // appears when it is whole and checked
        // docs/codec.md end
        Assert.Equal((1, 1), (update.UnchangedTensors, update.DifferenceTensors));
        Assert.Equal(File.ReadAllBytes("next.ncm"), File.ReadAllBytes("updated.ncm"));

        File.WriteAllText("upload.ncm", "not a model");
        // docs/codec.md begin
        try
        {
            using var stranger = CompressedModelReader.Open("upload.ncm", new DecodeLimits { MaxDecodedBytes = 64L << 20 });
        }
        catch (InvalidDataException e)
        {
            Console.WriteLine($"{e.Data["NeuralCompression.Error"]}: {e.Message}");
        }
        // docs/codec.md end

        // docs/codec.md begin
        Console.WriteLine(CodecInfo.Kernel);              // avx512, avx2, vector128 or scalar
        // docs/codec.md end
    }

    public static void Hosting()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        // docs/hosting.md begin
        builder.Services.AddNeuralCompression().BindConfiguration("Compression");
        builder.Services.AddNeuralCompression("small").BindConfiguration("Compression:Small").Configure(o => o.Include = (name, weight) => weight.dim() > 1 && name != "out.weight");
        // docs/hosting.md end

        using var host = builder.Build();
        var factory = host.Services.GetRequiredService<ICompressionSessionFactory>();
        using var model = Sequential(("in", Linear(4, 4)), ("out", Linear(4, 2)));
        // docs/hosting.md begin
        using var session = factory.Create(model, "small");
        // docs/hosting.md end
        Assert.Equal("in.weight", Assert.Single(session.Weights).Name);
    }

    public static void CommandLine()
    {
        // A safetensors file by hand: length of the header, header, 8 x 4 float32 zeros.
        byte[] header = System.Text.Encoding.UTF8.GetBytes("{\"w\":{\"dtype\":\"F32\",\"shape\":[8,4],\"data_offsets\":[0,128]}}   ");
        File.WriteAllBytes("model.safetensors", [(byte)header.Length, 0, 0, 0, 0, 0, 0, 0, .. header, .. new byte[128]]);

        // docs/cli.md begin
        using (SafetensorsReader source = SafetensorsReader.Open("model.safetensors"))
            SafetensorsConverter.Compress(source, "model.ncm", new ModelConversionOptions { Bits = 4, PerChannel = true });

        using CompressedModelReader model = CompressedModelReader.Open("model.ncm");
        SafetensorsConverter.Decompress(model, "back.safetensors");
        // docs/cli.md end
        Assert.Equal("w", Assert.Single(model.Tensors).Name);
        Assert.True(File.Exists("back.safetensors"));
    }
}
