using System.IO.Compression;
using NeuralCompression;
using NeuralCompression.Codec;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Federated.Rounds;

/// <summary>What leads from one model to another. It has the layers of a model, so it is quantised, coded and read by the calls for models.</summary>
internal static class ModelDifference
{
    // A bit saved may cost as much squared error as one weight of average size: most weights become zeros. Whoever sends a difference keeps what it left out and adds it to the next one.
    private const double Strength = 1;

    // LeNet-300-100 decodes to 1 MB.
    private static readonly DecodeLimits Limits = new() { MaxDecodedBytes = 1 << 22, MaxTensors = 16 };

    /// <summary>As a file to send, rounded so that it becomes small, with what that leaves out.</summary>
    /// <param name="difference">Changed.</param>
    /// <param name="leftOut">What the sender's last one left out, as a file; empty for nothing.</param>
    /// <param name="isExact">True to send it without loss instead.</param>
    /// <returns>The file to send, and what to give as <paramref name="leftOut"/> with the next one.</returns>
    public static (byte[] File, byte[] LeftOut) Encode(Module<Tensor, Tensor> difference, byte[] leftOut, bool isExact)
    {
        if (isExact)
            return (EncodeExactly(difference), []);
        if (leftOut.Length > 0)
        {
            using var before = Decode(leftOut);
            AddTo(difference, before);
        }

        var quantization = new QuantizationOptions { RateDistortion = Strength * MeanSquare(difference), OtherBits = 8 };
        using var stream = new MemoryStream();
        difference.SaveCompressed(stream, quantization, CompressionLevel.SmallestSize);
        byte[] file = stream.ToArray();
        using var sent = Decode(file);
        AddTo(difference, sent, times: -1);
        return (file, EncodeExactly(difference));
    }

    /// <summary>The difference that a file holds; bytes that are none give <see cref="InvalidDataException"/>.</summary>
    public static Module<Tensor, Tensor> Decode(byte[] file)
    {
        var difference = LeNet.CreateZero();
        try
        {
            difference.LoadCompressed(new MemoryStream(file), Limits);
            return difference;
        }
        catch
        {
            difference.Dispose();
            throw;
        }
    }

    /// <summary>Adds a difference to a model, so often.</summary>
    public static void AddTo(Module<Tensor, Tensor> model, Module<Tensor, Tensor> difference, double times = 1)
    {
        using var noGradient = no_grad();
        foreach (var (parameter, change) in model.parameters().Zip(difference.parameters()))
            parameter.add_(change, alpha: times);
    }

    private static byte[] EncodeExactly(Module<Tensor, Tensor> difference)
    {
        using var stream = new MemoryStream();
        difference.SaveCompressed(stream, include: (_, _) => false);
        return stream.ToArray();
    }

    private static double MeanSquare(Module<Tensor, Tensor> difference)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return difference.parameters().Sum(parameter => parameter.square().sum().item<float>()) / LeNet.ParameterCount;
    }
}
