using System.Buffers.Binary;
using System.IO.Compression;

namespace NeuralCompression.Federated.Tests;

/// <summary>The first images of MNIST as a data set of their own, which every silo reads in no time.</summary>
internal static class FewImages
{
    internal static string Write(string folder, int train, int test)
    {
        Directory.CreateDirectory(folder);
        Copy(folder, "train-images-idx3-ubyte", headerBytes: 16, itemBytes: 28 * 28, train);
        Copy(folder, "train-labels-idx1-ubyte", headerBytes: 8, itemBytes: 1, train);
        Copy(folder, "t10k-images-idx3-ubyte", headerBytes: 16, itemBytes: 28 * 28, test);
        Copy(folder, "t10k-labels-idx1-ubyte", headerBytes: 8, itemBytes: 1, test);
        return folder;
    }

    private static void Copy(string folder, string name, int headerBytes, int itemBytes, int count)
    {
        using var packed = new GZipStream(File.OpenRead(Path.Combine(Sample.Root, "data", "mnist", name + ".gz")), CompressionMode.Decompress);
        byte[] start = new byte[headerBytes + (count * itemBytes)];
        packed.ReadExactly(start);

        // The number of items follows the magic number.
        BinaryPrimitives.WriteInt32BigEndian(start.AsSpan(4), count);
        File.WriteAllBytes(Path.Combine(folder, name), start);
    }
}
