using System.Buffers.Binary;
using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace TrainAndCompress;

/// <summary>Images and labels of one split, each in one tensor: images [n, rows * columns] in [0, 1], labels [n] as int64.</summary>
internal sealed record Split(Tensor Images, Tensor Labels) : IDisposable
{
    public long Count => Labels.shape[0];

    public Split Select(Tensor indices) => new(Images.index_select(0, indices), Labels.index_select(0, indices));

    /// <summary>The split in random order, cut into batches; the last one may be smaller.</summary>
    public IEnumerable<Tensor> ShuffledBatches(int batchSize, Generator generator)
    {
        using var order = randperm(Count, int64, generator: generator);
        for (long start = 0; start < Count; start += batchSize)
        {
            using var batch = order.narrow(0, start, Math.Min(batchSize, Count - start));
            yield return batch;
        }
    }

    public void Dispose()
    {
        Images.Dispose();
        Labels.Dispose();
    }
}

/// <summary>
/// A data set of four IDX files, gzip-compressed or plain: MNIST, Fashion-MNIST, KMNIST, or any other with these names.
/// </summary>
internal sealed record IdxDataSet(Split Train, Split Validation, Split Test, int Rows, int Columns, int Classes) : IDisposable
{
    // The same images are held out whatever --seed says, so that validation errors of different runs compare.
    private const long SplitSeed = 20250101;

    // 5,000 of the 60,000 training images of MNIST; other data sets keep the proportion.
    private const int ValidationShare = 12;

    public static IdxDataSet Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new IdxException($"The data folder '{folder}' does not exist.");

        var (images, labels, rows, columns) = LoadPair(folder, "train");
        var (testImages, testLabels, testRows, testColumns) = LoadPair(folder, "t10k");
        if ((rows, columns) != (testRows, testColumns))
            throw new IdxException($"'{folder}': training images are {rows} x {columns}, test images are {testRows} x {testColumns}.");

        using var all = new Split(images, labels);
        if (all.Count < ValidationShare)
            throw new IdxException($"'{folder}': {all.Count} training images are too few to hold a twelfth of them out for validation.");

        using var generator = new Generator(SplitSeed);
        using var order = randperm(all.Count, int64, generator: generator);
        long held = all.Count / ValidationShare;
        int classes = 1 + (int)Math.Max(labels.max().item<long>(), testLabels.max().item<long>());
        return new IdxDataSet(
            all.Select(order.narrow(0, held, all.Count - held)),
            all.Select(order.narrow(0, 0, held)),
            new Split(testImages, testLabels),
            rows, columns, classes);
    }

    public void Dispose()
    {
        Train.Dispose();
        Validation.Dispose();
        Test.Dispose();
    }

    private static (Tensor Images, Tensor Labels, int Rows, int Columns) LoadPair(string folder, string prefix)
    {
        string imageFile = Find(folder, prefix + "-images-idx3-ubyte");
        string labelFile = Find(folder, prefix + "-labels-idx1-ubyte");
        var (pixels, imageShape) = Read(imageFile, dimensions: 3);
        var (labels, labelShape) = Read(labelFile, dimensions: 1);
        if (imageShape[0] != labelShape[0])
            throw new IdxException($"'{imageFile}' holds {imageShape[0]} images, '{labelFile}' {labelShape[0]} labels.");

        // No mean is subtracted: a black pixel must stay 0, so that weights of pixels that are always black have no gradient.
        using var bytes = tensor(pixels, [imageShape[0], imageShape[1] * imageShape[2]], uint8);
        using var codes = tensor(labels, [labelShape[0]], uint8);
        return (bytes.to_type(float32).div_(255), codes.to_type(int64), imageShape[1], imageShape[2]);
    }

    private static string Find(string folder, string name)
    {
        string plain = Path.Combine(folder, name);
        string packed = plain + ".gz";
        return File.Exists(packed) ? packed
            : File.Exists(plain) ? plain
            : throw new IdxException($"The data folder '{folder}' has neither '{name}.gz' nor '{name}'.");
    }

    /// <summary>Reads one IDX file of unsigned bytes: 0, 0, 8 (the type), the number of dimensions, big-endian sizes, then the data.</summary>
    private static (byte[] Data, int[] Shape) Read(string path, int dimensions)
    {
        try
        {
            using var file = File.OpenRead(path);
            using Stream stream = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file;

            Span<byte> header = stackalloc byte[4 + 4 * 3];
            header = header[..(4 + 4 * dimensions)];
            stream.ReadExactly(header);
            uint magic = BinaryPrimitives.ReadUInt32BigEndian(header);
            uint expected = 0x0800u | (uint)dimensions;
            if (magic != expected)
                throw new IdxException($"'{path}' is no IDX file of bytes with {dimensions} dimension(s): it starts with 0x{magic:x8}, not 0x{expected:x8}.");

            int[] shape = new int[dimensions];
            long size = 1;
            for (int i = 0; i < dimensions; i++)
            {
                shape[i] = BinaryPrimitives.ReadInt32BigEndian(header[(4 + 4 * i)..]);
                if (shape[i] <= 0 || (size *= shape[i]) > Array.MaxLength)
                    throw new IdxException($"'{path}' declares an impossible size of dimension {i + 1}: {shape[i]}.");
            }

            // Grown while reading, so that a header that lies about its size costs no memory.
            using var data = new MemoryStream();
            stream.CopyTo(data);
            if (data.Length != size)
                throw new IdxException($"'{path}' declares {size:n0} bytes of data but holds {data.Length:n0}.");
            return (data.ToArray(), shape);
        }
        catch (EndOfStreamException)
        {
            throw new IdxException($"'{path}' ends within its header.");
        }
        catch (InvalidDataException error)
        {
            throw new IdxException($"'{path}' is damaged: {error.Message}");
        }
    }
}

/// <summary>A data set that cannot be used; the message names the file and is meant for the user.</summary>
internal sealed class IdxException(string message) : Exception(message);
