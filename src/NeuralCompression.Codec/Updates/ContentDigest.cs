using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using NeuralCompression.Codec.Container;

namespace NeuralCompression.Codec.Updates;

/// <summary>SHA-256 of what a model holds, whatever level and segments it was written with. Source: docs/format.md, section 18.1.</summary>
internal sealed class ContentDigest : IDisposable
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    internal ContentDigest(int tensors)
    {
        using var count = new MemoryStream();
        VarInt.Write(count, (ulong)tensors);
        hash.AppendData(count.ToArray());
    }

    /// <summary>The digest of a model, decoded piece by piece.</summary>
    internal static byte[] Of(ModelContent model, UpdateWork work)
    {
        using var digest = new ContentDigest(model.Tensors.Count);
        foreach (CompressedTensorInfo tensor in model.Tensors)
        {
            if (tensor.AliasOf is not null)
            {
                digest.Alias(tensor.Name, model.PositionOf(tensor.AliasOf));
                continue;
            }

            digest.Begin(tensor.Name, tensor.ElementType, tensor.Shape, tensor.Grid);
            foreach ((long start, int count) in UpdateWork.Pieces(tensor))
            {
                if (tensor.IsQuantized)
                    digest.Append(work.Symbols(0, tensor, start, count));
                else
                    digest.Append(work.Bytes(0, tensor, start, count));
                work.Done(count);
            }
        }

        return digest.Complete(model.Metadata);
    }

    /// <summary>Begins a tensor that is not an alias; its elements follow.</summary>
    internal void Begin(string name, ElementType type, ReadOnlySpan<long> shape, QuantizationGrid? grid) => hash.AppendData(IndexWriter.Content(name, type, shape, grid));

    internal void Alias(string name, int target) => hash.AppendData(IndexWriter.ContentOfAlias(name, target));

    internal void Append(ReadOnlySpan<byte> elements) => hash.AppendData(elements);

    internal void Append(ReadOnlySpan<short> symbols)
    {
        if (BitConverter.IsLittleEndian)
        {
            hash.AppendData(MemoryMarshal.AsBytes(symbols));
            return;
        }

        Span<short> swapped = stackalloc short[512];
        for (; !symbols.IsEmpty; symbols = symbols[Math.Min(symbols.Length, swapped.Length)..])
        {
            int count = Math.Min(symbols.Length, swapped.Length);
            BinaryPrimitives.ReverseEndianness(symbols[..count], swapped);
            hash.AppendData(MemoryMarshal.AsBytes(swapped[..count]));
        }
    }

    internal byte[] Complete(IReadOnlyDictionary<string, string> metadata)
    {
        hash.AppendData(IndexWriter.ContentOfMetadata(metadata));
        return hash.GetHashAndReset();
    }

    public void Dispose() => hash.Dispose();
}
