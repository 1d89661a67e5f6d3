using System.Numerics;
using System.Runtime.InteropServices;

namespace NeuralCompression.Sessions;

/// <summary>What a session's passes ask of a block and TensorPrimitives has not.</summary>
internal static class BlockOperations
{
    /// <summary>Whether every value is, bit for bit, the factor times what stands at its place.</summary>
    public static bool IsProduct<T>(ReadOnlySpan<T> values, T factor, ReadOnlySpan<T> products)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        products = products[..values.Length];
        ref T value = ref MemoryMarshal.GetReference(values);
        ref T expected = ref MemoryMarshal.GetReference(products);
        var different = Vector<byte>.Zero;
        var f = new Vector<T>(factor);
        int i = 0;
        for (; i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            different |= Vector.AsVectorByte(Vector.LoadUnsafe(ref value, (nuint)i) * f) ^ Vector.AsVectorByte(Vector.LoadUnsafe(ref expected, (nuint)i));
        }

        if (different != Vector<byte>.Zero)
        {
            return false;
        }

        for (; i < values.Length; i++)
        {
            T product = values[i] * factor;
            if (!MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in product)).SequenceEqual(MemoryMarshal.AsBytes(products.Slice(i, 1))))
            {
                return false;
            }
        }

        return true;
    }
}
