using NeuralCompression.Codec.Container;
using System.Buffers.Binary;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Opens a file and decodes all of it in every way, letting through only what contract 5 names.</summary>
internal static class Victim
{
    /// <summary>What a small mutated file may decode to at most; keeps a run fast.</summary>
    internal static readonly DecodeLimits Limits = new() { MaxDecodedBytesPerTensor = 1 << 20, MaxDecodedBytes = 4 << 20 };

    /// <summary>Reads everything. True when the file was accepted, false when it was refused as the contract says; anything else escapes.</summary>
    internal static bool Survives(byte[] file, out Exception? refusal, bool forward = false)
    {
        refusal = null;
        try
        {
            using Stream stream = forward ? new ForwardOnlyStream(file) : new MemoryStream(file, writable: false);
            using var reader = CompressedModelReader.Open(stream, Limits);
            foreach (CompressedTensorInfo tensor in reader.Tensors)
                DecodeAll(reader, tensor);
            return true;
        }
        catch (InvalidDataException exception)
        {
            if (exception.Data[Invalid.ErrorKey] is not ContainerError error || !Enum.IsDefined(error))
                throw new InvalidOperationException("An InvalidDataException without an error code.", exception);
            if (exception.Data[Invalid.OffsetKey] is not long)
                throw new InvalidOperationException("An InvalidDataException without an offset.", exception);
            refusal = exception;
            return false;
        }
        catch (NotSupportedException exception)
        {
            refusal = exception;
            return false;
        }
    }

    /// <summary>Writes right checksums over a file whose content was changed, as far as its structure can still be followed.</summary>
    internal static bool Repair(byte[] file)
    {
        int position = ContainerLayout.HeaderBytes;
        ulong length = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (position >= file.Length || shift > 28)
                return false;
            byte part = file[position++];
            length |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                break;
        }

        if (length > (ulong)file.Length || position + (int)length + 4 > file.Length)
            return false;
        int end = position + (int)length;
        Seal();

        Span<byte> wrong = stackalloc byte[4];

        // Each attempt finds at most one wrong payload checksum; its bytes are in the index exactly once as a rule.
        for (int attempt = 0; attempt < 16; attempt++)
        {
            try
            {
                using var reader = CompressedModelReader.Open(new MemoryStream(file), Limits);
                bool changed = false;
                foreach (CompressedTensorInfo tensor in reader.Tensors)
                {
                    if (tensor.AliasOf is not null || tensor.StoredBytes == 0)
                        continue;
                    foreach (SegmentEntry segment in tensor.Entry.Segments)
                    {
                        uint right = Crc32C.Of(file.AsSpan((int)segment.PayloadOffset, (int)segment.PayloadLength));
                        if (segment.PayloadLength == 0 || right == segment.PayloadChecksum)
                            continue;
                        BinaryPrimitives.WriteUInt32LittleEndian(wrong, segment.PayloadChecksum);
                        int at = file.AsSpan(position, (int)length).IndexOf(wrong);
                        if (at < 0)
                            return false;
                        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(position + at), right);
                        changed = true;
                    }
                }

                if (!changed)
                    return true;
                Seal();
            }
            catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
            {
                return false;
            }
        }

        return false;

        void Seal() => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(end), Crc32C.Of(file.AsSpan(0, end)));
    }

    private static void DecodeAll(CompressedModelReader reader, CompressedTensorInfo tensor)
    {
        int length = checked((int)tensor.Length);
        reader.DecodeBytes(tensor, new byte[tensor.DecodedBytes]);
        reader.Decode(tensor, new float[length]);
        reader.Decode(tensor, new double[length]);
        reader.Decode(tensor, length / 3, new float[length / 2]);
        if (!tensor.IsQuantized)
            return;
        reader.DecodeSymbols(tensor, new short[length]);
        if (tensor.MinSymbol >= sbyte.MinValue && tensor.MaxSymbol <= sbyte.MaxValue)
            reader.DecodeSymbols(tensor, new sbyte[length]);
    }
}
