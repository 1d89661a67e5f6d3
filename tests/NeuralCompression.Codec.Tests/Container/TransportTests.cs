using System.IO.Compression;
using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using NeuralCompression.Codec.Tests.Robustness;

namespace NeuralCompression.Codec.Tests.Container;

/// <summary>Claim 2: the file can be sent as it is written.</summary>
public sealed class TransportTests
{
    [Fact]
    public async Task AnonymousPipe_WriteAndRead_GivesTheSameTensors()
    {
        byte[] expected = Samples.Write("lenet-like");
        using var server = new AnonymousPipeServerStream(PipeDirection.Out);
        using var client = new AnonymousPipeClientStream(PipeDirection.In, server.ClientSafePipeHandle);
        Task sending = Task.Run(() => Send(server));
        using (var reader = CompressedModelReader.Open(client, leaveOpen: true))
            AssertSame(expected, reader);
        await sending;
    }

    [Fact]
    public async Task Socket_TwoFilesInARow_AreReadWithoutClosing()
    {
        byte[] expected = Samples.Write("lenet-like");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var sender = new TcpClient();
        await sender.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient receiver = await listener.AcceptTcpClientAsync();
        Task sending = Task.Run(() =>
        {
            Send(sender.GetStream());
            Send(sender.GetStream());
        });
        for (int i = 0; i < 2; i++)
        {
            using var reader = CompressedModelReader.Open(receiver.GetStream(), leaveOpen: true);
            AssertSame(expected, reader);
        }

        await sending;
    }

    [Fact]
    public void ForwardOnly_AnyOrderAndTwice_ReadsToTheLastByteAndNoFurther()
    {
        foreach (string name in Samples.Names)
        {
            byte[] file = Samples.Write(name);
            var stream = new ForwardOnlyStream([.. file, 1, 2, 3]);
            using var reader = CompressedModelReader.Open(stream);
            foreach (CompressedTensorInfo tensor in reader.Tensors.Reverse().Concat(reader.Tensors))
                Assert.Equal(Samples.Bytes(Samples.Open(file), tensor.Name), Samples.Bytes(reader, tensor.Name));
            Assert.Equal(file.Length, stream.Consumed);
        }
    }

    [Fact]
    public void ForwardOnly_InOrderWithoutRoom_HoldsOnePayloadAtATime()
    {
        foreach (string name in Samples.Names)
        {
            byte[] file = Samples.Write(name);
            using var expected = Samples.Open(file);
            using var reader = CompressedModelReader.Open(new ForwardOnlyStream(file), new DecodeLimits { MaxBufferedBytes = 0 });
            foreach (CompressedTensorInfo tensor in reader.Tensors.Where(tensor => tensor.AliasOf is null))
                Assert.Equal(Samples.Bytes(expected, tensor.Name), Samples.Bytes(reader, tensor.Name));
        }
    }

    [Fact]
    public void ForwardOnly_InOrderWithoutRoom_TakesMemoryForOneTensorOnly()
    {
        const int Length = 1 << 20;
        const int Count = 12;
        byte[] noise = Noise(Length);
        byte[] file = Samples.Write(writer =>
        {
            for (int i = 0; i < Count; i++)
                writer.Add(FormattableString.Invariant($"t{i:D2}"), ElementType.UInt8, [Length], noise);
        });
        using var reader = CompressedModelReader.Open(new ForwardOnlyStream(file, 1 << 16), new DecodeLimits { MaxBufferedBytes = 0 });
        byte[] bytes = new byte[Length];
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            reader.DecodeBytes(tensor, bytes);
            Assert.Equal(noise, bytes);
        }

        // Everything that was read is garbage: what the reader holds is counted, not what the process does.
        Assert.Equal(0, reader.BufferedBytes);
        using var keeping = CompressedModelReader.Open(new ForwardOnlyStream(file, 1 << 16), new DecodeLimits { MaxBufferedBytes = 3 * Length });
        foreach (CompressedTensorInfo tensor in keeping.Tensors)
        {
            keeping.DecodeBytes(tensor, bytes);
            Assert.InRange(keeping.BufferedBytes, 1, 3 * Length);
        }
    }

    [Fact]
    public void ForwardOnly_BufferLimit_DropsWhatWasDecodedAndKeepsWhatWasNot()
    {
        byte[] file = Samples.Write("lenet-like");
        long[] lengths;
        using (var whole = Samples.Open(file))
            lengths = [.. whole.Tensors.Take(4).Select(tensor => tensor.StoredBytes)];

        // Room for the second and the third tensor, which are passed; the first, decoded already, makes way for them.
        using var reader = CompressedModelReader.Open(new ForwardOnlyStream(file), new DecodeLimits { MaxBufferedBytes = lengths[1] + lengths[2] });
        Assert.True(lengths[0] <= lengths[1] + lengths[2]);
        Samples.Bytes(reader, reader.Tensors[0].Name);
        Samples.Bytes(reader, reader.Tensors[0].Name);
        Samples.Bytes(reader, reader.Tensors[3].Name);
        AssertOverLimit(() => Samples.Bytes(reader, reader.Tensors[0].Name));
        Samples.Bytes(reader, reader.Tensors[1].Name);
        Samples.Bytes(reader, reader.Tensors[2].Name);
        AssertOverLimit(() => Samples.Bytes(reader, reader.Tensors[3].Name));

        using var tight = CompressedModelReader.Open(new ForwardOnlyStream(file), new DecodeLimits { MaxBufferedBytes = lengths[1] + lengths[2] - 1 });
        AssertOverLimit(() => Samples.Bytes(tight, tight.Tensors[3].Name));

        // The place in the stream is not lost: in order everything is still there.
        foreach (CompressedTensorInfo tensor in tight.Tensors.Take(4))
            Samples.Bytes(tight, tensor.Name);

        static void AssertOverLimit(Action action)
        {
            var exception = Assert.Throws<InvalidDataException>(action);
            Assert.Equal(nameof(DecodeLimits.MaxBufferedBytes), exception.Data["NeuralCompression.Limit"]);
            Assert.Contains("in the order of the file", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ForwardOnly_HugeDeclaredPayload_AllocatesOnlyWhatArrives()
    {
        byte[] file = Vectors.Forge.File(1, [.. Vectors.Forge.Name("w"), 0x00, 0x01, .. Vectors.Forge.VarInt(4 << 20), 0, 0, 0, 0], new byte[100]);
        using var reader = CompressedModelReader.Open(new ForwardOnlyStream(file));
        float[] room = GC.AllocateUninitializedArray<float>(4 << 20);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var exception = Assert.Throws<InvalidDataException>(() => reader.Decode(reader.Tensors[0], room));
        Assert.Equal(ContainerError.Truncated, exception.Data["NeuralCompression.Error"]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Stream_FailingSource_PassesItsExceptionThrough()
    {
        byte[] file = Samples.Write("lenet-like");
        using var whole = Samples.Open(file);
        using var reader = CompressedModelReader.Open(new FailingStream(file, (int)whole.Tensors[0].Entry.PayloadOffset + 5));
        Assert.Equal("wire cut", Assert.Throws<IOException>(() => reader.DecodeBytes(reader.Tensors[0], new byte[4800])).Message);
        Assert.Throws<IOException>(() => reader.DecodeBytes(reader.Tensors[0], new byte[4800]));
    }

    [Fact]
    public async Task ConcurrentDecodes_OneReader_GiveTheSameTensors()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".ncm");
        byte[] file = Samples.Write("every-type");
        File.WriteAllBytes(path, file);
        try
        {
            CompressedModelReader[] readers = [CompressedModelReader.Open(path), Samples.Open(file), CompressedModelReader.Open(new ForwardOnlyStream(file))];
            foreach (CompressedModelReader reader in readers)
            {
                await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
                {
                    foreach (CompressedTensorInfo tensor in reader.Tensors.Skip(thread % 4).Concat(reader.Tensors))
                        Assert.Equal(Samples.Bytes(Samples.Open(file), tensor.Name), Samples.Bytes(reader, tensor.Name));
                })));
                reader.Dispose();
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Dispose_WhileAnotherThreadWaitsForTheStream_IsToldAsThat()
    {
        byte[] file = Samples.Write("lenet-like");
        using var stream = new BlockingStream(file);
        CompressedModelReader reader = CompressedModelReader.Open(stream);
        stream.Blocks = true;
        Task<Exception>[] decodes = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(() => Record.Exception(() => reader.DecodeBytes(reader.Tensors[0], new byte[4800]))))];
        stream.Reading.Wait();
        reader.Dispose();
        Assert.All(await Task.WhenAll(decodes), exception => Assert.IsType<ObjectDisposedException>(exception));
    }

    [Fact]
    public void Dispose_WhileADelegateIsAsked_LetsThatDecodingEnd()
    {
        byte[] file = Samples.Write(writer => writer.Add("w", ElementType.UInt8, [1 << 18], Noise(1 << 18)));
        CompressedModelReader? reader = null;
        reader = CompressedModelReader.Open((offset, length) =>
        {
            reader?.Dispose();
            return file.AsMemory((int)offset, Math.Min(length, file.Length - (int)offset));
        });
        Assert.Equal(Noise(1 << 18), Samples.Bytes(reader, "w"));
        Assert.Throws<ObjectDisposedException>(() => Samples.Bytes(reader, "w"));
    }

    [Fact]
    public void Write_LargerThanMemorySpool_ReadsBack()
    {
        byte[] noise = Noise(12 << 20);
        byte[] file = Samples.Write(writer =>
        {
            writer.Add("a", ElementType.UInt8, [noise.Length / 2], noise.AsSpan(0, noise.Length / 2));
            writer.Add("b", ElementType.UInt8, [noise.Length / 2], noise.AsSpan(noise.Length / 2));
        });
        using var reader = Samples.Open(file);
        Assert.Equal(noise[..(noise.Length / 2)], Samples.Bytes(reader, "a"));
        Assert.Equal(noise[(noise.Length / 2)..], Samples.Bytes(reader, "b"));
    }

    private static void Send(Stream stream)
    {
        using var writer = CompressedModelWriter.Create(stream, CompressionLevel.SmallestSize, leaveOpen: true);
        Samples.Copy(Samples.Write("lenet-like"), writer);
        writer.Complete();
    }

    private static byte[] Noise(int length)
    {
        byte[] noise = new byte[length];
        var random = new XorShift(1);
        foreach (ref byte value in noise.AsSpan())
            value = (byte)random.Next();
        return noise;
    }

    private static void AssertSame(byte[] expected, CompressedModelReader actual)
    {
        using var reader = Samples.Open(expected);
        Assert.Equal(reader.Tensors.Select(tensor => tensor.ToString()), actual.Tensors.Select(tensor => tensor.ToString()));
        Assert.All(reader.Tensors, tensor => Assert.Equal(Samples.Bytes(reader, tensor.Name), Samples.Bytes(actual, tensor.Name)));
    }

    private sealed class FailingStream(byte[] bytes, int after) : Stream
    {
        private readonly ForwardOnlyStream inner = new(bytes, 1);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Consumed == after ? throw new IOException("wire cut") : inner.Read(buffer, offset, count);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    // Once it blocks, reading waits until the stream is closed.
    private sealed class BlockingStream(byte[] bytes) : Stream
    {
        private readonly MemoryStream content = new(bytes);
        private readonly ManualResetEventSlim closed = new();

        internal ManualResetEventSlim Reading { get; } = new();

        internal bool Blocks { get; set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            if (!Blocks)
                return content.Read(buffer);
            Reading.Set();
            closed.Wait();
            throw new ObjectDisposedException(nameof(BlockingStream));
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            closed.Set();
            base.Dispose(disposing);
        }
    }
}
