using System.Buffers;
using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>The payload of one tensor and how it was coded.</summary>
/// <param name="Coding">How.</param>
/// <param name="Payload">The bytes.</param>
/// <param name="Rented">The array that holds them where it belongs to the shared pool: who is done with the payload returns it.</param>
internal readonly record struct EncodedTensor(Coding Coding, ReadOnlyMemory<byte> Payload, byte[]? Rented = null)
{
    /// <summary>Takes over what was written.</summary>
    internal static EncodedTensor Take(Coding coding, BackwardBuffer buffer)
    {
        ReadOnlyMemory<byte> payload = buffer.Written;
        return new(coding, payload, buffer.Detach());
    }

    /// <summary>Gives the memory back where it is rented; the payload is gone then.</summary>
    internal void Release()
    {
        if (Rented is not null)
            ArrayPool<byte>.Shared.Return(Rented);
    }
}
