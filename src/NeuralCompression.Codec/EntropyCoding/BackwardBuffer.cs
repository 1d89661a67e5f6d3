using System.Buffers;

namespace NeuralCompression.Codec.EntropyCoding;

/// <summary>Bytes that are written from the end of a rented array towards its start, as a rANS encoder makes them; what comes before them in the file is put in front.</summary>
internal sealed class BackwardBuffer : IDisposable
{
    private byte[] array;
    private int first;

    /// <summary>Rents room for at least this many bytes.</summary>
    internal BackwardBuffer(int capacity)
    {
        array = ArrayPool<byte>.Shared.Rent(capacity);
        first = array.Length;
    }

    /// <summary>What is free: the next byte goes to its end.</summary>
    internal Span<byte> Room => array.AsSpan(0, first);

    /// <summary>What was written.</summary>
    internal ReadOnlyMemory<byte> Written => array.AsMemory(first);

    /// <summary>Tells how much of <see cref="Room"/> is still free after its upper end was written to.</summary>
    internal void Shrink(int room) => first = room;

    /// <summary>Puts bytes in front.</summary>
    internal void Prepend(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        first -= bytes.Length;
        bytes.CopyTo(array.AsSpan(first));
    }

    /// <summary>Makes sure that this many bytes are free.</summary>
    internal void Reserve(int bytes)
    {
        if (bytes <= first)
            return;

        // At least twice as long, since the pool's lengths are powers of two: what was written is moved a few times at most.
        byte[] larger = ArrayPool<byte>.Shared.Rent(checked(array.Length - first + bytes));
        Written.Span.CopyTo(larger.AsSpan(larger.Length - Written.Length));
        first += larger.Length - array.Length;
        ArrayPool<byte>.Shared.Return(array);
        array = larger;
    }

    /// <summary>Gives the array away: it is the caller's to return to the shared pool.</summary>
    internal byte[] Detach()
    {
        byte[] rented = array;
        array = [];
        first = 0;
        return rented;
    }

    public void Dispose()
    {
        if (array.Length > 0)
            ArrayPool<byte>.Shared.Return(Detach());
    }
}
