using System.IO.Compression;
using CsCheck;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Tensors cut into segments: pieces, threads and streaming give what the whole gives.</summary>
public sealed class SegmentTests
{
    [Theory]
    [InlineData(new long[] { 100 }, 100, 4, 400, 100)]
    [InlineData(new long[] { 101 }, 101, 4, 400, 51)]
    [InlineData(new long[] { 30, 20 }, 600, 4, 512, 100)]
    [InlineData(new long[] { 2, 300, 2, 2 }, 2400, 2, 512, 240)]
    [InlineData(new long[] { 3, 400 }, 1200, 2, 512, 200)]
    [InlineData(new long[] { 1L << 30 }, 1L << 30, 4, 16 << 20, 4 << 20)]
    public void Length_IsOfWholeRowsAndBalanced(long[] shape, long length, int bytes, int most, long expected)
    {
        Assert.Equal(expected, Segmentation.LengthFor(shape, length, bytes, most));
        Assert.InRange(expected * bytes, 1, most);
    }

    [Fact]
    public void Shape_OfASegment_IsRowsWhereRowsDivideIt()
    {
        Assert.Equal([6, 20], Segmentation.ShapeOf([30, 20], 600, 120, 120));
        Assert.Equal([60, 2, 2], Segmentation.ShapeOf([2, 300, 2, 2], 2400, 240, 240));
        Assert.Equal([30, 20], Segmentation.ShapeOf([30, 20], 600, 600, 600));
        Assert.Equal([7], Segmentation.ShapeOf([3, 7], 21, 10, 7));
    }

    [Fact]
    public void Read_AnyPieceOfAnyTensor_IsThatPartOfTheWhole() =>
        Gen.Select(Generators.Tensor, Gen.Int[64, 700], Gen.Enum<CompressionLevel>(), Gen.Int[0, 10_000], Gen.Int[0, 10_000]).SampleRepeatably(
            (tensor, segmentBytes, level, first, last) =>
            {
                byte[] file = Samples.Write(writer => writer.Add("w", tensor), new CompressedModelWriterOptions { Level = level, SegmentBytes = segmentBytes });
                using var reader = Samples.Open(file);
                CompressedTensorInfo info = reader["w"];
                int start = first % (tensor.Length + 1);
                int count = last % (tensor.Length - start + 1);
                AssertPiece(new float[tensor.Length], new float[count], start, (all) => reader.Decode(info, all.AsSpan()), piece => reader.Decode(info, start, piece.AsSpan()));
                AssertPiece(new double[tensor.Length], new double[count], start, (all) => reader.Decode(info, all.AsSpan()), piece => reader.Decode(info, start, piece.AsSpan()));
                AssertPiece(new short[tensor.Length], new short[count], start, (all) => reader.DecodeSymbols(info, all.AsSpan()), piece => reader.DecodeSymbols(info, start, piece.AsSpan()));
                int size = tensor.ElementType.Size();
                AssertPiece(new byte[tensor.Length * size], new byte[count * size], start * size, (all) => reader.DecodeBytes(info, all.AsSpan()), piece => reader.DecodeBytes(info, start, piece.AsSpan()));
                var expected = new float[tensor.Length];
                var actual = new float[tensor.Length];
                tensor.Dequantize(expected);
                reader.Decode(info, actual);
                Assert.Equal(expected, actual);
            },
            iter: 500);

    [Fact]
    public void Stream_PiecesOfAnyLength_GiveTheSameFile() =>
        Gen.Select(Generators.Tensor, Gen.Int[64, 700], Gen.Int[1, 200], Gen.OneOfConst(1, 2, -1)).SampleRepeatably(
            (tensor, segmentBytes, piece, threads) =>
            {
                byte[] expected = Samples.Write(
                    writer =>
                    {
                        writer.Add("w", tensor);
                        writer.Add("f", ElementType.Float32, [500], Samples.FloatBytes(500, 3, 4));
                    },
                    new CompressedModelWriterOptions { SegmentBytes = segmentBytes });
                byte[] actual = Samples.Write(
                    writer =>
                    {
                        using (CompressedTensorWriter part = writer.BeginTensor("w", tensor.Shape, tensor.Grid, tensor.ElementType))
                        {
                            for (int i = 0; i < tensor.Length; i += piece)
                            {
                                int count = Math.Min(piece, tensor.Length - i);
                                if (tensor.TryGetSymbols(out ReadOnlyMemory<sbyte> narrow))
                                    part.Write(narrow.Span.Slice(i, count));
                                else if (tensor.TryGetSymbols(out ReadOnlyMemory<short> wide))
                                    part.Write(wide.Span.Slice(i, count));
                                Assert.Equal(i + count, part.Position);
                            }

                            part.Complete();
                        }

                        using CompressedTensorWriter floats = writer.BeginTensor("f", ElementType.Float32, [500]);
                        byte[] bytes = Samples.FloatBytes(500, 3, 4);
                        for (int i = 0; i < bytes.Length; i += piece)
                            floats.Write(bytes.AsSpan(i, Math.Min(piece, bytes.Length - i)));
                        floats.Complete();
                    },
                    new CompressedModelWriterOptions { SegmentBytes = segmentBytes, MaxDegreeOfParallelism = threads });
                Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(actual));
            },
            iter: 300);

    [Fact]
    public void Decode_OnThreads_GivesTheSameAndReportsProgress()
    {
        byte[] file = Samples.Write("segments");
        using var reader = Samples.Open(file);
        foreach (int threads in new[] { 1, 2, 5, -1 })
        {
            var progress = new Progress();
            var options = new DecodeOptions { MaxDegreeOfParallelism = threads, Progress = progress };
            (CompressedTensorInfo Tensor, Memory<float> Destination)[] items = [.. reader.Tensors.Select(tensor => (tensor, new float[tensor.Length].AsMemory()))];
            reader.Decode(items, options);
            Assert.Equal(reader.Tensors.Sum(tensor => tensor.Length), progress.Last);
            foreach ((CompressedTensorInfo tensor, Memory<float> values) in items)
            {
                var expected = new float[tensor.Length];
                reader.Decode(tensor, expected);
                Assert.Equal(expected, values.ToArray());
                var bytes = new byte[tensor.DecodedBytes];
                var same = new byte[tensor.DecodedBytes];
                reader.DecodeBytes(tensor, bytes);
                reader.DecodeBytes(tensor, same, new DecodeOptions { MaxDegreeOfParallelism = threads });
                Assert.Equal(bytes, same);
            }

            var symbols = new sbyte[600];
            reader.DecodeSymbols(reader["tied"], symbols, new DecodeOptions { MaxDegreeOfParallelism = threads });
            Assert.All(symbols[100..200], symbol => Assert.Equal(0, symbol));
            Assert.All(symbols[200..300], symbol => Assert.Equal(3, symbol));
        }
    }

    [Fact]
    public void Decode_DamagedOrCancelledOnThreads_ThrowsWhatOneThreadThrows()
    {
        byte[] file = Samples.Write("segments");
        using var whole = Samples.Open(file);
        file[whole["floats"].Entry.Segments[2].PayloadOffset] ^= 1;
        using var reader = Samples.Open(file);
        var exception = Assert.Throws<InvalidDataException>(() => reader.Decode(reader["floats"], new float[500], new DecodeOptions { MaxDegreeOfParallelism = 3 }));
        Assert.Equal(ContainerError.PayloadChecksum, exception.Data["NeuralCompression.Error"]);
        Assert.Equal("floats", exception.Data["NeuralCompression.Tensor"]);

        // The other segments stand on their own.
        reader.Decode(reader["floats"], 0, new float[200]);
        Assert.Throws<OperationCanceledException>(() => reader.Decode(reader["rows"], new float[600], new DecodeOptions(), new CancellationToken(true)));
    }

    [Fact]
    public void Read_PieceByPiece_TouchesOnlyTheSegmentsNeeded()
    {
        byte[] file = Samples.Write("segments");
        using var whole = Samples.Open(file);
        using var stream = new CountingStream(file);
        using var reader = CompressedModelReader.Open(stream);
        CompressedTensorInfo floats = reader["floats"];
        stream.Count = 0;
        var piece = new float[10];
        for (int i = 0; i < 100; i += 10)
            reader.Decode(floats, i, piece);
        Assert.Equal(floats.Entry.Segments[0].PayloadLength, stream.Count);
    }

    [Fact]
    public void Constant_SegmentsAndTensors_CostNothing()
    {
        using var reader = Samples.Open(Samples.Write("segments"));
        Assert.Equal((0, 1), (reader["zeros"].StoredBytes, reader["zeros"].SegmentCount));
        Assert.Equal((4, 1), (reader["ones"].StoredBytes, reader["ones"].SegmentCount));
        Assert.Equal("constant+static-rans+context-mixing", reader["rows"].Coding);
        Assert.All(reader["rows"].Entry.Segments.Skip(1).Take(2), segment => Assert.Equal(0, segment.PayloadLength));
        var values = new float[7];
        reader.Decode(reader["ones"], 490, values);
        Assert.All(values, value => Assert.Equal(1, value));
    }

    [Fact]
    public void TensorWriter_Misuse_IsRefused()
    {
        using var stream = new MemoryStream();
        using var writer = CompressedModelWriter.Create(stream, leaveOpen: true);
        Assert.Throws<ArgumentException>(() => writer.BeginTensor("w", [2], QuantizationGrid.PerChannel([1f])));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.BeginTensor("w", [2], QuantizationGrid.Uniform(1), ElementType.Int8));
        Assert.Throws<ArgumentException>(() => writer.BeginTensor("w", ElementType.Float64, [long.MaxValue]));
        CompressedTensorWriter tensor = writer.BeginTensor("w", [4], QuantizationGrid.Codebook([1, 2], 0));
        Assert.Throws<InvalidOperationException>(() => writer.Add("x", [1], [1f]));
        Assert.Throws<InvalidOperationException>(() => writer.Complete());
        Assert.Throws<InvalidOperationException>(() => tensor.Complete());
        Assert.Throws<InvalidOperationException>(() => tensor.Write(new byte[4]));
        Assert.Throws<ArgumentException>(() => tensor.Write(new sbyte[5]));
        Assert.Throws<ArgumentException>(() => tensor.Write(new sbyte[] { 2 }));
        tensor.Write(new sbyte[] { 0, 1, 1 });
        tensor.Write(new short[] { 1 });
        tensor.Complete();
        Assert.Throws<InvalidOperationException>(() => tensor.Complete());
        tensor.Dispose();
        using (CompressedTensorWriter bytes = writer.BeginTensor("b", ElementType.UInt8, [2]))
        {
            Assert.Throws<InvalidOperationException>(() => bytes.Write(new float[1]));
            Assert.Throws<InvalidOperationException>(() => bytes.Write(new sbyte[1]));
            Assert.Throws<ArgumentException>(() => bytes.Write(new byte[3]));
        }

        Assert.Throws<InvalidOperationException>(() => writer.Complete());
    }

    [Fact]
    public void Piece_BadArguments_AreRefused()
    {
        using var reader = Samples.Open(Samples.Write("lenet-like"));
        CompressedTensorInfo bias = reader["fc1.bias"];
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Decode(bias, -1, new float[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Decode(bias, 31, Array.Empty<float>()));
        Assert.Throws<ArgumentException>(() => reader.Decode(bias, 25, new float[6]));
        Assert.Throws<ArgumentException>(() => reader.DecodeBytes(bias, 0, new byte[6]));
        Assert.Throws<InvalidOperationException>(() => reader.DecodeSymbols(bias, 0, new sbyte[1]));
        Assert.Throws<ArgumentNullException>(() => reader.DecodeBytes(null!, 0, new byte[6]));
        Assert.Throws<ArgumentException>(() => reader.Decode(bias, new float[29], new DecodeOptions()));
        Assert.Throws<ArgumentNullException>(() => reader.Decode(bias, new float[30], null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DecodeOptions { MaxDegreeOfParallelism = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressedModelWriterOptions { MaxDegreeOfParallelism = -2 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new CompressedModelWriterOptions { SegmentBytes = 63 });
    }

    private static void AssertPiece<T>(T[] all, T[] piece, int start, Action<T[]> decodeAll, Action<T[]> decodePiece)
    {
        decodeAll(all);
        decodePiece(piece);
        Assert.Equal(all[start..(start + piece.Length)], piece);
    }

    private sealed class Progress : IProgress<long>
    {
        internal long Last { get; private set; }

        public void Report(long value)
        {
            Assert.True(value >= Last);
            Last = value;
        }
    }

    private sealed class CountingStream(byte[] bytes) : MemoryStream(bytes)
    {
        internal long Count { get; set; }

        // The other form of a derived class comes here.
        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = base.Read(buffer, offset, count);
            Count += read;
            return read;
        }
    }
}
