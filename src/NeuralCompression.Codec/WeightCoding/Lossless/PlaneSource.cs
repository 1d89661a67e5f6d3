using System.Buffers;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;

namespace NeuralCompression.Codec.WeightCoding.Lossless;

/// <summary>One plane of a payload, read from its start on: raw bytes stay where they are, entropy-coded ones are decoded at once. Source: docs/format.md, section 5.5.1.</summary>
/// <remarks>Where reading fails, rented memory is left to the garbage collector.</remarks>
internal sealed class PlaneSource
{
    private readonly int mode;
    private readonly byte constant;
    private readonly byte[] decoded = [];
    private readonly PlaneSource? zeros;
    private readonly PlaneSource? others;
    private int next;

    /// <summary>Parses a plane.</summary>
    /// <param name="mode">Its mode.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="position">Where the plane goes on after its mode; becomes its end.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="zeroCount">Elements whose highest byte is 0; -1 where the plane must not be split by them.</param>
    internal PlaneSource(int mode, ReadOnlySpan<byte> payload, ref int position, int length, int zeroCount = -1)
    {
        this.mode = mode;
        ReadOnlySpan<byte> content = payload[position..];
        if (mode == PlaneCoder.RawMode)
        {
            PlaneCoder.CheckLength(content, length);
            next = position;
            position += length;
        }
        else if (mode == PlaneCoder.ConstantMode)
        {
            PlaneCoder.CheckLength(content, 1);
            constant = payload[position++];
        }
        else if (mode == ElementEncoder.SplitMode && zeroCount >= 0)
        {
            zeros = new PlaneSource(ReadMode(payload, ref position), payload, ref position, zeroCount);
            others = new PlaneSource(ReadMode(payload, ref position), payload, ref position, length - zeroCount);
        }
        else
        {
            decoded = ArrayPool<byte>.Shared.Rent(length);
            position += PlaneCoder.ReadContent(mode, content, decoded.AsSpan(0, length));
        }
    }

    /// <summary>Reads the mode byte of a plane.</summary>
    internal static int ReadMode(ReadOnlySpan<byte> payload, ref int position)
    {
        if (position == payload.Length)
            Invalid.Throw(ContainerError.Plane, "A byte plane is missing.");
        return payload[position++];
    }

    /// <summary>Counts the zeros of a whole plane of which nothing has been read.</summary>
    internal int CountZeros(ReadOnlySpan<byte> payload, int length) => mode switch
    {
        PlaneCoder.ConstantMode => constant == 0 ? length : 0,
        PlaneCoder.RawMode => payload.Slice(next, length).Count((byte)0),
        _ => decoded.AsSpan(0, length).Count((byte)0),
    };

    /// <summary>Reads the next bytes.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="top">The bytes of the highest plane at the same elements.</param>
    /// <param name="block">Receives the bytes.</param>
    /// <param name="room">Room for two blocks.</param>
    internal void Read(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> top, Span<byte> block, Span<byte> room)
    {
        if (zeros is null || others is null)
        {
            ReadOwn(payload, block);
            return;
        }

        int zeroCount = top.Count((byte)0);
        Span<byte> ofZeros = room[..zeroCount];
        Span<byte> ofOthers = room.Slice(zeroCount, block.Length - zeroCount);
        zeros.ReadOwn(payload, ofZeros);
        others.ReadOwn(payload, ofOthers);
        PlaneKernels.Interleave(top, ofZeros, ofOthers, block);
    }

    internal void Free()
    {
        if (decoded.Length > 0)
            ArrayPool<byte>.Shared.Return(decoded);
        zeros?.Free();
        others?.Free();
    }

    private void ReadOwn(ReadOnlySpan<byte> payload, Span<byte> block)
    {
        if (mode == PlaneCoder.ConstantMode)
        {
            block.Fill(constant);
            return;
        }

        (mode == PlaneCoder.RawMode ? payload : decoded).Slice(next, block.Length).CopyTo(block);
        next += block.Length;
    }
}
