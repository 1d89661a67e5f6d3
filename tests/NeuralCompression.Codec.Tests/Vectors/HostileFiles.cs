using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding;
using NeuralCompression.Codec.WeightCoding.ContextMixing;
using NeuralCompression.Codec.WeightCoding.Repeats;

namespace NeuralCompression.Codec.Tests.Vectors;

/// <summary>A file for every way to break the format. The name starts with the error's name, or with "NotSupported".</summary>
internal static class HostileFiles
{
    // Parameters of a rANS stream: precision 8, all mantissa bits, one lane.
    private const string Params = "000 111 00";

    // Rest symbol 0 of two; class 4 + 4 = 8 and mantissa 0: both symbols have frequency 128.
    private const string EvenTable = Params + "0 1110110 0000000";

    private static readonly byte[] StartState = [0x00, 0x80, 0x00, 0x00];

    // The list of two constant segments without loss.
    private static readonly byte[] TwoConstants = [1, .. Forge.UInt32(Forge.Crc(new byte[4])), 1, .. Forge.UInt32(Forge.Crc(new byte[4]))];

    internal static IEnumerable<(string Name, byte[] File)> All()
    {
        byte[] good = Samples.Write("lenet-like");

        yield return ("NotAContainer-text", "PK\u0003\u0004 not a model"u8.ToArray());
        yield return ("NotAContainer-version-0", Forge.File(0, [], version: 0));
        yield return ("NotSupported-version-2", Forge.File(0, [], version: 2));
        yield return ("NotSupported-feature", Forge.File(0, [], flags: 0x08));
        yield return ("NotAModel", Forge.File(0, [0, .. new byte[40], 0], flags: 0x04));
        yield return ("ReservedBits-header", Forge.File(0, [], flags: 0x40));
        yield return ("ReservedBits-alias-cut", Forge.File(2, [.. Raw("w"), .. Forge.Name("x"), 0xF0, 0x00], new byte[4]));
        yield return ("ReservedBits-form-of-cut", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x11, 8, 4, .. TwoConstants], new byte[8]));
        yield return ("ReservedBits-segment", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, 0x11, .. TwoConstants[1..]], new byte[8]));
        yield return ("ReservedBits-alias", Forge.File(2, [.. Raw("w"), .. Forge.Name("x"), 0x71, 0x00], new byte[4]));
        yield return ("Truncated-header", good[..5]);
        yield return ("Truncated-index-length", good[..6]);
        yield return ("Truncated-index", good[..60]);
        yield return ("Truncated-payload", good[..^1]);
        yield return ("TrailingBytes", [.. good, 0]);
        yield return ("Integer-index-length", Forge.Seal([0x8F, 0x4E, 0x43, 0x4D, 1, 0, 0x81, 0x00, 0x00], []));
        yield return ("Integer-index-length-65-bits", [0x8F, 0x4E, 0x43, 0x4D, 1, 0, .. Enumerable.Repeat((byte)0xFF, 9), 0x02]);
        yield return ("Integer-too-long", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x01, 0x80, 0x00]));
        yield return ("Integer-65-bits", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]));
        yield return ("IndexChecksum", [.. good[..20], (byte)(good[20] ^ 1), .. good[21..]]);
        yield return ("IndexLength-ends-early", Forge.File(1, Forge.Name("w")));
        yield return ("IndexLength-goes-on", Forge.File(0, [0]));
        yield return ("IndexLength-grid-ends-early", Forge.File(1, [.. Forge.Name("w"), 0x30, 0x21, .. Forge.VarInt(1_000_000), 0x00, 0, 0, 0x80, 0x3F]));
        yield return ("LimitExceeded-index", [0x8F, 0x4E, 0x43, 0x4D, 1, 0, .. Forge.VarInt(1UL << 40)]);
        yield return ("LimitExceeded-tensors", Forge.File(0x7FFFFFFF, []));
        yield return ("LimitExceeded-name", Forge.File(1, [.. Forge.NameLengths(0, 513), .. new byte[513]]));
        yield return ("LimitExceeded-rank", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x09]));
        yield return ("LimitExceeded-elements", Forge.File(1, [.. Forge.Name("w"), 0x04, 0x11, .. Forge.VarInt(1UL << 31)]));
        yield return ("LimitExceeded-bytes-per-tensor", Forge.File(1, [.. Forge.Name("w"), 0x03, 0x11, .. Forge.VarInt(1UL << 30)]));
        yield return ("LimitExceeded-bytes", Bomb());
        yield return ("Name-empty", Forge.File(1, [0x00, 0x00, 0x00]));
        yield return ("Name-not-utf8", Forge.File(1, [0x20, 0xC3, 0x28, 0x00, 0x00]));
        yield return ("Name-shares-too-much", Forge.File(1, [0x11, (byte)'w', 0x00, 0x00]));
        yield return ("DuplicateName", Forge.File(2, [.. Raw("w"), .. Raw("w")], new byte[8]));
        yield return ("Metadata-no-entry", Forge.File(0, [0], flags: 2));
        yield return ("Metadata-keys-equal", Forge.File(0, [2, 1, (byte)'a', 0, 1, (byte)'a', 0], flags: 2));
        yield return ("Metadata-keys-descend", Forge.File(0, [2, 1, (byte)'b', 0, 1, (byte)'a', 0], flags: 2));
        yield return ("Metadata-key-not-utf8", Forge.File(0, [1, 2, 0xC3, 0x28, 0], flags: 2));
        yield return ("Metadata-value-not-utf8", Forge.File(0, [1, 0, 2, 0xC3, 0x28], flags: 2));
        yield return ("Integer-metadata-length", Forge.File(0, [1, 0x80, 0x00], flags: 2));
        yield return ("IndexLength-metadata-count", Forge.File(0, [.. Forge.VarInt(1UL << 40)], flags: 2));
        yield return ("IndexLength-metadata-ends-early", Forge.File(0, [1, 1, (byte)'a', .. Forge.VarInt(ulong.MaxValue)], flags: 2));
        yield return ("IndexLength-metadata-goes-on", Forge.File(0, [1, 0, 0, 0], flags: 2));
        yield return ("ElementType-of-8-bit-grid", Forge.File(1, [.. Forge.Name("w"), 0x1D, 0x00]));
        yield return ("ElementType-of-grid", Forge.File(1, [.. Forge.Name("w"), 0x14, 0x00]));
        yield return ("Shape-product", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x02, .. Forge.VarInt(1UL << 40), .. Forge.VarInt(1UL << 40)]));
        yield return ("Shape-axis", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x01, .. Forge.VarInt(1UL << 63)]));
        yield return ("Grid-kind", Forge.File(1, [.. Forge.Name("w"), 0x50, 0x00]));
        yield return ("Grid-step-nan", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x10, 0, 0, 0xC0, 0x7F, 0, 0]));
        yield return ("Grid-step-zero", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x10, 0, 0, 0, 0, 0, 0]));
        yield return ("Grid-step-not-shortest", Forge.File(1, [.. Forge.Name("w"), 0x20, 0x10, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0]));
        yield return ("Grid-axis", Forge.File(1, [.. Forge.Name("w"), 0x30, 0x11, 1, 1, 0, 0, 0x80, 0x3F, 0, 0]));
        yield return ("Grid-channel-step", Forge.File(1, [.. Forge.Name("w"), 0x30, 0x11, 1, 0, 0, 0, 0x80, 0xBF, 0, 0]));
        yield return ("Grid-codebook-empty", Forge.File(1, [.. Forge.Name("w"), 0x40, 0x10, 0, 0]));
        yield return ("Grid-codebook-value", Forge.File(1, [.. Forge.Name("w"), 0x40, 0x10, 1, 0, 0, 0, 0x80, 0x7F, 0, 0]));
        yield return ("Coding-unknown", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x41, 1]));
        yield return ("Coding-rans-without-grid", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x21, 1]));
        yield return ("Coding-planes-with-grid", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x31, 1]));
        yield return ("Coding-constant-range", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x11, 4, .. Forge.One, 0, 1]));
        yield return ("Coding-single-symbol", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x01, 4, .. Forge.One, 0, 0]));
        yield return ("Coding-empty-tensor", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x11, 0]));
        yield return ("SymbolRange-too-wide", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x01, 4, .. Forge.One, 0, .. Forge.VarInt(32768)]));
        yield return ("SymbolRange-codebook", Forge.File(1, [.. Forge.Name("w"), 0x40, 0x01, 4, 1, 0, .. Forge.One, 0, 1]));
        yield return ("SymbolRange-empty-tensor", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x11, 0, .. Forge.One, 2, 0]));
        yield return ("AliasTarget-itself", Forge.File(1, [.. Forge.Name("w"), 0x70, 0]));
        yield return ("AliasTarget-alias", Forge.File(3, [.. Raw("w"), .. Forge.Name("x"), 0x70, 0, .. Forge.Name("y"), 0x70, 1], new byte[4]));
        yield return ("PayloadLength-not-shorter", Forge.Rans(8, 0, 1, new byte[8]));
        yield return ("PayloadLength-zero", Forge.Rans(8, 0, 1, []));
        yield return ("Padding-alignment", Aligned(1));
        yield return ("Padding-table-bits", Forge.Rans(64, 0, 1, [.. Forge.Bits(EvenTable + "1"), .. StartState]));
        yield return ("PayloadChecksum", [.. good[..^1], (byte)(good[^1] ^ 1)]);
        yield return ("FrequencyTable-precision", Forge.Rans(64, 0, 1, Forge.Bits("111 111 00")));
        yield return ("FrequencyTable-rest", Forge.Rans(64, 0, 2, Forge.Bits(Params + "11")));
        yield return ("FrequencyTable-class", Forge.Rans(64, 0, 1, Forge.Bits(Params + "0 1111 110 0000000000")));
        yield return ("FrequencyTable-sum", Forge.Rans(64, 0, 2, Forge.Bits(Params + "00 1110110 0000000 0 0000000")));
        yield return ("FrequencyTable-single-symbol", Forge.Rans(64, 0, 1, Forge.Bits(Params + "0 110 0")));
        yield return ("FrequencyTable-last-absent", Forge.Rans(64, 0, 2, Forge.Bits(Params + "00 1110110 0000000 110 0")));
        yield return ("FrequencyTable-two-runs", Forge.Rans(64, 0, 4, Forge.Bits(Params + "000 110 0 110 0 0 000 0 000")));
        yield return ("FrequencyTable-run-too-long", Forge.Rans(64, 0, 2, Forge.Bits(Params + "00 110 1 0 1")));
        yield return ("FrequencyTable-ends-early", Forge.Rans(64, 0, 200, Forge.Bits(Params)));
        yield return ("FrequencyTable-token-range", Forge.Rans(64, 0, 300, [150, 60, 0, 0]));
        yield return ("FrequencyTable-token-range-missing", Forge.Rans(64, 0, 300, [1]));
        yield return ("EntropyStream-bypass-bits-go-on", BypassBitsGoOn());
        yield return ("EntropyStream-no-states", Forge.Rans(64, 0, 1, Forge.Bits(EvenTable)));
        yield return ("EntropyStream-state-range", Forge.Rans(64, 0, 1, [.. Forge.Bits(EvenTable), 0xFF, 0x7F, 0, 0]));
        yield return ("EntropyStream-words-end-early", Forge.Rans(64, 0, 1, [.. Forge.Bits(EvenTable), .. StartState]));
        yield return ("EntropyStream-end-state", Forge.Rans(64, 0, 1, [.. Forge.Bits(EvenTable), .. StartState, .. Enumerable.Repeat((byte)0x55, 8)]));
        yield return ("EntropyStream-goes-on", GoesOn());
        yield return ("SymbolValue-raw", SymbolOutOfRange());
        yield return ("Segments-empty", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 0, .. TwoConstants], new byte[8]));
        yield return ("Segments-one", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 8, .. TwoConstants], new byte[8]));
        yield return ("Segments-too-long", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, .. Forge.VarInt(5 << 20), .. Forge.VarInt((4 << 20) + 1), .. TwoConstants], new byte[8]));
        yield return ("Segments-not-cut", Forge.File(1, [.. Forge.Name("w"), 0x00, 0x01, .. Forge.VarInt((4 << 20) + 1), 0, 0, 0, 0]));
        yield return ("LimitExceeded-segments", Forge.File(1, [.. Forge.Name("w"), 0x84, 0x01, .. Forge.VarInt(300_000), 1, .. TwoConstants], new byte[8]));
        yield return ("IndexLength-segments-end-early", Forge.File(1, [.. Forge.Name("w"), 0x84, 0x01, .. Forge.VarInt(200_000), 1, .. TwoConstants], new byte[8]));
        yield return ("Coding-segment", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, 2, .. TwoConstants[1..]], new byte[8]));
        yield return ("PayloadLength-segment", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, 3, 16, 0, 0, 0, 0, .. TwoConstants[..5]], new byte[8]));
        yield return ("PayloadChecksum-second-segment", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, .. TwoConstants], [0, 0, 0, 0, 0, 0, 0, 1]));
        yield return ("Plane-mode", Forge.Planes(4, [1, 0, 4, 0]));
        yield return ("Plane-mode-of-first", Forge.Planes(4, [3, 0]));
        yield return ("Plane-mode-of-split", Forge.Planes(4, [0, 0, 0, 1, 1, 3, 3]));
        yield return ("Plane-split-ends-early", Forge.Planes(4, [0, 0, 0, 1, 1, 3, 1, 0, 0, 7]));
        yield return ("Plane-form", Forge.Planes(4, [0x40, 0]));
        yield return ("Plane-form-of-floats", Forge.Planes(4, [0x21, 0]));
        yield return ("Plane-values-end-early", Forge.Planes(4, [0x30, 1, 0, 0, 0, 0, 1]));
        yield return ("Plane-values-do-not-ascend", Forge.Planes(4, [0x30, 1, 0, 0, 1, 0, 0xFF, 0xFF, 0, 0, 1, 1, 0]));
        yield return ("Plane-place-beyond-values", Forge.Planes(4, [0x30, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 1]));
        yield return ("Integer-segment-length", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 0x84, 0x00, .. TwoConstants], new byte[8]));
        yield return ("Integer-zigzag-too-long", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x01, 4, .. Forge.One, 0x80, 0x00]));
        yield return ("SymbolRange-segment", Cut([0, .. Forge.ZigZag(32_767), 1, 0, 0, 0, 0]));
        yield return ("SymbolRange-smallest", Forge.File(1, [.. Forge.Name("w"), 0x10, 0x01, 4, .. Forge.One, .. Forge.ZigZag(-32_769), 1]));
        yield return ("Coding-segment-constant-range", Cut([1, 0, 1]));
        yield return ("Coding-segment-planes-with-grid", Cut([3, 0, 1]));
        yield return ("PayloadLength-segment-groups", Cut([5, 0, 1, 4, 0, 0, 0, 0]));
        yield return ("Truncated-second-segment", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, .. TwoConstants], new byte[7]));
        yield return ("TrailingBytes-segments", Forge.File(1, [.. Forge.Name("w"), 0x80, 0x01, 8, 4, .. TwoConstants], new byte[9]));
        yield return ("SymbolValue-second-segment", SecondSegmentOutOfRange());
        foreach ((string Name, byte[] File) file in Mixing().Concat(Groups()).Concat(Repeats()))
            yield return file;
        yield return ("Plane-missing", Forge.Planes(4, [1, 0, 1, 0, 1, 0]));
        yield return ("Plane-ends-early", Forge.Planes(4, [1, 0, 1, 0, 1, 0, 0, 1, 2, 3]));
        yield return ("Plane-byte-range", Forge.Planes(4, [2, 200, 100]));
        yield return ("SymbolRange-classified", Forge.Classified(600, 0, 300, new byte[20]));
        yield return ("FrequencyTable-classified-precision", Forge.Classified(64, 0, 1, Classified(precision: "101")));
        yield return ("FrequencyTable-classified-ends-early", Forge.Classified(64, 0, 1, Classified()));
        yield return ("EntropyStream-classified-head", Forge.Classified(64, 0, 1, Classified()[..3]));
        yield return ("EntropyStream-classified-skips", Forge.Classified(64, 0, 1, Classified(classes: "001")));
        yield return ("EntropyStream-classified-distance", Forge.Classified(64, 0, 1, Classified(weights: "00001000", more: new string('0', 14))));
        yield return ("EntropyStream-classified-row-length-zero", Forge.Classified(64, 0, 1, Classified(own: "1", more: new string('0', 24))));
        yield return ("EntropyStream-classified-row-length", Forge.Classified(64, 0, 1, Classified(own: "1", more: "111" + new string('0', 21))));
        yield return ("EntropyStream-classified-mirror", Forge.Classified(64, -128, 130, Classified(signs: "10")));
        yield return ("EntropyStream-classified-side-ends-early", Forge.Classified(64, 0, 1, Classified(tables: "10000")));
        yield return ("EntropyStream-classified-side-state", Forge.Classified(64, 0, 1, [.. Classified(tables: "10000"), 0, 0, 0, 0, 0]));
        yield return ("SymbolValue-classified-empty-row", Forge.Classified(64, 1, 1, [.. Classified(classes: "100"), .. EmptyRow()]));
        yield return ("Padding-classified", Forge.Classified(64, 0, 1, Classified(more: "1")));
        yield return ("Plane-goes-on", Forge.Planes(4, [1, 0, 1, 0, 1, 0, 1, 0, 0]));
    }

    // Section 5.6: 64 ternary symbols by context mixing.
    private static IEnumerable<(string Name, byte[] File)> Mixing()
    {
        yield return ("EntropyStream-mixing-parameters-end-early", Mixed([0, 0]));
        yield return ("EntropyStream-mixing-period-ends-early", Mixed([0, 0, 0x80]));
        yield return ("EntropyStream-mixing-center-ends-early", Mixed([0x20, 0, 0, 1]));
        yield return ("EntropyStream-mixing-flags", Mixed([0x90, 0, 0]));
        yield return ("EntropyStream-mixing-low-bits", Mixed([13, 0, 0]));
        yield return ("EntropyStream-mixing-period", Mixed([0, 0, 0x80, 0x80]));
        yield return ("EntropyStream-mixing-center", Mixed([0x20, 0, 0, 2, 0]));
        yield return ("EntropyStream-mixing-no-state", Mixed([0, 0, 0, 0, 0, 1]));
        yield return ("EntropyStream-mixing-state-range", Mixed([0, 0, 0, 0xFF, 0xFF, 0, 0, 0]));
        yield return ("EntropyStream-mixing-words-end-early", Mixed([0, 0, 0, 0, 0, 0, 1, 0]));
        yield return ("EntropyStream-mixing-end-state", Mixed([0, 0, 0, .. Enumerable.Repeat((byte)0x55, 60)]));

        // Twelve low bits of a magnitude that may be 1 at most; words of 1 make every decision a one.
        yield return ("SymbolValue-mixing", Mixed([12, 0, 0, 1, 0, 0, 1, 0, .. Enumerable.Repeat(new byte[] { 1, 0 }, 20).SelectMany(word => word)]));
        sbyte[] symbols = [.. Enumerable.Range(0, 64).Select(i => (sbyte)(i % 8 == 0 ? 1 : i % 31 == 5 ? -1 : 0))];
        yield return ("EntropyStream-mixing-goes-on", Mixed([.. ContextMixingCoder.Encode<sbyte>(symbols, [64], -1, 1), .. new byte[8]]));
        yield return ("EntropyStream-bell-parameters-end-early", Mixed([0x80, 0, 0]));
        yield return ("EntropyStream-bell-width", Mixed([0x80, 0, 0, 128, 0, 0, 1, 0]));
        yield return ("EntropyStream-bell-end-state", Mixed([0x80, 0, 0, 8, .. Enumerable.Repeat((byte)0x55, 4)]));
        yield return ("EntropyStream-bell-goes-on", Mixed([0x80, 0, 0, 8, .. Enumerable.Repeat((byte)0x55, 54)]));

        static byte[] Mixed(byte[] payload) => Forge.Coded(Coding.ContextMixing, [64], -1, 2, payload);
    }

    // Section 5.9: 64 ternary symbols, the first 8 of which are literals as they are.
    private static IEnumerable<(string Name, byte[] File)> Repeats()
    {
        byte[] literals = [8, 0, 0xFF, 0, 1, 0, 0, 1, 1, 0xFF];
        yield return ("EntropyStream-repeats-head-ends-early", Repeating([0x81]));
        yield return ("EntropyStream-repeats-no-literals", Repeating([0, 0]));
        yield return ("EntropyStream-repeats-literals-only", Repeating([64, 0]));
        yield return ("Integer-repeats", Repeating([0x81, 0x00]));
        yield return ("EntropyStream-repeats-no-coding", Repeating([8]));
        yield return ("Coding-repeats-of-repeats", Repeating([8, 7, 1]));
        yield return ("Coding-repeats-of-one-symbol", Repeating([8, 1]));
        yield return ("EntropyStream-repeats-literals-not-shorter", Repeating([8, 2, 8]));
        yield return ("EntropyStream-repeats-literals-end-early", Repeating(literals[..9]));
        yield return ("SymbolValue-repeats", Repeating([8, 0, 2, .. literals[3..], 0, 0, 1, 0]));
        yield return ("EntropyStream-repeats-no-state", Repeating([.. literals, 0, 0, 1]));
        yield return ("EntropyStream-repeats-state-range", Repeating([.. literals, 0, 0, 0, 0]));
        yield return ("EntropyStream-repeats-run-too-long", Repeating([.. literals, .. RepeatCoder.Places([new(9, 55, 8)], 0)]));
        yield return ("EntropyStream-repeats-distance", Repeating([.. literals, .. RepeatCoder.Places([new(8, 56, 9)], 0)]));
        yield return ("EntropyStream-repeats-distance-of-25-bits", Repeating([.. literals, .. RepeatCoder.Places([new(8, 56, 1 << 25)], 0)]));
        yield return ("EntropyStream-repeats-length", Repeating([.. literals, .. RepeatCoder.Places([new(8, 57, 8)], 0)]));
        yield return ("EntropyStream-repeats-literals-left", Repeating([.. literals, .. RepeatCoder.Places([new(7, 57, 7)], 0)]));
        yield return ("EntropyStream-repeats-goes-on", Repeating([.. literals, .. RepeatCoder.Places([new(8, 56, 8)], 0), 0, 0]));

        static byte[] Repeating(byte[] payload) => Forge.Coded(Coding.Repeats, [64], -1, 2, payload);
    }

    // Section 5.7: 64 ternary symbols in pairs, nine groups.
    private static IEnumerable<(string Name, byte[] File)> Groups()
    {
        const byte Pairs = 1;
        const byte Escape = 4;
        byte[] firstTwo = Forge.Bits("00");
        byte[] digits = [.. Enumerable.Range(0, 64).Select(i => (byte)(i == 9 || i == 40 ? 2 : i % 3 == 0 ? 1 : 0))];
        yield return ("SymbolRange-groups-of-wide-symbols", Forge.Coded(Coding.GroupedRans, [64], 100, 100, [Pairs, 1]));
        yield return ("FrequencyTable-groups-missing", Grouped([Pairs]));
        yield return ("FrequencyTable-groups-reach", Grouped([0x80 | Pairs | (3 << 3), 1]));
        yield return ("FrequencyTable-groups-near-none", Grouped([0x80 | Pairs, 1]));
        yield return ("FrequencyTable-groups-near-too-many", Forge.Coded(Coding.GroupedRans, [64], 0, 39, [0x80 | Pairs | (2 << 3), 1]));
        yield return ("FrequencyTable-group-of-one", Grouped([0, 1]));
        yield return ("FrequencyTable-group-too-large", Forge.Coded(Coding.GroupedRans, [64], 0, 39, [2, 1]));
        yield return ("FrequencyTable-group-longer-than-tensor", Forge.Coded(Coding.GroupedRans, [5], -1, 2, [3, 1]));
        yield return ("FrequencyTable-groups-one", Grouped([Pairs, 0]));
        yield return ("FrequencyTable-groups-too-many", Grouped([Pairs | Escape, 0, 255]));
        yield return ("FrequencyTable-groups-end-early", Grouped([Pairs, 1]));
        yield return ("FrequencyTable-group-out-of-range", Grouped([Pairs, 1, .. Forge.Bits("111111111 0 0")]));
        yield return ("FrequencyTable-group-low-bits-out-of-range", Grouped([Pairs | (4 << 3), 1, .. Forge.Bits("0 1001 0 0000")]));
        yield return ("Padding-groups", Grouped([Pairs, 1, .. Forge.Bits("001")]));
        yield return ("EntropyStream-groups-no-count", Grouped([Pairs | Escape, 0, 1, .. firstTwo]));
        yield return ("EntropyStream-groups-count-zero", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 0]));
        yield return ("EntropyStream-groups-count-too-large", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 33]));
        yield return ("Integer-groups-count", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 0x81, 0x00]));
        yield return ("SymbolValue-groups-filler", Grouped([Pairs | Escape, 3, 1, .. firstTwo]));
        yield return ("Plane-groups-masks", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 1, 3]));
        yield return ("EntropyStream-groups-mask", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 1, 0, 4]));
        yield return ("Plane-groups-apart", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 1, 0, 1, 3]));
        yield return ("SymbolValue-groups-apart", Grouped([Pairs | Escape, 0, 1, .. firstTwo, 1, 0, 3, 0, 3, 0]));
        yield return ("FrequencyTable-group-tokens", Grouped([Pairs, 1, .. firstTwo, .. Forge.Bits("111 111 00")]));
        yield return ("EntropyStream-groups-fewer-escapes", Grouped(Forge.Grouped(digits, 3, Pairs, [0, 1, 3], escapesMore: 1)));
        yield return ("EntropyStream-groups-more-escapes", Grouped(Forge.Grouped(digits, 3, Pairs, [0, 1, 3], escapesMore: -1)));
        yield return ("EntropyStream-groups-go-on", Grouped([.. Forge.Grouped(digits, 3, Pairs, [0, 1, 3]), 0]));

        // The last of an odd number of symbols stands apart, and the escaped groups before it are one too few.
        yield return ("EntropyStream-groups-rest-too-early", Forge.Coded(Coding.GroupedRans, [65], -1, 2, Forge.Grouped([.. digits, 0], 3, Pairs, [0, 1, 3], escapesMore: 1)));

        static byte[] Grouped(byte[] payload) => Forge.Coded(Coding.GroupedRans, [64], -1, 2, payload);
    }

    // Eight float32 symbols in two segments, of which the first is given.
    private static byte[] Cut(byte[] firstSegment) => Forge.File(1, [.. Forge.Name("w"), 0x90, 0x01, 8, .. Forge.One, 4, .. firstSegment, 0, 0, 0, 0, 0], new byte[8]);

    private static byte[] SecondSegmentOutOfRange()
    {
        byte[] first = [0, 1, 0, 1];
        byte[] second = [0, 1, 0, 2];
        return Forge.File(
            1,
            [.. Forge.Name("w"), 0x90, 0x01, 8, .. Forge.One, 4, 0, 0, 1, .. Forge.UInt32(Forge.Crc(first)), 0, 0, 1, .. Forge.UInt32(Forge.Crc(second))],
            [.. first, .. second]);
    }

    // Parameters of section 5.8.1: one lane, one table.
    private static byte[] Classified(
        string precision = "000", string tables = "00000", string classes = "000", string signs = "00", string weights = "00000000", string own = "0", string more = "") =>
        Forge.Bits("00" + precision + tables + "000" + classes + signs + weights + own + more);

    // Side information that says that the only row is empty.
    private static byte[] EmptyRow()
    {
        var output = new BinaryRansEncoder();
        for (int i = 0; i < 3; i++)
            output.Add(0, 1 << 15);
        output.EndBlock(last: false);
        return output.ToArray();
    }

    private static byte[] Raw(string name) => [.. Forge.Name(name), 0x00, 0x00, .. Forge.UInt32(Forge.Crc(new byte[4]))];

    // Nine constant tensors of 2 GiB in 150 bytes.
    private static byte[] Bomb()
    {
        var index = new List<byte>();
        for (int i = 0; i < 9; i++)
            index.AddRange([.. Forge.Name(((char)('a' + i)).ToString()), 0x00, 0x11, .. Forge.VarInt(1UL << 29), .. Forge.UInt32(Forge.Crc(new byte[4]))]);
        return Forge.File(9, [.. index], new byte[36]);
    }

    private static byte[] Aligned(byte padding)
    {
        byte[] file = Forge.File(1, Raw("w"), flags: 1);
        return [.. file, .. Enumerable.Repeat(padding, 64 - file.Length), .. new byte[4]];
    }

    private static byte[] SymbolOutOfRange()
    {
        byte[] payload = [0, 1, 2, 1];
        return Forge.File(1, [.. Forge.Name("w"), 0x10, 0x01, 4, .. Forge.One, 0, 1, .. Forge.UInt32(Forge.Crc(payload))], payload);
    }

    private static byte[] BypassBitsGoOn()
    {
        short[] symbols = [.. Enumerable.Range(0, 300).Select(i => (short)(i % 10 == 3 ? (i * 13) - 2000 : i % 3))];
        byte[] file = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(symbols, [300], QuantizationGrid.Uniform(1))), System.IO.Compression.CompressionLevel.Fastest);
        using var reader = Samples.Open(file);
        CompressedTensorInfo tensor = reader.Tensors[0];
        return Forge.Rans(300, tensor.MinSymbol, tensor.MaxSymbol - tensor.MinSymbol, [.. file[^(int)tensor.StoredBytes..], 0]);
    }

    // A valid payload with one byte more.
    private static byte[] GoesOn()
    {
        byte[] file = Samples.Write(writer => writer.Add("w", QuantizedTensor.FromSymbols(Samples.Sparse(300, 9, 200), [300], QuantizationGrid.Uniform(1))));
        using var reader = Samples.Open(file);
        CompressedTensorInfo tensor = reader.Tensors[0];
        return Forge.Rans(300, tensor.MinSymbol, tensor.MaxSymbol - tensor.MinSymbol, [.. file[^(int)tensor.StoredBytes..], 0]);
    }
}
