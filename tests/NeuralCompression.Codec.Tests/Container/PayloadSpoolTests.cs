using System.Buffers;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Tests.Container;

public class PayloadSpoolTests
{
    [Theory]
    [InlineData(1 << 20, 0)]
    [InlineData(3000, 1)]
    [InlineData(0, 1)]
    public async Task CopyTo_InMemoryOrOnDisk_GivesEveryPayload(int memoryBytes, int files)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            var spool = new PayloadSpool(folder, memoryBytes);
            var random = new XorShift(1);
            var kept = new List<(long Offset, byte[] Payload)>();
            foreach (int length in new[] { 1000, 0, 1, 70_000, 0, 500, 3 })
            {
                byte[] rented = ArrayPool<byte>.Shared.Rent(length + 10);
                foreach (ref byte value in rented.AsSpan())
                    value = (byte)random.Next();
                kept.Add((kept.Sum(item => (long)item.Payload.Length), rented[10..(10 + length)]));
                Assert.Equal(kept[^1].Offset, spool.Write(rented.AsMemory(10, length), length % 2 == 0 ? rented : null));
            }

            Assert.Equal(kept.Sum(item => (long)item.Payload.Length), spool.Length);
            Assert.Equal(files, Directory.GetFiles(folder).Length);
            foreach (bool isAsync in new[] { false, true })
            {
                foreach ((long offset, byte[] payload) in kept.AsEnumerable().Reverse().Concat(kept))
                {
                    using var copy = new MemoryStream();
                    await spool.CopyTo(copy, offset, payload.Length, isAsync, CancellationToken.None);
                    Assert.Equal(payload, copy.ToArray());
                }
            }

            spool.Release(isIdle: true);
            Assert.Empty(Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
