using System.Buffers.Binary;
using System.IO.Compression;

namespace OnnxRuntimeSample;

/// <summary>Test images of MNIST: <c>Pixels</c> one image after another, each value in [0, 1]; <c>Labels</c> the digits.</summary>
internal sealed record Digits(float[] Pixels, byte[] Labels)
{
    private const int ImageHeader = 16;
    private const int LabelHeader = 8;

    /// <summary>Reads the first images.</summary>
    internal static Digits Load(string folder, int count)
    {
        byte[] images = Read(Path.Combine(folder, "t10k-images-idx3-ubyte.gz"), ImageHeader, count, elementBytes: 28 * 28);
        return new Digits(Array.ConvertAll(images, pixel => pixel / 255f), Read(Path.Combine(folder, "t10k-labels-idx1-ubyte.gz"), LabelHeader, count, elementBytes: 1));
    }

    // IDX: a header that ends with the lengths of the axes, big-endian, then bytes.
    private static byte[] Read(string path, int headerBytes, int count, int elementBytes)
    {
        using var file = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        var header = new byte[headerBytes];
        file.ReadExactly(header);
        int there = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4));
        if (count > there)
            throw new InvalidDataException($"'{path}' has {there} images, fewer than {count}.");
        var bytes = new byte[count * elementBytes];
        file.ReadExactly(bytes);
        return bytes;
    }
}
