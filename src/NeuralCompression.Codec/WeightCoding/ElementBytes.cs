using System.Buffers.Binary;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace NeuralCompression.Codec.WeightCoding;

/// <summary>Converts between little-endian element bytes and numbers.</summary>
internal static class ElementBytes
{
    /// <summary>Widens or rounds every element to a floating-point number; a truth value becomes 0 or 1.</summary>
    internal static void Read<T>(ReadOnlySpan<byte> bytes, ElementType type, Span<T> values)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        int size = type.Size();
        bytes = bytes[..(values.Length * size)];
        if (BitConverter.IsLittleEndian)
        {
            if ((type == ElementType.Float32 && typeof(T) == typeof(float)) || (type == ElementType.Float64 && typeof(T) == typeof(double)))
            {
                bytes.CopyTo(MemoryMarshal.AsBytes(values));
                return;
            }

            if (type == ElementType.Float16 && typeof(T) == typeof(float))
            {
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), MemoryMarshal.Cast<T, float>(values));
                return;
            }

            if (type == ElementType.BFloat16 && typeof(T) == typeof(float))
            {
                BFloat16Bits.ToSingle(MemoryMarshal.Cast<byte, ushort>(bytes), MemoryMarshal.Cast<T, float>(values));
                return;
            }
        }

        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> element = bytes.Slice(i * size, size);
            values[i] = type switch
            {
                ElementType.Float32 => T.CreateTruncating(BinaryPrimitives.ReadSingleLittleEndian(element)),
                ElementType.Float16 => T.CreateTruncating(BinaryPrimitives.ReadHalfLittleEndian(element)),
                ElementType.BFloat16 => T.CreateTruncating(BFloat16Bits.ToSingle(BinaryPrimitives.ReadUInt16LittleEndian(element))),
                ElementType.Float64 => T.CreateTruncating(BinaryPrimitives.ReadDoubleLittleEndian(element)),
                ElementType.Int8 => T.CreateTruncating((sbyte)element[0]),
                ElementType.UInt8 => T.CreateTruncating(element[0]),
                ElementType.Int16 => T.CreateTruncating(BinaryPrimitives.ReadInt16LittleEndian(element)),
                ElementType.Int32 => T.CreateTruncating(BinaryPrimitives.ReadInt32LittleEndian(element)),
                ElementType.Int64 => T.CreateTruncating(BinaryPrimitives.ReadInt64LittleEndian(element)),
                ElementType.UInt16 => T.CreateTruncating(BinaryPrimitives.ReadUInt16LittleEndian(element)),
                ElementType.UInt32 => T.CreateTruncating(BinaryPrimitives.ReadUInt32LittleEndian(element)),
                ElementType.UInt64 => T.CreateTruncating(BinaryPrimitives.ReadUInt64LittleEndian(element)),
                ElementType.Float8E4M3 => T.CreateTruncating(Float8Bits.FromE4M3(element[0])),
                ElementType.Float8E5M2 => T.CreateTruncating(Float8Bits.FromE5M2(element[0])),
                ElementType.Float8E8M0 => T.CreateTruncating(Float8Bits.FromE8M0(element[0])),
                _ => element[0] != 0 ? T.One : T.Zero,
            };
        }
    }

    /// <summary>Writes numbers that are already values of the element type: float32, float16 or bfloat16.</summary>
    internal static void Write(ReadOnlySpan<float> values, ElementType type, Span<byte> bytes)
    {
        if (BitConverter.IsLittleEndian && type == ElementType.Float16)
        {
            TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<byte, Half>(bytes));
            return;
        }

        int size = type.Size();
        int start = BitConverter.IsLittleEndian && type == ElementType.BFloat16 ? BFloat16Bits.FromSingles(values, MemoryMarshal.Cast<byte, ushort>(bytes)) : 0;
        for (int i = start; i < values.Length; i++)
        {
            Span<byte> element = bytes.Slice(i * size, size);
            switch (type)
            {
                case ElementType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(element, values[i]);
                    break;
                case ElementType.Float16:
                    BinaryPrimitives.WriteHalfLittleEndian(element, (Half)values[i]);
                    break;
                default:
                    BinaryPrimitives.WriteUInt16LittleEndian(element, BFloat16Bits.FromSingle(values[i]));
                    break;
            }
        }
    }
}
