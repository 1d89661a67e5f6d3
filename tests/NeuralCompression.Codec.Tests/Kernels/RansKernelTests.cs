using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.EntropyCoding.Kernels;
using Xunit.Abstractions;

namespace NeuralCompression.Codec.Tests.Kernels;

/// <summary>Every kernel against the scalar code, which is the definition: the same bytes and the same symbols.</summary>
public class RansKernelTests(ITestOutputHelper output)
{
    private const int MaxLanes = 64;

    /// <summary>The switches of the runtime that the test legs set, and the widest kernel each must leave: see docs of the test command.</summary>
    private static readonly Dictionary<string, string[]> Expected = new()
    {
        ["scalar"] = ["scalar"],
        ["vector128"] = ["scalar", "vector128"],
        ["avx2"] = ["scalar", "vector128", "avx2"],
        ["avx512"] = ["scalar", "vector128", "avx2", "avx512"],
    };

    [Fact]
    public void Supported_InALegThatNamesItsInstructionSet_AreExactlyTheKernelsOfThatSet()
    {
        string[] supported = [.. RansKernels.All.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name)];
        string? expected = Environment.GetEnvironmentVariable("NC_EXPECT_ISA");
        output.WriteLine($"Kernels here: {string.Join(", ", supported)}; NC_EXPECT_ISA: {expected ?? "not set"}");
        if (string.IsNullOrEmpty(expected))
            Assert.Equal("scalar", supported[0]);
        else
            Assert.Equal(Expected[expected], supported);
    }

    // Not only that the kernel is there: that it is the one that runs.
    [Fact]
    public void CodecInfo_Kernel_IsTheWidestHere() => Assert.Equal(RansKernels.All.Last(kernel => kernel.IsSupported).Name, CodecInfo.Kernel);

    public static TheoryData<string, int, int> Cases()
    {
        var cases = new TheoryData<string, int, int>();
        foreach (string shape in new[] { "flat", "random", "one-rare", "one-common", "geometric", "sparse" })
        {
            foreach (int precision in new[] { 8, 11, 12, 13, 14 })
            {
                foreach (int lanes in new[] { 32, 64 })
                    cases.Add(shape, precision, lanes);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void EncodeAndDecode_EveryPairOfKernels_GivesTheBytesAndSymbolsOfTheScalarCode(string shape, int precision, int lanes)
    {
        if (!GuardedMemory.IsGuarded)
            output.WriteLine("skipped here: guard pages (no mmap on this system); the kernels run on plain memory");
        var random = new XorShift((ulong)((precision * 100) + lanes + shape.Length));
        FrequencyTable table = Table(shape, precision, random);
        var slots = Slots(table, (byte)random.Next(256));
        foreach (int length in Lengths(lanes))
        {
            using GuardedMemory text = GuardedMemory.Copy(Draw(table, length, random));
            byte[] expected = Encode(null, text.Span, table, lanes, out uint[] states);
            byte[] symbols = [.. text.Span.ToArray().Select(symbol => slots.Symbols[table.Cumulative[symbol]])];
            foreach (RansKernel kernel in RansKernels.All.Where(kernel => kernel.IsSupported))
            {
                byte[] bytes = Encode(kernel.Encode, text.Span, table, lanes, out uint[] sameStates);
                Assert.Equal(states, sameStates);
                Assert.Equal(expected, bytes);
                foreach (bool atStart in new[] { false, true })
                {
                    using GuardedMemory words = GuardedMemory.Copy(expected, atStart);
                    using var decoded = new GuardedMemory(length, atStart);
                    uint[] lanesNow = [.. states];
                    Assert.Equal(expected.Length, RansKernels.Decode(kernel.Decode, words.Span, slots, lanesNow, decoded.Span));
                    Assert.Equal(symbols, decoded.Span.ToArray());
                    Assert.All(lanesNow, state => Assert.Equal(RansConstants.LowerBound, state));
                }
            }
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void Decode_WordsEndEarly_GivesMinusOneInEveryKernel(int lanes)
    {
        var random = new XorShift(7);
        FrequencyTable table = Table("geometric", 12, random);
        var slots = Slots(table, 0);
        byte[] text = Draw(table, lanes * 20, random);
        byte[] whole = Encode(null, text, table, lanes, out uint[] states);
        for (int length = 0; length < whole.Length; length += length < 300 || length > whole.Length - 300 ? 1 : 37)
        {
            using GuardedMemory words = GuardedMemory.Copy(whole.AsSpan(0, length));
            foreach (RansKernel kernel in RansKernels.All.Where(kernel => kernel.IsSupported))
                Assert.Equal(-1, RansKernels.Decode(kernel.Decode, words.Span, slots, [.. states], new byte[text.Length]));
        }
    }

    [Theory]
    [InlineData(12)]
    [InlineData(14)]
    public void Decode_RandomStatesAndWords_IsTheSameInEveryKernel(int precision)
    {
        var random = new XorShift((ulong)precision);
        FrequencyTable table = Table("random", precision, random);
        var slots = Slots(table, 3);
        for (int round = 0; round < 200; round++)
        {
            var words = new byte[random.Next(600)];
            foreach (ref byte value in words.AsSpan())
                value = (byte)random.Next();
            uint[] start = [.. Enumerable.Range(0, MaxLanes).Select(_ => RansConstants.LowerBound + (uint)random.Next((int)((1u << 31) - RansConstants.LowerBound)))];
            uint[] expectedStates = [.. start];
            var expected = new byte[random.Next(1000)];
            int read = ScalarRans.Decode(words, slots, expectedStates, expected);
            foreach (RansKernel kernel in RansKernels.All.Where(kernel => kernel.IsSupported))
            {
                uint[] states = [.. start];
                var decoded = new byte[expected.Length];
                Assert.Equal(read, RansKernels.Decode(kernel.Decode, words, slots, states, decoded));
                if (read < 0)
                    continue;
                Assert.Equal(expected, decoded);
                Assert.Equal(expectedStates, states);
            }
        }
    }

    [Fact]
    public void Reciprocal_EveryFrequency_DividesExactly()
    {
        var random = new XorShift(11);
        for (uint frequency = 1; frequency <= 1u << RansConstants.MaxPrecisionBits; frequency++)
        {
            (uint reciprocal, int shift) = EncodeTable.Reciprocal(frequency);
            Assert.True(shift < 16 && reciprocal >= 1u << 31);
            ulong most = Math.Min(1UL << 31, (ulong)frequency << 23) - 1;
            Check(most, frequency, reciprocal, shift);
            Check(most - (most % frequency), frequency, reciprocal, shift);
            Check(most - (most % frequency) - 1, frequency, reciprocal, shift);
            for (int i = 0; i < 16; i++)
            {
                ulong state = random.Next() % (most + 1);
                Check(state, frequency, reciprocal, shift);
                Check(state - (state % frequency), frequency, reciprocal, shift);
                Check(state - (state % frequency) + frequency - 1, frequency, reciprocal, shift);
            }
        }

        static void Check(ulong state, uint frequency, uint reciprocal, int shift) => Assert.Equal(state / frequency, (state * reciprocal) >> (31 + shift));
    }

    private static SlotTable Slots(FrequencyTable table, byte first)
    {
        var outputs = new byte[table.AlphabetSize];
        SlotTable.FillOutputs(outputs, first);
        return new SlotTable(table, outputs);
    }

    private static IEnumerable<int> Lengths(int lanes)
    {
        for (int steps = 0; steps <= 3; steps++)
        {
            for (int offset = -1; offset <= 1; offset++)
            {
                if ((steps * lanes) + offset >= 0)
                    yield return (steps * lanes) + offset;
            }
        }

        yield return (lanes * 40) + 17;
        yield return 20_000;
    }

    private static byte[] Encode(EncodeSteps? kernel, ReadOnlySpan<byte> text, FrequencyTable table, int lanes, out uint[] states)
    {
        using var words = new GuardedMemory((text.Length * 2) + lanes, atStart: true);
        states = new uint[lanes];
        int first = RansKernels.Encode(kernel, text, table, states, words.Span);
        return words.Span[first..].ToArray();
    }

    private static byte[] Draw(FrequencyTable table, int length, XorShift random)
    {
        var text = new byte[length];
        foreach (ref byte symbol in text.AsSpan())
        {
            int slot = random.Next(1 << table.PrecisionBits);
            // Every eighth symbol is any of those present, so that rare ones occur.
            if (random.Next(8) == 0)
                slot = table.Cumulative[random.Next(table.AlphabetSize)] % (1 << table.PrecisionBits);
            int found = table.AlphabetSize - 1;
            while (table.Cumulative[found] > slot || table.Frequencies[found] == 0)
                found--;
            symbol = (byte)found;
        }

        return text;
    }

    private static FrequencyTable Table(string shape, int precision, XorShift random)
    {
        int size = 1 << precision;
        int[] frequencies = shape switch
        {
            "flat" => [.. Enumerable.Repeat(size / 256, 256)],
            "one-rare" => [1, size - 1],
            "one-common" => [.. Enumerable.Repeat(1, 100), size - 200, .. Enumerable.Repeat(1, 100)],
            "sparse" => [size / 2, 0, 0, 1, 0, (size / 4) - 1, size / 4],
            "geometric" => [size / 2, size / 4, size / 8, size / 16, size / 32, size / 32],
            _ => new int[random.Next(200) + 20],
        };
        if (shape == "random")
        {
            int left = size;
            for (int i = 0; i < frequencies.Length; i++)
            {
                frequencies[i] = 1;
                left--;
            }

            while (left > 0)
            {
                int more = Math.Min(left, random.Next(1 + (size / 16)) + 1);
                frequencies[random.Next(frequencies.Length)] += more;
                left -= more;
            }
        }

        return new FrequencyTable([.. frequencies.Select(frequency => (ushort)frequency)], precision);
    }
}
