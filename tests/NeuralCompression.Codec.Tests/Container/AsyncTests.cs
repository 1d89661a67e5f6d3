using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Ranges through delegates, and reading and writing without blocking: the same bytes as the plain way.</summary>
public sealed class AsyncTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("ncm");

    private string Target => Path.Combine(folder.FullName, "model.ncm");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Ranges_LargeIndex_TakesTwoRequestsAndOneForEachSegment()
    {
        byte[] file = Samples.Write(writer =>
        {
            for (int i = 0; i < 3000; i++)
                writer.Add(FormattableString.Invariant($"{i * 7919 % 3000}.a tensor with a long name"), ElementType.UInt8, [40], [.. Enumerable.Range(i, 40).Select(j => (byte)(j * j))]);
        });
        var requests = new List<(long Offset, int Length)>();
        using var reader = CompressedModelReader.Open(
            (offset, length) =>
            {
                requests.Add((offset, length));
                return file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset));
            },
            file.Length);
        Assert.Equal(2, requests.Count);
        Assert.Equal(3000, reader.Tensors.Count);
        reader.DecodeBytes(reader.Tensors[2500], new byte[40]);
        Assert.Equal((reader.Tensors[2500].Entry.PayloadOffset, 40), requests[2]);
        Assert.Equal(3, requests.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Ranges_EverySample_DecodesLikeTheStream(bool knownLength)
    {
        foreach (string name in Samples.Names)
        {
            byte[] file = Samples.Write(name);
            int requests = 0;
            using var expected = Samples.Open(file);
            using var reader = CompressedModelReader.Open(
                (offset, length) =>
                {
                    requests++;
                    return file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset));
                },
                knownLength ? file.Length : -1);
            foreach (CompressedTensorInfo tensor in reader.Tensors)
                Assert.Equal(Samples.Bytes(expected, tensor.Name), Samples.Bytes(reader, tensor.Name));
            Assert.Equal(1, requests);
        }
    }

    [Fact]
    public void Ranges_EveryTruncation_IsRefused()
    {
        byte[] whole = Samples.Write("aligned");
        for (int length = 0; length < whole.Length; length++)
        {
            byte[] file = whole[..length];
            foreach (bool known in new[] { true, false })
            {
                Assert.Throws<InvalidDataException>(() =>
                {
                    using var reader = CompressedModelReader.Open((offset, count) => offset >= file.Length ? default : file.AsMemory((int)offset, (int)Math.Min(count, file.Length - offset)), known ? length : -1);
                    foreach (CompressedTensorInfo tensor in reader.Tensors)
                        Samples.Bytes(reader, tensor.Name);
                });
            }
        }
    }

    [Fact]
    public void Ranges_DelegateFailsOrGivesTooMuch_ThrowsIOException()
    {
        Assert.Equal("no route", Assert.Throws<IOException>(() => CompressedModelReader.Open((_, _) => throw new IOException("no route"))).Message);
        Assert.Throws<IOException>(() => CompressedModelReader.Open((_, length) => new byte[length + 1]));
        Assert.Throws<ArgumentNullException>(() => CompressedModelReader.Open((Func<long, int, ReadOnlyMemory<byte>>)null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => CompressedModelReader.Open((_, _) => default, -2));
    }

    [Fact]
    public async Task OpenAndDecodeAsync_EverySource_GivesTheSameTensors()
    {
        foreach (string name in Samples.Names)
        {
            byte[] file = Samples.Write(name);
            File.WriteAllBytes(Target, file);
            using var expected = Samples.Open(file);
            CompressedModelReader[] readers =
            [
                await CompressedModelReader.OpenAsync(Target),
                await CompressedModelReader.OpenAsync(new MemoryStream(file)),
                await CompressedModelReader.OpenAsync(new ForwardOnlyStream(file)),
                await CompressedModelReader.OpenAsync(async (offset, length, cancellation) =>
                {
                    await Task.Yield();
                    return file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset));
                }),
            ];
            foreach (CompressedModelReader reader in readers)
            {
                foreach (CompressedTensorInfo tensor in reader.Tensors)
                {
                    byte[] bytes = new byte[tensor.DecodedBytes];
                    await reader.DecodeBytesAsync(tensor, bytes, new DecodeOptions { MaxDegreeOfParallelism = 3 });
                    Assert.Equal(Samples.Bytes(expected, tensor.Name), bytes);
                    int half = (int)tensor.Length / 2;
                    var doubles = new double[tensor.Length];
                    var piece = new double[tensor.Length - half];
                    expected.Decode(expected[tensor.Name], doubles);
                    await reader.DecodeAsync(tensor, half, piece);
                    Assert.Equal(doubles[half..], piece);
                    if (!tensor.IsQuantized)
                        continue;
                    var symbols = new short[tensor.Length];
                    var wide = new short[tensor.Length];
                    expected.DecodeSymbols(expected[tensor.Name], symbols);
                    await reader.DecodeSymbolsAsync(tensor, wide);
                    Assert.Equal(symbols, wide);
                    await reader.DecodeSymbolsAsync(tensor, 0, wide);
                    Assert.Equal(symbols, wide);
                }

                reader.Dispose();
            }
        }
    }

    [Fact]
    public async Task OpenAsync_HostileFiles_AreRefusedLikeOpen()
    {
        foreach ((string name, byte[] file) in Vectors.HostileFiles.All())
        {
            Exception? expected = Record.Exception(() => Samples.Open(file).Dispose());
            Exception? forward = await Record.ExceptionAsync(async () => (await CompressedModelReader.OpenAsync(new MemoryStream(file))).Dispose());
            Exception? ranges = await Record.ExceptionAsync(async () => (await CompressedModelReader.OpenAsync(
                (offset, length, _) => ValueTask.FromResult<ReadOnlyMemory<byte>>(offset >= file.Length ? default : file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset))),
                file.Length)).Dispose());
            Assert.True(expected?.Message == forward?.Message, name);

            // Padding is checked where it is read.
            if (name != "Padding-alignment")
                Assert.True(expected?.Message == ranges?.Message, name);
        }
    }

    [Fact]
    public async Task AsyncDelegate_SyncDecode_SaysWhatToUse()
    {
        byte[] file = Samples.Write(writer => writer.Add("w", ElementType.UInt8, [100_000], [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * i >> 3))]), System.IO.Compression.CompressionLevel.NoCompression);
        using var reader = await CompressedModelReader.OpenAsync((offset, length, _) => ValueTask.FromResult<ReadOnlyMemory<byte>>(file.AsMemory((int)offset, (int)Math.Min(length, file.Length - offset))));
        Assert.Contains("DecodeAsync", Assert.Throws<InvalidOperationException>(() => reader.DecodeBytes(reader["w"], new byte[100_000])).Message, StringComparison.Ordinal);
        await reader.DecodeBytesAsync(reader["w"], new byte[100_000]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reader.DecodeBytesAsync(reader["w"], new byte[100_000], cancellationToken: new CancellationToken(true)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CompressedModelReader.OpenAsync(new MemoryStream(file), cancellationToken: new CancellationToken(true)));
    }

    [Fact]
    public async Task CompleteAsync_GivesTheSameFileAndReportsProgress()
    {
        byte[] file = Samples.Write("lenet-like");
        using (var writer = CompressedModelWriter.Create(Target, System.IO.Compression.CompressionLevel.SmallestSize))
        {
            Samples.Copy(file, writer);
            var progress = new Last();
            CompressionReport report = await writer.CompleteAsync(progress);
            Assert.Equal(file.Length, report.TotalBytes);
            Assert.Equal(file.Length, progress.Value);
        }

        Assert.Equal(file, File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFiles(folder.FullName));
    }

    [Fact]
    public async Task CompleteAsync_Cancelled_LeavesTheOldFileWholeAndNoOther()
    {
        byte[] file = Samples.Write("lenet-like");
        File.WriteAllBytes(Target, [1, 2, 3]);
        using var cancellation = new CancellationTokenSource();
        using (var writer = CompressedModelWriter.Create(Target, new CompressedModelWriterOptions { MaxDegreeOfParallelism = 2 }))
        {
            Samples.Copy(file, writer);

            // In the middle of the payloads.
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writer.CompleteAsync(new Last(value =>
            {
                if (value > file.Length / 2)
                    cancellation.Cancel();
            }), cancellation.Token));
            Assert.Throws<InvalidOperationException>(() => writer.Complete());
        }

        Assert.Equal([1, 2, 3], File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFiles(folder.FullName));
    }

    private sealed class Last(Action<long>? action = null) : IProgress<long>
    {
        internal long Value { get; private set; }

        public void Report(long value)
        {
            Value = value;
            action?.Invoke(value);
        }
    }
}
