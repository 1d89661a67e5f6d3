using System.Security.Cryptography;
using System.Text;

namespace NeuralCompression.Codec.Tests.Reference;

/// <content>Updates: section 18 of docs/format.md.</content>
internal sealed partial class ReferenceDecoder
{
    private readonly List<Step> steps = [];
    private bool isUpdate;
    private bool hasMetadataOfBase;
    private byte[] baseDigest = [];
    private byte[] resultDigest = [];

    private sealed record Step(int Operation, int Base, string Name, int Target);

    /// <summary>The model that comes of a base and an update.</summary>
    internal static (List<Tensor> Tensors, Dictionary<string, string> Metadata) Apply(byte[] baseFile, byte[] updateFile)
    {
        var before = new ReferenceDecoder(baseFile);
        List<Tensor> baseTensors = before.File();
        var update = new ReferenceDecoder(updateFile) { isUpdate = true };
        var stored = new Queue<Tensor>(update.File());
        Must(Digest(baseTensors, before.metadata).SequenceEqual(update.baseDigest), "base");

        var tensors = new List<Tensor>();
        foreach (Step step in update.steps)
        {
            Must(step.Base < baseTensors.Count, "position");
            string name = step.Base < 0 ? step.Name : baseTensors[step.Base].Name;
            Must(tensors.TrueForAll(other => other.Name != name), "duplicate");
            Tensor from = step.Base < 0 ? new Tensor() : baseTensors[step.Base];
            if (from.AliasOf >= 0)
                from = Named(baseTensors[from.AliasOf], from.Name);
            switch (step.Operation)
            {
                case 0:
                    tensors.Add(Named(from, name));
                    break;
                case 1:
                    Must(stored.Count > 0, "stored");
                    tensors.Add(Named(Sum(from, stored.Dequeue()), name));
                    break;
                case 2:
                    Must(stored.Count > 0 && stored.Peek().GridKind != 5, "stored");
                    tensors.Add(Named(stored.Dequeue(), name));
                    break;
                default:
                    Must(step.Target < tensors.Count && tensors[step.Target].AliasOf < 0, "alias");
                    tensors.Add(new Tensor { Name = name, AliasOf = step.Target, Bytes = tensors[step.Target].Bytes, Symbols = tensors[step.Target].Symbols });
                    break;
            }
        }

        Must(stored.Count == 0, "stored");
        Must(!update.hasMetadataOfBase || update.metadata.Count == 0, "metadata");
        Dictionary<string, string> metadata = update.hasMetadataOfBase ? before.metadata : update.metadata;
        Must(Digest(tensors, metadata).Take(8).SequenceEqual(update.resultDigest), "result");
        return (tensors, metadata);
    }

    /// <summary>Section 18.1.</summary>
    internal static byte[] DigestOf(byte[] file)
    {
        var decoder = new ReferenceDecoder(file);
        return Digest(decoder.File(), decoder.metadata);
    }

    private static byte[] Digest(List<Tensor> tensors, Dictionary<string, string> metadata)
    {
        var content = new List<byte>();
        VarInt(content, tensors.Count);
        foreach (Tensor tensor in tensors)
        {
            Text(content, tensor.Name);
            if (tensor.AliasOf >= 0)
            {
                content.Add(0x70);
                VarInt(content, tensor.AliasOf);
                continue;
            }

            content.Add((byte)(tensor.Type + (16 * tensor.GridKind)));
            VarInt(content, tensor.Shape.Length);
            foreach (long axis in tensor.Shape)
                VarInt(content, axis);
            if (tensor.GridKind == 1)
                content.AddRange(BitConverter.GetBytes((float)tensor.Step));
            if (tensor.GridKind == 2)
                content.AddRange(BitConverter.GetBytes(tensor.Step));
            if (tensor.GridKind == 3)
                VarInt(content, tensor.Axis);
            if (tensor.GridKind == 4)
            {
                VarInt(content, tensor.Floats.Length);
                VarInt(content, tensor.First >= 0 ? 2L * tensor.First : (-2L * tensor.First) - 1);
            }

            foreach (float value in tensor.Floats)
                content.AddRange(BitConverter.GetBytes(value));
            if (tensor.GridKind == 0)
                content.AddRange(tensor.Bytes);
            foreach (int symbol in tensor.Symbols)
                content.AddRange(BitConverter.GetBytes((short)symbol));
        }

        VarInt(content, metadata.Count);
        foreach ((string key, string value) in metadata.OrderBy(text => Convert.ToHexString(Encoding.UTF8.GetBytes(text.Key)), StringComparer.Ordinal))
        {
            Text(content, key);
            Text(content, value);
        }

        return SHA256.HashData([.. content]);
    }

    private static void Text(List<byte> content, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        VarInt(content, utf8.Length);
        content.AddRange(utf8);
    }

    private static void VarInt(List<byte> content, long value)
    {
        while (value > 127)
        {
            content.Add((byte)((value % 128) + 128));
            value /= 128;
        }

        content.Add((byte)value);
    }

    private static Tensor Named(Tensor tensor, string name)
    {
        Tensor copy = tensor.Copy();
        copy.Name = name;
        return copy;
    }

    // Section 18.2.
    private void Update()
    {
        int flags = U8();
        Must(flags <= 1, "update flags");
        hasMetadataOfBase = flags == 1;
        baseDigest = Bytes(32);
        resultDigest = Bytes(8);
        int count = Int();
        byte[] previous = [];
        int position = 0;
        for (int i = 0; i < count; i++)
        {
            int first = U8();
            Must(first < 16, "reserved");
            int operation = first % 4;
            bool own = (first & 4) != 0;
            bool told = (first & 8) != 0;
            Must(!own || (!told && operation >= 2), "own name");
            if (told)
                position = Int();
            string name = own ? Name(ref previous) : "";
            int target = operation == 3 ? Int() : 0;
            steps.Add(new Step(operation, own ? -1 : position, name, target));
            if (!own)
                position++;
        }
    }

    // Sections 18.4 and 18.5.
    private static Tensor Sum(Tensor before, Tensor difference)
    {
        Must(before.Shape.SequenceEqual(difference.Shape) && (before.GridKind == 0) == (difference.GridKind == 0), "difference");
        if (before.GridKind == 0)
        {
            Must(difference.Type == new[] { 4, 6, 7, 8 }[(int)Math.Log2(Sizes[before.Type])], "difference type");
            Tensor elements = before.Copy();
            elements.Bytes = Elements(before, difference.Bytes);
            return elements;
        }

        Must(difference.GridKind != 4, "codebook");
        Tensor sum = difference.GridKind == 5 ? before.Copy() : difference.Copy();
        sum.Type = difference.Type;
        sum.Symbols = new int[difference.Count];
        List<Tensor> runs = difference.Segments;
        foreach (Tensor run in runs)
        {
            int[] symbols = before.Symbols[run.Start..(run.Start + run.Count)];
            int[] order = Order(symbols, difference.Shape);
            for (int i = 0; i < run.Count; i++)
            {
                int d = difference.Symbols[run.Start + i];
                int at = order[i];
                int symbol = symbols[at] < 0 ? symbols[at] - d : symbols[at] + d;
                Must(symbol is >= short.MinValue and <= short.MaxValue && (sum.GridKind != 4 || (symbol >= sum.First && symbol < sum.First + sum.Floats.Length)), "sum");
                sum.Symbols[run.Start + at] = symbol;
            }
        }

        sum.Start = 0;
        sum.Count = difference.Count;
        Values(sum);
        return sum;
    }

    /// <summary>The place in the run of each stored difference.</summary>
    private static int[] Order(int[] symbols, long[] shape)
    {
        long row = shape.Length > 1 ? 1 : symbols.Length;
        foreach (long axis in shape.Skip(1))
            row *= axis;
        int width = (int)Math.Min(row, symbols.Length);
        var rows = new Dictionary<int, int>();
        var columns = new Dictionary<int, int>();
        for (int i = 0; i < symbols.Length; i++)
        {
            rows[i / width] = rows.GetValueOrDefault(i / width) + (symbols[i] != 0 ? 1 : 0);
            columns[i % width] = columns.GetValueOrDefault(i % width) + (symbols[i] != 0 ? 1 : 0);
        }

        return
        [
            .. Enumerable.Range(0, symbols.Length)
                .OrderBy(i => symbols[i] == 0)
                .ThenBy(i => Math.Abs(symbols[i]))
                .ThenByDescending(i => symbols[i] == 0 ? (Log(rows[i / width] + 1) + Log(columns[i % width] + 1)) / 8 : 0)
                .ThenBy(i => i),
        ];
    }

    // Section 5.6.3.
    private static int Log(int v)
    {
        int e = 0;
        while (v >> (e + 1) > 0)
            e++;
        return (16 * e) + (16 * v / (1 << e)) - 16;
    }

    private static byte[] Elements(Tensor before, byte[] distances)
    {
        int size = Sizes[before.Type];
        bool hasSign = before.Type is <= 3 or 13 or 14;
        var bytes = new byte[distances.Length];
        UInt128 modulus = UInt128.One << (8 * size);
        UInt128 half = modulus / 2;
        for (int i = 0; i < bytes.Length; i += size)
        {
            UInt128 bits = Number(before.Bytes, i);
            UInt128 place = !hasSign ? bits : bits < half ? bits + half : modulus - 1 - bits;
            place = (place + Number(distances, i)) % modulus;
            bits = !hasSign ? place : place >= half ? place - half : modulus - 1 - place;
            for (int j = 0; j < size; j++)
                bytes[i + j] = (byte)(bits >> (8 * j));
        }

        return bytes;

        UInt128 Number(byte[] from, int at)
        {
            UInt128 number = 0;
            for (int j = 0; j < size; j++)
                number += (UInt128)from[at + j] << (8 * j);
            return number;
        }
    }
}
