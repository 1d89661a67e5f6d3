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
                Assert.Equal(Bytes(Samples.Open(file), tensor.Name), Bytes(reader, tensor.Name));
            Assert.Equal(file.Length, stream.Consumed);
        }
    }

    [Fact]
    public void ForwardOnly_BufferLimit_IsKept()
    {
        byte[] file = Samples.Write("lenet-like");
        using var reader = CompressedModelReader.Open(new ForwardOnlyStream(file), new DecodeLimits { MaxBufferedBytes = 300 });
        reader.DecodeBytes(reader.Tensors[0], new byte[4800]);
        var exception = Assert.Throws<InvalidDataException>(() => reader.DecodeBytes(reader.Tensors[3], new byte[40]));
        Assert.Equal(nameof(DecodeLimits.MaxBufferedBytes), exception.Data["NeuralCompression.Limit"]);
        reader.DecodeBytes(reader.Tensors[0], new byte[4800]);
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
                        Assert.Equal(Bytes(Samples.Open(file), tensor.Name), Bytes(reader, tensor.Name));
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
    public void Write_LargerThanMemorySpool_ReadsBack()
    {
        byte[] noise = new byte[12 << 20];
        var random = new XorShift(1);
        for (int i = 0; i < noise.Length; i++)
            noise[i] = (byte)random.Next();
        byte[] file = Samples.Write(writer =>
        {
            writer.Add("a", ElementType.UInt8, [noise.Length / 2], noise.AsSpan(0, noise.Length / 2));
            writer.Add("b", ElementType.UInt8, [noise.Length / 2], noise.AsSpan(noise.Length / 2));
        });
        using var reader = Samples.Open(file);
        Assert.Equal(noise[..(noise.Length / 2)], Bytes(reader, "a"));
        Assert.Equal(noise[(noise.Length / 2)..], Bytes(reader, "b"));
    }

    private static void Send(Stream stream)
    {
        using var writer = CompressedModelWriter.Create(stream, CompressionLevel.SmallestSize, leaveOpen: true);
        using var reader = Samples.Open(Samples.Write("lenet-like"));
        foreach (CompressedTensorInfo tensor in reader.Tensors)
        {
            if (tensor.AliasOf is not null)
            {
                writer.AddAlias(tensor.Name, tensor.AliasOf);
            }
            else if (tensor.IsQuantized)
            {
                var symbols = new sbyte[tensor.Length];
                reader.DecodeSymbols(tensor, symbols);
                writer.Add(tensor.Name, QuantizedTensor.FromSymbols(symbols, tensor.Shape, tensor.Grid!));
            }
            else
            {
                writer.Add(tensor.Name, tensor.ElementType, tensor.Shape, Bytes(reader, tensor.Name));
            }
        }

        writer.Complete();
    }

    private static void AssertSame(byte[] expected, CompressedModelReader actual)
    {
        using var reader = Samples.Open(expected);
        Assert.Equal(reader.Tensors.Select(tensor => tensor.ToString()), actual.Tensors.Select(tensor => tensor.ToString()));
        Assert.All(reader.Tensors, tensor => Assert.Equal(Bytes(reader, tensor.Name), Bytes(actual, tensor.Name)));
    }

    private static byte[] Bytes(CompressedModelReader reader, string name)
    {
        byte[] bytes = new byte[reader[name].DecodedBytes];
        reader.DecodeBytes(reader[name], bytes);
        return bytes;
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
}
