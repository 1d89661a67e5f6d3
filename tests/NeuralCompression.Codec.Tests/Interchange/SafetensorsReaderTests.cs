using System.Text;
using NeuralCompression.Codec.Tests.Vectors;

namespace NeuralCompression.Codec.Tests.Interchange;

/// <summary>What is accepted as a safetensors file, and what is refused with which error.</summary>
public sealed class SafetensorsReaderTests
{
    private const string Reference = "reference.safetensors";

    internal static string ReferencePath { get; } = Path.Combine(VectorFiles.Root, "tests", "vectors", "safetensors", Reference);

    // The file was written by the reference library (Python, 0.4.5): see the README beside it.
    [Fact]
    public void Open_FileOfTheReferenceLibrary_GivesItsTensors()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(ReferencePath);
        Assert.Equal(18, reader.Tensors.Count);
        Assert.Equal("pt", Assert.Single(reader.Metadata, text => text.Key == "format").Value);
        Assert.True(reader.TryGet("scalar", out TensorDescription? scalar));
        Assert.Equal(1.5f, BitConverter.ToSingle(SafetensorsFolder.Bytes(reader, scalar)));
        Assert.Equal(0, scalar.Shape.Length);
        Assert.True(reader.TryGet("named \"so\"\n\u00e9\u20ac", out TensorDescription? named));
        Assert.Equal([1, 2], SafetensorsFolder.Bytes(reader, named));
        Assert.True(reader.TryGet("t.int32", out TensorDescription? ints));
        Assert.Equal(InterchangeType.I32, ints.Type);
        Assert.Equal([3L, 5L], ints.Shape.ToArray());
        byte[] expected = [.. Enumerable.Range(0, 60).Select(j => (byte)((9 * 31) + (j * 7)))];
        Assert.Equal(expected, SafetensorsFolder.Bytes(reader, ints));
        byte[] part = new byte[7];
        reader.Read(ints, 11, part);
        Assert.Equal(expected[11..18], part);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(ints, 54, part));
        Assert.False(reader.TryGet("missing", out _));
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("{}      ", 0)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8)]
    [InlineData("""{"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}}""", 7)]
    [InlineData("""{"a":{"dtype":"F4","shape":[4,2],"data_offsets":[0,4]},"b":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[4,7]}}""", 7)]
    [InlineData("""{"a":{"dtype":"I64","shape":[0,9223372036854775807,9],"data_offsets":[0,0]}}""", 0)]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"comment":{"of":[1,2]}}}""", 1)]
    [InlineData("""{"__metadata__":{},"":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}""", 1)]
    public void Open_ValidHeader_IsAccepted(string header, int dataBytes)
    {
        using var folder = new SafetensorsFolder();
        using SafetensorsReader reader = SafetensorsReader.Open(folder.Write(header, dataBytes));
        Assert.Equal(dataBytes, reader.ByteLength);
    }

    [Theory]
    [InlineData(SafetensorsError.HeaderStart, "", 0)]
    [InlineData(SafetensorsError.HeaderStart, " {}", 0)]
    [InlineData(SafetensorsError.HeaderStart, "[]", 0)]
    [InlineData(SafetensorsError.Header, "{", 0)]
    [InlineData(SafetensorsError.Header, "{}\n", 1)]
    [InlineData(SafetensorsError.Header, "{}{}", 0)]
    [InlineData(SafetensorsError.Header, "{,}", 0)]
    [InlineData(SafetensorsError.Header, "{\"a\":1}", 0)]
    [InlineData(SafetensorsError.Header, "{/* */}", 0)]
    [InlineData(SafetensorsError.Header, """{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":[1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Header, """{"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.DuplicateKey, """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2)]
    [InlineData(SafetensorsError.DuplicateKey, """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2)]
    [InlineData(SafetensorsError.DuplicateKey, """{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.DuplicateKey, """{"__metadata__":{"a":"b","a":"c"}}""", 0)]
    [InlineData(SafetensorsError.DuplicateKey, """{"__metadata__":{},"__metadata__":{}}""", 0)]
    [InlineData(SafetensorsError.Metadata, """{"__metadata__":{"a":1}}""", 0)]
    [InlineData(SafetensorsError.Metadata, """{"__metadata__":"a"}""", 0)]
    [InlineData(SafetensorsError.Metadata, """{"__metadata__":{"a":{"b":"c"}}}""", 0)]
    [InlineData(SafetensorsError.ElementType, """{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.ElementType, """{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", 4)]
    [InlineData(SafetensorsError.Shape, """{"a":{"dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,0]}}""", 0)]
    [InlineData(SafetensorsError.Shape, """{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0)]
    [InlineData(SafetensorsError.Shape, """{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}""", 1)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}}""", 3)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5)]
    [InlineData(SafetensorsError.Offsets, """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}""", 2)]
    [InlineData(SafetensorsError.FileLength, """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1)]
    [InlineData(SafetensorsError.FileLength, """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 3)]
    [InlineData(SafetensorsError.FileLength, "{}", 1)]
    public void Open_HostileHeader_IsRefused(SafetensorsError error, string header, int dataBytes)
    {
        using var folder = new SafetensorsFolder();
        string path = folder.Write(header, dataBytes);
        Assert.Equal(error, Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(path)).Data["NeuralCompression.Error"]);
    }

    [Theory]
    [InlineData(SafetensorsError.TooShort, "")]
    [InlineData(SafetensorsError.TooShort, "02000000000000")]
    [InlineData(SafetensorsError.HeaderLength, "0300000000000000" + "7B7D")]
    [InlineData(SafetensorsError.HeaderLength, "01E1F50500000000" + "7B7D")]
    [InlineData(SafetensorsError.HeaderLength, "FFFFFFFFFFFFFFFF" + "7B7D")]
    [InlineData(SafetensorsError.HeaderStart, "0000000000000000")]
    [InlineData(SafetensorsError.Header, "0800000000000000" + "7B22C328223A317D")]
    public void Open_HostileBytes_AreRefused(SafetensorsError error, string hex)
    {
        using var folder = new SafetensorsFolder();
        File.WriteAllBytes(folder["model.safetensors"], Convert.FromHexString(hex));
        Assert.Equal(error, Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(folder["model.safetensors"])).Data["NeuralCompression.Error"]);
    }

    [Fact]
    public void Open_EveryTruncationAndChangeOfAByte_IsRefusedOrWhole()
    {
        using var folder = new SafetensorsFolder();
        byte[] good = File.ReadAllBytes(ReferencePath);
        int header = 8 + (int)BitConverter.ToInt64(good);
        for (int length = 0; length < good.Length; length++)
            Check(good[..length], mustFail: true);
        for (int i = 0; i < header; i++)
        {
            byte[] bad = [.. good];
            bad[i] ^= (byte)(1 << (i % 8));
            Check(bad, mustFail: false);
        }

        void Check(byte[] file, bool mustFail)
        {
            File.WriteAllBytes(folder["model.safetensors"], file);
            bool failed = false;
            try
            {
                using SafetensorsReader reader = SafetensorsReader.Open(folder["model.safetensors"]);
                foreach (TensorDescription tensor in reader.Tensors)
                    SafetensorsFolder.Bytes(reader, tensor);
            }
            catch (InvalidDataException exception)
            {
                Assert.IsType<SafetensorsError>(exception.Data["NeuralCompression.Error"]);
                failed = true;
            }

            Assert.True(failed || !mustFail);
        }
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}""", null)]
    [InlineData("""{"metadata":{"total_size":2},"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}""", null)]
    [InlineData("""{"weight_map":{"a":"a.safetensors"}}""", null)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"a.safetensors"}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"b.safetensors","b":"a.safetensors"}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"b.safetensors","c":"b.safetensors"}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"../b.safetensors"}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"/etc/passwd"}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":1}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":[]}""", SafetensorsError.Index)]
    [InlineData("""{"weights":{}}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", SafetensorsError.Index)]
    [InlineData("""[]""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{}""", SafetensorsError.Index)]
    [InlineData("""{"weight_map":{"a":"a.safetensors","a":"a.safetensors"}}""", SafetensorsError.DuplicateKey)]
    public void Open_IndexOfShards_MustAgreeWithItsFiles(string index, SafetensorsError? error)
    {
        using var folder = new SafetensorsFolder();
        folder.Write("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "a.safetensors");
        folder.Write("""{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "b.safetensors");
        string path = folder["model.safetensors.index.json"];
        File.WriteAllText(path, index, new UTF8Encoding(false));
        if (error is null)
        {
            using SafetensorsReader reader = SafetensorsReader.Open(path);
            Assert.Equal(index.Contains("\"b\"", StringComparison.Ordinal) ? 2 : 1, reader.Tensors.Count);
            return;
        }

        Assert.Equal(error, Assert.Throws<InvalidDataException>(() => SafetensorsReader.Open(path)).Data["NeuralCompression.Error"]);
    }

    [Fact]
    public void Open_MissingShard_NamesIt()
    {
        using var folder = new SafetensorsFolder();
        File.WriteAllText(folder["x.json"], """{"weight_map":{"a":"gone.safetensors"}}""");
        Assert.Contains("gone.safetensors", Assert.Throws<FileNotFoundException>(() => SafetensorsReader.Open(folder["x.json"])).Message, StringComparison.Ordinal);
    }
}
