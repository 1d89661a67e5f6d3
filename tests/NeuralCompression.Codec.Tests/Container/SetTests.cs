using System.Security.Cryptography;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Models in several files with a manifest.</summary>
public sealed class SetTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ncm");

    private string Manifest => Path.Combine(folder.FullName, "model.ncms");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Write_ThenOpen_GivesEveryTensorOfEveryShard()
    {
        IReadOnlyList<CompressionReport> reports = Save(1);
        using var set = CompressedModelSet.Open(Manifest);
        Assert.Equal(4, set.Shards.Count);
        Assert.Equal(["a", "b", "c", "d", "tied"], set.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
        Assert.Equal("a", set["tied"].AliasOf);
        Assert.Same(set.ReaderOf(set["a"]), set.ReaderOf(set["tied"]));
        var values = new float[4];
        foreach ((string name, float first) in new[] { ("a", 1f), ("b", 5f), ("c", 9f), ("tied", 1f) })
        {
            set.ReaderOf(set[name]).Decode(set[name], values);
            Assert.Equal(first, values[0]);
        }

        foreach ((CompressedModelShard shard, CompressionReport report) in set.Shards.Zip(reports))
        {
            byte[] file = File.ReadAllBytes(Path.Combine(folder.FullName, shard.FileName));
            Assert.Equal((file.Length, report.TotalBytes), (shard.Length, shard.Length));
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file)), shard.Sha256);
        }

        set.Verify();
        Assert.Equal(5, Directory.GetFiles(folder.FullName).Length);
        Assert.False(set.TryGet("x", out _));
        Assert.Throws<KeyNotFoundException>(() => set["x"]);
        using var other = Samples.Open(Samples.Write("lenet-like"));
        Assert.Throws<ArgumentException>(() => set.ReaderOf(other.Tensors[0]));
    }

    [Fact]
    public void Complete_OverAnOldSet_ReplacesItAndDisposeWithoutItDoesNot()
    {
        Save(1);
        string[] before = Directory.GetFiles(folder.FullName);
        string text = File.ReadAllText(Manifest);
        using (var writer = CompressedModelSetWriter.Create(Manifest))
            writer.Add("x", [1], [1f]);
        Assert.Equal(before.Order(StringComparer.Ordinal), Directory.GetFiles(folder.FullName).Order(StringComparer.Ordinal));
        using (var old = CompressedModelSet.Open(Manifest))
        {
            Save(2, all: 1 << 20);
            old.ReaderOf(old["b"]).Decode(old["b"], new float[4]);
        }

        using var set = CompressedModelSet.Open(Manifest);
        Assert.Single(set.Shards);
        Assert.Equal(2, Directory.GetFiles(folder.FullName).Length);
        set.Verify();
        Assert.NotEqual(text, File.ReadAllText(Manifest));
    }

    [Fact]
    public void Write_SameTensors_GivesTheSameFiles()
    {
        Save(1);
        var first = Directory.GetFiles(folder.FullName).ToDictionary(path => path, File.ReadAllBytes);
        Save(1);
        var second = Directory.GetFiles(folder.FullName).ToDictionary(path => path, File.ReadAllBytes);
        Assert.Equal(first.Keys.Order(StringComparer.Ordinal), second.Keys.Order(StringComparer.Ordinal));
        Assert.All(first, pair => Assert.Equal(pair.Value, second[pair.Key]));
    }

    [Fact]
    public void Combine_FinishedModels_GivesTheSetOfThem()
    {
        Write("one.ncm", "a", 1f);
        Write("two.ncm", "b", 2f);
        CompressedModelSet.Combine(Manifest, ["two.ncm", "one.ncm"]);
        using var set = CompressedModelSet.Open(Manifest);
        Assert.Equal(["b", "a"], set.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["two.ncm", "one.ncm"], set.Shards.Select(shard => shard.FileName));
        Assert.All(set.Shards, shard => Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder.FullName, shard.FileName)))), shard.Sha256));
        set.Verify();
        Assert.Equal(3, Directory.GetFiles(folder.FullName).Length);
    }

    // A file that somebody named after the set is theirs, whatever its name begins with.
    [Fact]
    public void Complete_OverACombinedSet_DeletesNoFileOfOthers()
    {
        Write("model-part.ncm", "a", 1f);
        Write("model-1-0123456789abcdef.ncm", "b", 1f);
        CompressedModelSet.Combine(Manifest, ["model-1-0123456789abcdef.ncm", "model-part.ncm"]);
        Save(1);
        Assert.True(File.Exists(Path.Combine(folder.FullName, "model-part.ncm")));
        Assert.True(File.Exists(Path.Combine(folder.FullName, "model-1-0123456789abcdef.ncm")));
    }

    [Fact]
    public void Metadata_IsThatOfAllShardsAndOfEqualKeysTheFirst()
    {
        WithText("one.ncm", ("a", "1"), ("both", "first"));
        WithText("two.ncm", ("b", "2"), ("both", "second"));
        CompressedModelSet.Combine(Manifest, ["one.ncm", "two.ncm"]);
        using var set = CompressedModelSet.Open(Manifest);
        Assert.Equal([("a", "1"), ("b", "2"), ("both", "first")], set.Metadata.Select(text => (text.Key, text.Value)).Order());

        void WithText(string name, params (string Key, string Value)[] texts)
        {
            using var writer = CompressedModelWriter.Create(Path.Combine(folder.FullName, name));
            foreach ((string key, string value) in texts)
                writer.AddMetadata(key, value);
            writer.Complete();
        }
    }

    [Fact]
    public void AddMetadata_OfASet_ComesBack()
    {
        using (var writer = CompressedModelSetWriter.Create(Manifest, 1))
        {
            writer.AddMetadata("before", "any tensor");
            writer.Add("a", [1], [1f]);
            writer.Add("b", [1], [2f]);
            writer.AddMetadata("after", "two shards");
            Assert.Throws<ArgumentException>(() => writer.AddMetadata("before", "again"));
            Assert.Throws<ArgumentNullException>(() => writer.AddMetadata(null!, ""));
            writer.Complete();
            Assert.Throws<InvalidOperationException>(() => writer.AddMetadata("late", ""));
        }

        using var set = CompressedModelSet.Open(Manifest);
        Assert.Equal(2, set.Shards.Count);
        Assert.Equal([("after", "two shards"), ("before", "any tensor")], set.Metadata.Select(text => (text.Key, text.Value)).Order());
    }

    [Fact]
    public void Combine_WhatIsNoSet_IsRefusedAndLeavesTheOldManifest()
    {
        Write("one.ncm", "a", 1f);
        Write("two.ncm", "b", 2f);
        Write("same.ncm", "a", 3f);
        File.WriteAllText(Path.Combine(folder.FullName, "text.ncm"), "no model");
        CompressedModelSet.Combine(Manifest, ["one.ncm"]);
        byte[] before = File.ReadAllBytes(Manifest);

        AssertRefused(ContainerError.DuplicateName, () => CompressedModelSet.Combine(Manifest, ["one.ncm", "same.ncm"]));
        AssertRefused(ContainerError.NotAContainer, () => CompressedModelSet.Combine(Manifest, ["one.ncm", "text.ncm"]));
        AssertRefused(ContainerError.LimitExceeded, () => CompressedModelSet.Combine(Manifest, ["one.ncm", "two.ncm"], new DecodeLimits { MaxTensors = 1 }));
        Assert.Throws<FileNotFoundException>(() => CompressedModelSet.Combine(Manifest, ["none.ncm"]));
        Assert.Throws<OperationCanceledException>(() => CompressedModelSet.Combine(Manifest, ["two.ncm"], cancellationToken: new CancellationToken(canceled: true)));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Combine(Manifest, []));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Combine(Manifest, ["one.ncm", "ONE.ncm"]));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Combine(Manifest, ["../one.ncm"]));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Combine(Manifest, ["model.ncms"]));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Combine("", ["one.ncm"]));
        Assert.Throws<ArgumentNullException>(() => CompressedModelSet.Combine(Manifest, null!));

        Assert.Equal(before, File.ReadAllBytes(Manifest));
        Assert.Equal(5, Directory.GetFiles(folder.FullName).Length);
    }

    [Fact]
    public void Open_DamagedShards_AreRefused()
    {
        Save(1);
        string shard;
        using (var set = CompressedModelSet.Open(Manifest))
            shard = Path.Combine(folder.FullName, set.Shards[1].FileName);
        byte[] file = File.ReadAllBytes(shard);
        File.WriteAllBytes(shard, file[..^1]);
        AssertRefused(ContainerError.Truncated, () => CompressedModelSet.Open(Manifest));
        File.WriteAllBytes(shard, [.. file, 0]);
        AssertRefused(ContainerError.TrailingBytes, () => CompressedModelSet.Open(Manifest));
        File.WriteAllBytes(shard, [.. file[..^1], (byte)(file[^1] ^ 1)]);
        using (var set = CompressedModelSet.Open(Manifest))
            AssertRefused(ContainerError.PayloadChecksum, () => set.Verify());
        File.Delete(shard);
        Assert.Throws<FileNotFoundException>(() => CompressedModelSet.Open(Manifest));
    }

    [Theory]
    [InlineData("", ContainerError.NotAContainer)]
    [InlineData("[]", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"other\",\"version\":1,\"shards\":[]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":0,\"shards\":[]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1.5,\"shards\":[]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"version\":1,\"shards\":[]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"a.ncm\",\"length\":-1,\"sha256\":\"D\"}]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"a.ncm\",\"length\":1,\"sha256\":\"00\"}]}", ContainerError.NotAContainer)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"../a.ncm\",\"length\":1,\"sha256\":\"D\"}]}", ContainerError.Name)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"\",\"length\":1,\"sha256\":\"D\"}]}", ContainerError.Name)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"C:a\",\"length\":1,\"sha256\":\"D\"}]}", ContainerError.Name)]
    [InlineData("{\"format\":\"ncm-set\",\"version\":1,\"shards\":[{\"file\":\"a\",\"length\":1,\"sha256\":\"D\"},{\"file\":\"A\",\"length\":1,\"sha256\":\"D\"}]}", ContainerError.DuplicateName)]
    public void Open_HostileManifest_IsRefused(string text, ContainerError error)
    {
        File.WriteAllText(Manifest, text.Replace("\"D\"", "\"" + new string('0', 64) + "\"", StringComparison.Ordinal));
        AssertRefused(error, () => CompressedModelSet.Open(Manifest));
    }

    [Fact]
    public void Open_NewerManifestOrOverLimits_IsRefused()
    {
        File.WriteAllText(Manifest, "{\"format\":\"ncm-set\",\"version\":2}");
        Assert.Throws<NotSupportedException>(() => CompressedModelSet.Open(Manifest));
        Save(1);
        AssertRefused(ContainerError.LimitExceeded, () => CompressedModelSet.Open(Manifest, new DecodeLimits { MaxTensors = 4 }));
        AssertRefused(ContainerError.LimitExceeded, () => CompressedModelSet.Open(Manifest, new DecodeLimits { MaxDecodedBytes = 60 }));
        AssertRefused(ContainerError.LimitExceeded, () => CompressedModelSet.Open(Manifest, new DecodeLimits { MaxIndexBytes = 100 }));
    }

    [Fact]
    public void Open_TwoShardsWithOneTensorName_IsRefused()
    {
        byte[] file = Samples.Write("lenet-like");
        string digest = Convert.ToHexStringLower(SHA256.HashData(file));
        File.WriteAllBytes(Path.Combine(folder.FullName, "a"), file);
        File.WriteAllBytes(Path.Combine(folder.FullName, "b"), file);
        File.WriteAllText(Manifest, $$"""{"format":"ncm-set","version":1,"shards":[{"file":"a","length":{{file.Length}},"sha256":"{{digest}}"},{"file":"b","length":{{file.Length}},"sha256":"{{digest}}"}]}""");
        AssertRefused(ContainerError.DuplicateName, () => CompressedModelSet.Open(Manifest));
    }

    [Fact]
    public void Writer_Misuse_IsRefused()
    {
        using var writer = CompressedModelSetWriter.Create(Manifest, 1);
        writer.Add("a", [1], [1f]);
        Assert.Throws<ArgumentException>(() => writer.Add("a", [1], [1f]));
        Assert.Throws<ArgumentException>(() => writer.AddAlias("b", "missing"));
        Assert.Throws<ArgumentException>(() => writer.AddAlias("a", "a"));
        writer.Complete();
        Assert.Throws<InvalidOperationException>(() => writer.Complete());
        Assert.Throws<ArgumentOutOfRangeException>(() => CompressedModelSetWriter.Create(Manifest, 0));
        Assert.Throws<DirectoryNotFoundException>(() => CompressedModelSetWriter.Create(Path.Combine(folder.FullName, "missing", "m.ncms")));
    }

    [Fact]
    public async Task OpenAsync_FolderAndRanges_GiveTheSameTensors()
    {
        Save(1);
        int requests = 0;
        using var expected = CompressedModelSet.Open(Manifest);
        using var folderSet = await CompressedModelSet.OpenAsync(Manifest);
        using var ranges = CompressedModelSet.Open(
            (name, offset, count) =>
            {
                requests++;
                return Range(name, offset, count);
            },
            "model.ncms");
        Assert.Equal(1 + expected.Shards.Count, requests);
        using var remote = await CompressedModelSet.OpenAsync(
            async (name, offset, count, cancellation) =>
            {
                await Task.Yield();
                cancellation.ThrowIfCancellationRequested();
                return Range(name, offset, count);
            },
            "model.ncms");
        foreach (CompressedModelSet set in new[] { folderSet, ranges, remote })
        {
            Assert.Equal(expected.Tensors.Select(tensor => tensor.ToString()), set.Tensors.Select(tensor => tensor.ToString()));
            Assert.Equal(expected.Shards.Select(shard => (shard.FileName, shard.Length, shard.Sha256)), set.Shards.Select(shard => (shard.FileName, shard.Length, shard.Sha256)));
            long total = 0;
            await set.VerifyAsync(new Counter(value => total = value));
            Assert.Equal(set.Shards.Sum(shard => shard.Length), total);
            foreach (CompressedTensorInfo tensor in set.Tensors)
            {
                byte[] bytes = new byte[tensor.DecodedBytes];
                await set.ReaderOf(tensor).DecodeBytesAsync(tensor, bytes);
                Assert.Equal(Samples.Bytes(expected.ReaderOf(expected[tensor.Name]), tensor.Name), bytes);
            }
        }

        ranges.Verify();
        Assert.Contains("VerifyAsync", Assert.Throws<InvalidOperationException>(() => remote.Verify()).Message, StringComparison.Ordinal);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CompressedModelSet.OpenAsync(Manifest, cancellationToken: cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => remote.VerifyAsync(cancellationToken: cancelled.Token));
    }

    [Fact]
    public async Task Ranges_WrongBytes_AreRefused()
    {
        Save(1);
        string shard;
        using (var set = CompressedModelSet.Open(Manifest))
            shard = set.Shards[1].FileName;
        byte[] longer = [.. File.ReadAllBytes(Path.Combine(folder.FullName, shard)), 0];
        using (var set = CompressedModelSet.Open((name, offset, count) => name == shard ? longer.AsMemory((int)offset, (int)Math.Min(count, longer.Length - offset)) : Range(name, offset, count), "model.ncms"))
        {
            AssertRefused(ContainerError.PayloadChecksum, () => set.Verify());
            Assert.Equal(ContainerError.PayloadChecksum, (await Assert.ThrowsAsync<InvalidDataException>(() => set.VerifyAsync())).Data["NeuralCompression.Error"]);
        }

        // A shard without an end costs no more than the one that was told.
        long given = 0;
        using (var set = CompressedModelSet.Open(
            (name, offset, count) =>
            {
                ReadOnlyMemory<byte> bytes = Range(name, offset, count);
                bytes = name == shard ? new byte[count].AsMemory() : bytes;
                given += bytes.Length;
                return name == shard && offset == 0 && count == longer.Length - 1 ? Range(name, offset, count) : bytes;
            },
            "model.ncms"))
        {
            given = 0;
            AssertRefused(ContainerError.PayloadChecksum, () => set.Verify());
            Assert.InRange(given, 1, 10 * longer.Length);
        }

        Assert.Throws<IOException>(() => CompressedModelSet.Open((_, _, count) => new byte[count + 1], "model.ncms"));
        AssertRefused(ContainerError.NotAContainer, () => CompressedModelSet.Open((_, _, _) => default, "model.ncms"));
        AssertRefused(ContainerError.LimitExceeded, () => CompressedModelSet.Open((_, _, count) => new byte[count], "model.ncms", new DecodeLimits { MaxIndexBytes = 1 << 20 }));
        Assert.Throws<ArgumentNullException>(() => CompressedModelSet.Open((Func<string, long, int, ReadOnlyMemory<byte>>)null!, "model.ncms"));
        Assert.Throws<ArgumentException>(() => CompressedModelSet.Open((_, _, _) => default, ""));
    }

    private void Write(string fileName, string name, float value)
    {
        using var writer = CompressedModelWriter.Create(Path.Combine(folder.FullName, fileName));
        writer.Add(name, [1], [value]);
        writer.Complete();
    }

    private ReadOnlyMemory<byte> Range(string name, long offset, int count)
    {
        byte[] file = File.ReadAllBytes(Path.Combine(folder.FullName, name));
        return offset >= file.Length ? default : file.AsMemory((int)offset, (int)Math.Min(count, file.Length - offset));
    }

    private sealed class Counter(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    private static void AssertRefused(ContainerError error, Action action) =>
        Assert.Equal(error, Assert.Throws<InvalidDataException>(action).Data["NeuralCompression.Error"]);

    private IReadOnlyList<CompressionReport> Save(int seed, long all = 1)
    {
        using var writer = CompressedModelSetWriter.Create(Manifest, all);
        writer.Add("a", [4], [seed, 2, 3, 4]);
        writer.Add("b", ElementType.Float32, [4], [.. new float[] { 5, 6, 7, 8 }.SelectMany(BitConverter.GetBytes)]);
        using (CompressedTensorWriter tensor = writer.BeginTensor("c", ElementType.Float32, [4]))
        {
            tensor.Write([9f, 1f]);
            tensor.Write([2f, 3f]);
            tensor.Complete();
        }

        writer.AddAlias("tied", "a");
        if (all == 1)
            writer.Add("d", QuantizedTensor.FromSymbols(new sbyte[3], [3], QuantizationGrid.Uniform(1)));
        return writer.Complete();
    }
}
