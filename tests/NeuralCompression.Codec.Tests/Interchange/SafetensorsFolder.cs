using System.Buffers.Binary;
using System.Text;

namespace NeuralCompression.Codec.Tests.Interchange;

/// <summary>A folder of its own that is gone afterwards, and files made by hand in it.</summary>
internal sealed class SafetensorsFolder : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("safetensors").FullName;

    internal string this[string name] => Path.Combine(folder, name);

    internal IEnumerable<string> Names => Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    /// <summary>A file with this header, right length in front, and as many bytes of data, each of another value than its neighbours.</summary>
    internal string Write(string header, int dataBytes, string name = "model.safetensors") => Write(Encoding.UTF8.GetBytes(header), dataBytes, name);

    internal string Write(byte[] header, int dataBytes, string name = "model.safetensors")
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++)
            file[8 + header.Length + i] = (byte)((i * 37) + (i >> 3));
        File.WriteAllBytes(this[name], file);
        return this[name];
    }

    /// <summary>All bytes of a tensor.</summary>
    internal static byte[] Bytes(SafetensorsReader reader, TensorDescription tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        reader.Read(tensor, 0, bytes);
        return bytes;
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
