using NeuralCompression.Codec.Tests.Reference;

namespace NeuralCompression.Codec.Tests.Updates;

/// <summary>Updates of models in several files: the same update as of the same model in one.</summary>
public sealed class UpdateSetTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("sets");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("base.ncms", "next.ncms")]
    [InlineData("base.ncms", "next.ncm")]
    [InlineData("base.ncm", "next.ncms")]
    public void Create_SetsOrFiles_GivesTheSameUpdate(string before, string next)
    {
        Prepare();
        CompressedModelUpdate.Create(Of("base.ncm"), Of("next.ncm"), Of("expected.ncmu"));
        CompressedModelUpdate.Create(Of(before), Of(next), Of("update.ncmu"));
        Assert.Equal(File.ReadAllBytes(Of("expected.ncmu")), File.ReadAllBytes(Of("update.ncmu")));
        Assert.Equal(Convert.ToHexStringLower(ReferenceDecoder.DigestOf(File.ReadAllBytes(Of("base.ncm")))), CompressedModelUpdate.ReadInfo(Of("update.ncmu")).BaseDigest);
    }

    // Files of a set as short as can be, and one as long as can be.
    [Theory]
    [InlineData("base.ncms", 1)]
    [InlineData("base.ncm", 1)]
    [InlineData("base.ncms", 300)]
    [InlineData("base.ncms", long.MaxValue)]
    public void Apply_IntoASet_GivesTheTensorsOfTheNextModelInOrder(string before, long shardBytes)
    {
        Prepare();
        CompressedModelUpdate.Create(Of("base.ncm"), Of("next.ncm"), Of("update.ncmu"));
        CompressionReport report = CompressedModelUpdate.Apply(Of(before), Of("update.ncmu"), Of("result.ncms"), new CompressedModelUpdateOptions { ShardBytes = shardBytes });
        using (CompressedModelSet set = CompressedModelSet.Open(Of("result.ncms")))
        {
            set.Verify();
            Assert.InRange(set.Shards.Count, shardBytes == 1 ? 10 : 1, shardBytes == long.MaxValue ? 1 : 15);
            Assert.Equal(new FileInfo(Of("result.ncms")).Length + set.Shards.Sum(shard => shard.Length), report.TotalBytes);
            using CompressedModelReader next = CompressedModelReader.Open(Of("next.ncm"));
            Assert.Equal(next.Tensors.Select(Describe), set.Tensors.Select(Describe));
            Assert.Equal(next.Tensors.Select(tensor => tensor.Name), report.Tensors.Select(tensor => tensor.Name));
            Assert.All(next.Tensors, tensor => Assert.Equal(Samples.Bytes(next, tensor.Name), Samples.Bytes(set.ReaderOf(set[tensor.Name]), tensor.Name)));
            Assert.Equal(next.Metadata, set.Metadata);
        }

        // What came of it is the base of the next update, and leads back to one file.
        CompressedModelUpdate.Create(Of("result.ncms"), Of("base.ncms"), Of("back.ncmu"));
        Assert.StartsWith(CompressedModelUpdate.ReadInfo(Of("update.ncmu")).ResultDigest, CompressedModelUpdate.ReadInfo(Of("back.ncmu")).BaseDigest, StringComparison.Ordinal);
        CompressedModelUpdate.Apply(Of("result.ncms"), Of("back.ncmu"), Of("back.ncm"));
        Assert.Equal(ReferenceDecoder.DigestOf(File.ReadAllBytes(Of("base.ncm"))), ReferenceDecoder.DigestOf(File.ReadAllBytes(Of("back.ncm"))));

        static string Describe(CompressedTensorInfo tensor) => $"{tensor.Name} {TensorShape.Format(tensor.Shape)} {tensor.ElementType} {tensor.Grid} {tensor.AliasOf}";
    }

    // An alias goes into the file of its target, so what stands between them does too: the order is part of the model, and the next update needs it.
    [Fact]
    public void Apply_AliasFarFromItsTarget_KeepsTheOrder()
    {
        File.WriteAllBytes(Of("base.ncm"), UpdateSamples.Base());
        File.WriteAllBytes(Of("next.ncm"), UpdateSamples.Next());
        CompressedModelUpdate.Create(Of("base.ncm"), Of("next.ncm"), Of("update.ncmu"));
        CompressedModelUpdate.Apply(Of("base.ncm"), Of("update.ncmu"), Of("result.ncms"), new CompressedModelUpdateOptions { ShardBytes = 1 });
        using CompressedModelReader next = CompressedModelReader.Open(Of("next.ncm"));
        using CompressedModelSet set = CompressedModelSet.Open(Of("result.ncms"));
        Assert.Equal(next.Tensors.Select(tensor => tensor.Name), set.Tensors.Select(tensor => tensor.Name));

        // The last alias is the last tensor but one.
        Assert.Equal(2, set.Shards.Count);
        Assert.Equal("empty", Assert.Single(set.Shards[1].Reader.Tensors).Name);
    }

    // The older set at the same path stays whole, and nothing of the new one is left.
    [Fact]
    public void Apply_RefusedOrCancelled_LeavesTheOlderSetWhole()
    {
        Prepare();
        CompressedModelUpdate.Create(Of("base.ncms"), Of("next.ncms"), Of("update.ncmu"));
        byte[] update = File.ReadAllBytes(Of("update.ncmu"));
        update[^1] ^= 1;
        File.WriteAllBytes(Of("damaged.ncmu"), update);
        WriteSet(UpdateSamples.Base(), "result.ncms");
        Dictionary<string, string> files = folder.EnumerateFiles().ToDictionary(file => file.Name, file => Convert.ToHexString(File.ReadAllBytes(file.FullName)));
        Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Apply(Of("base.ncms"), Of("damaged.ncmu"), Of("result.ncms")));
        Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Apply(Of("next.ncms"), Of("update.ncmu"), Of("result.ncms")));
        Assert.Throws<ArgumentException>(() => CompressedModelUpdate.Apply(Of("base.ncms"), Of("update.ncmu"), Of("base.ncms")));
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => CompressedModelUpdate.Apply(
            Of("base.ncms"), Of("update.ncmu"), Of("result.ncms"), new CompressedModelUpdateOptions { ShardBytes = 1, Progress = new Last(stop.Cancel) }, stop.Token));
        Assert.Equal(files.OrderBy(file => file.Key), folder.EnumerateFiles().ToDictionary(file => file.Name, file => Convert.ToHexString(File.ReadAllBytes(file.FullName))).OrderBy(file => file.Key));

        // And is replaced by one that comes whole.
        CompressedModelUpdate.Apply(Of("base.ncms"), Of("update.ncmu"), Of("result.ncms"));
        using CompressedModelSet set = CompressedModelSet.Open(Of("result.ncms"));
        Assert.Equal(files.Count - BaseShards + set.Shards.Count, folder.EnumerateFiles().Count());
    }

    // A file of a set is damaged: what the manifest says of it is not trusted, its own checksums are.
    [Fact]
    public void Create_DamagedFileOfASet_IsRefused()
    {
        Prepare();
        string shard;
        using (CompressedModelSet set = CompressedModelSet.Open(Of("next.ncms")))
            shard = Of(set.Shards[0].FileName);
        byte[] bytes = File.ReadAllBytes(shard);
        bytes[^1] ^= 1;
        File.WriteAllBytes(shard, bytes);
        string[] names = [.. folder.EnumerateFiles().Select(file => file.Name).Order()];
        Assert.Equal(ContainerError.PayloadChecksum, Assert.Throws<InvalidDataException>(() => CompressedModelUpdate.Create(Of("base.ncms"), Of("next.ncms"), Of("update.ncmu"))).Data["NeuralCompression.Error"]);
        Assert.Equal(names, folder.EnumerateFiles().Select(file => file.Name).Order());
    }

    private int BaseShards { get; set; }

    private void Prepare()
    {
        File.WriteAllBytes(Of("base.ncm"), InOrderOfFiles(UpdateSamples.Base(), "base.ncms"));
        BaseShards = folder.EnumerateFiles("base-*.ncm").Count();
        File.WriteAllBytes(Of("next.ncm"), InOrderOfFiles(UpdateSamples.Next(), "next.ncms"));
        Assert.InRange(BaseShards, 3, 20);
    }

    // A set has aliases behind the tensors of their file, which is another order than that of the sample, and so another model.
    private byte[] InOrderOfFiles(byte[] model, string name)
    {
        WriteSet(model, name);
        using CompressedModelSet set = CompressedModelSet.Open(Of(name));
        return Samples.Write(writer => Copy(set.Tensors, set.Metadata, writer.Add, writer.Add, writer.AddAlias, writer.AddMetadata));
    }

    private void WriteSet(byte[] model, string name)
    {
        using CompressedModelReader reader = Samples.Open(model);
        using CompressedModelSetWriter writer = CompressedModelSetWriter.Create(Of(name), shardBytes: 400);
        Copy(reader.Tensors, reader.Metadata, writer.Add, writer.Add, writer.AddAlias, writer.AddMetadata);
        writer.Complete();
    }

    private static void Copy(
        IReadOnlyList<CompressedTensorInfo> tensors, IReadOnlyDictionary<string, string> texts, Action<string, QuantizedTensor> add, AddBytes addBytes, Action<string, string> addAlias, Action<string, string> addText)
    {
        foreach (CompressedTensorInfo tensor in tensors)
        {
            if (tensor.AliasOf is not null)
            {
                addAlias(tensor.Name, tensor.AliasOf);
            }
            else if (tensor.IsQuantized)
            {
                var symbols = new short[tensor.Length];
                tensor.Owner.DecodeSymbols(tensor, symbols);
                add(tensor.Name, QuantizedTensor.FromSymbols(symbols, tensor.Shape, tensor.Grid!, tensor.ElementType));
            }
            else
            {
                addBytes(tensor.Name, tensor.ElementType, tensor.Shape, Samples.Bytes(tensor.Owner, tensor.Name));
            }
        }

        foreach ((string key, string value) in texts)
            addText(key, value);
    }

    private string Of(string name) => Path.Combine(folder.FullName, name);

    private delegate void AddBytes(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> bytes);

    /// <summary>Acts when all elements are done and only the writing is left.</summary>
    private sealed class Last(Action act) : IProgress<double>
    {
        public void Report(double value)
        {
            if (value == 1)
                act();
        }
    }
}
