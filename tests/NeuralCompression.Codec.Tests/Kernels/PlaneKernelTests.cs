using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.Lossless.Kernels;
using Xunit.Abstractions;

namespace NeuralCompression.Codec.Tests.Kernels;

/// <summary>Every kernel that splits, merges or interleaves planes against the scalar code, which is the definition, between pages that may not be touched.</summary>
public class PlaneKernelTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string[]> Expected = new()
    {
        ["scalar"] = ["scalar"],
        ["vector128"] = ["scalar", "vector128"],
        ["avx2"] = ["scalar", "vector128"],
        ["avx512"] = ["scalar", "vector128"],
    };

    public static TheoryData<int, bool> Sizes => new() { { 1, false }, { 2, false }, { 2, true }, { 4, false }, { 4, true }, { 8, false }, { 8, true } };

    [Fact]
    public void Supported_InALegThatNamesItsInstructionSet_AreExactlyTheKernelsOfThatSet()
    {
        string[] supported = [.. PlaneKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name)];
        string? expected = Environment.GetEnvironmentVariable("NC_EXPECT_ISA");
        output.WriteLine($"Kernels here: {string.Join(", ", supported)}; NC_EXPECT_ISA: {expected ?? "not set"}");
        if (expected is null)
            Assert.Equal("scalar", supported[0]);
        else
            Assert.Equal(Expected[expected], supported);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void SplitAndMerge_EveryLength_IsTheSameInEveryKernel(int size, bool rotate)
    {
        if (!GuardedMemory.IsGuarded)
            output.WriteLine("skipped here: guard pages (no mmap on this system); the kernels run on plain memory");
        var random = new XorShift((ulong)size);
        foreach (int length in Enumerable.Range(0, 301).Append(4099))
        {
            using GuardedMemory elements = GuardedMemory.Copy(Bytes(random, length * size), atStart: length % 2 == 0);
            byte[] expected = new byte[length * size];
            ScalarPlanes.Split(elements.Span, size, rotate, expected, length);
            for (int plane = 0; plane < size; plane++)
            {
                // The definition once more, from the document: byte j of the number, rotated left by one bit.
                for (int i = 0; i < length; i++)
                {
                    int below = elements.Span[(i * size) + ((plane + size - 1) % size)] >> 7;
                    int own = elements.Span[(i * size) + plane];
                    Assert.Equal((byte)(rotate ? (own << 1) | below : own), expected[(plane * length) + i]);
                }
            }

            foreach (PlaneKernel kernel in PlaneKernels.All.Where(kernel => kernel.IsSupported))
            {
                using var planes = new GuardedMemory(length * size, atStart: length % 3 == 0);
                PlaneKernels.Split(kernel, elements.Span, size, rotate, planes.Span, length);
                Assert.True(planes.Span.SequenceEqual(expected), $"{kernel.Name}, {length} elements of {size} bytes");
                using var merged = new GuardedMemory(length * size, atStart: length % 3 == 1);
                PlaneKernels.Merge(kernel, planes.Span, length, size, rotate, merged.Span);
                Assert.True(merged.Span.SequenceEqual(elements.Span), $"{kernel.Name}, {length} elements of {size} bytes, merged");
            }
        }
    }

    [Fact]
    public void Split_EveryHalfPrecisionNumber_ComesBack()
    {
        // All of them: NaN with any payload, infinities, both zeros, denormals.
        var elements = new byte[2 << 16];
        for (int i = 0; i < 1 << 16; i++)
            (elements[2 * i], elements[(2 * i) + 1]) = ((byte)i, (byte)(i >> 8));
        var planes = new byte[elements.Length];
        var merged = new byte[elements.Length];
        foreach (PlaneKernel kernel in PlaneKernels.All.Where(kernel => kernel.IsSupported))
        {
            PlaneKernels.Split(kernel, elements, 2, rotate: true, planes, 1 << 16);
            PlaneKernels.Merge(kernel, planes, 1 << 16, 2, rotate: true, merged);
            Assert.True(merged.AsSpan().SequenceEqual(elements), kernel.Name);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(250)]
    [InlineData(256)]
    public void Interleave_EveryLength_IsTheSameInEveryKernel(int zerosOf256)
    {
        var random = new XorShift((ulong)zerosOf256 + 9);
        foreach (int length in Enumerable.Range(0, 301).Append(4099))
        {
            byte[] highest = [.. Enumerable.Range(0, length).Select(_ => random.Next(256) < zerosOf256 ? (byte)0 : (byte)(1 + random.Next(255)))];
            using GuardedMemory top = GuardedMemory.Copy(highest, atStart: length % 2 == 0);
            int zeroCount = highest.Count(value => value == 0);
            using GuardedMemory zeros = GuardedMemory.Copy(Bytes(random, zeroCount), atStart: length % 3 == 0);
            using GuardedMemory others = GuardedMemory.Copy(Bytes(random, length - zeroCount), atStart: length % 3 == 1);
            var expected = new byte[length];
            ScalarPlanes.Interleave(top.Span, zeros.Span, others.Span, expected);
            foreach (PlaneKernel kernel in PlaneKernels.All.Where(kernel => kernel.IsSupported))
            {
                using var plane = new GuardedMemory(length, atStart: length % 2 == 1);
                PlaneKernels.Interleave(kernel, top.Span, zeros.Span, others.Span, plane.Span);
                Assert.True(plane.Span.SequenceEqual(expected), $"{kernel.Name}, {length} bytes");
            }
        }
    }

    [Theory]
    [InlineData(ElementType.Float16)]
    [InlineData(ElementType.BFloat16)]
    public void Read_EveryHalfPrecisionNumber_IsTheConversionOfTheRuntime(ElementType type)
    {
        var elements = new byte[2 << 16];
        for (int i = 0; i < 1 << 16; i++)
            (elements[2 * i], elements[(2 * i) + 1]) = ((byte)i, (byte)(i >> 8));
        var values = new float[1 << 16];
        ElementBytes.Read<float>(elements, type, values);
        for (int i = 0; i < 1 << 16; i++)
        {
            float expected = type == ElementType.Float16 ? (float)BitConverter.UInt16BitsToHalf((ushort)i) : BitConverter.UInt32BitsToSingle((uint)i << 16);
            Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(values[i]));
        }
    }

    private static byte[] Bytes(XorShift random, int length)
    {
        var bytes = new byte[length];
        foreach (ref byte value in bytes.AsSpan())
            value = (byte)random.Next(256);
        return bytes;
    }
}
