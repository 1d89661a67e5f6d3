using System.Text;

namespace NeuralCompression.Codec.Tests.Reference;

/// <summary>
/// A second decoder, written from docs/format.md alone: slow, simple, one file, sharing no code with src. It trusts limits to its caller and
/// checks the MUSTs it meets, with one exception for all of them.
/// </summary>
internal sealed partial class ReferenceDecoder
{
    private static readonly int[] Sizes = [4, 2, 2, 8, 1, 1, 2, 4, 8, 1, 2, 4, 8, 1, 1, 1];

    private readonly byte[] file;
    private readonly Dictionary<string, string> metadata = [];
    private int at;

    private ReferenceDecoder(byte[] file) => this.file = file;

    internal sealed class Tensor
    {
        internal string Name = "";
        internal int AliasOf = -1;
        internal int Type;
        internal int GridKind;
        internal int Coding;
        internal int SegmentLength;
        internal long[] Shape = [];
        internal int Count;

        /// <summary>Where this run of elements starts in the tensor; 0 for the tensor itself.</summary>
        internal int Start;

        /// <summary>The runs that have a payload each; the tensor itself where it is not cut.</summary>
        internal List<Tensor> Segments = [];

        internal double Step;
        internal int Axis;
        internal float[] Floats = [];
        internal int First;
        internal int Min;
        internal int Max;
        internal int PayloadLength;
        internal uint PayloadCrc;

        /// <summary>The symbols, where there is a grid.</summary>
        internal int[] Symbols = [];

        /// <summary>The values as bytes of the element type.</summary>
        internal byte[] Bytes = [];

        internal Tensor Copy()
        {
            var copy = (Tensor)MemberwiseClone();
            copy.Segments = [];
            return copy;
        }
    }

    internal static List<Tensor> Decode(byte[] file) => new ReferenceDecoder(file).File();

    /// <summary>The texts of section 4.8.</summary>
    internal static Dictionary<string, string> MetadataOf(byte[] file)
    {
        var decoder = new ReferenceDecoder(file);
        decoder.File();
        return decoder.metadata;
    }

    private static void Must(bool condition, string what)
    {
        if (!condition)
            throw new FormatException(what);
    }

    // Section 3.
    private List<Tensor> File()
    {
        Must(file.Length >= 6 && file[0] == 0x8F && file[1] == 'N' && file[2] == 'C' && file[3] == 'M', "magic");
        Must(file[4] == 1, "version");
        bool aligned = (file[5] & 1) != 0;
        Must((file[5] & 0xF8) == 0 && ((file[5] & 4) != 0) == isUpdate, "flags");
        at = 6;
        int indexLength = Int();
        int indexEnd = at + indexLength;
        var tensors = new List<Tensor>();
        int count = Int();
        byte[] previous = [];
        for (int i = 0; i < count; i++)
            tensors.Add(Descriptor(ref previous, tensors));
        if ((file[5] & 2) != 0)
            Metadata();
        if (isUpdate)
            Update();
        Must(at == indexEnd, "index length");
        uint stored = U32();
        Must(stored == Crc(0, indexEnd), "index checksum");

        foreach (Tensor tensor in tensors)
        {
            if (tensor.AliasOf < 0 && tensor.Segments.Exists(segment => segment.PayloadLength > 0) && aligned)
            {
                while (at % 64 != 0)
                    Must(file[at++] == 0, "padding");
            }

            if (tensor.AliasOf >= 0)
            {
                tensor.Bytes = tensors[tensor.AliasOf].Bytes;
                tensor.Symbols = tensors[tensor.AliasOf].Symbols;
                continue;
            }

            foreach (Tensor segment in tensor.Segments)
            {
                int end = at + segment.PayloadLength;
                Must(end <= file.Length, "payload");
                Must(segment.PayloadLength == 0 || Crc(at, end) == segment.PayloadCrc, "payload checksum");
                Payload(segment, end);
                Must(at == end, "payload end");
            }

            tensor.Bytes = [.. tensor.Segments.SelectMany(segment => segment.Bytes)];
            tensor.Symbols = [.. tensor.Segments.SelectMany(segment => segment.Symbols)];
        }

        Must(at == file.Length, "file end");
        return tensors;
    }

    // Section 4.8.
    private void Metadata()
    {
        int count = Int();
        Must(count > 0, "no metadata");
        byte[]? before = null;
        for (int i = 0; i < count; i++)
        {
            byte[] key = Bytes(Int());
            Must(before is null || key.AsSpan().SequenceCompareTo(before) > 0, "metadata order");
            before = key;
            metadata[new UTF8Encoding(false, true).GetString(key)] = new UTF8Encoding(false, true).GetString(Bytes(Int()));
        }
    }

    private byte[] Bytes(int count)
    {
        Must(count <= file.Length - at, "end");
        at += count;
        return file[(at - count)..at];
    }

    // Section 4.
    private Tensor Descriptor(ref byte[] previous, List<Tensor> earlier)
    {
        var tensor = new Tensor { Name = isUpdate ? "" : Name(ref previous) };
        Must(isUpdate || earlier.TrueForAll(other => other.Name != tensor.Name), "duplicate");

        int kind = U8();
        bool cut = kind >= 128;
        kind %= 128;
        tensor.Type = kind & 15;
        tensor.GridKind = kind >> 4;
        if (tensor.GridKind == 7)
        {
            Must(!cut && !isUpdate, "kind");
            tensor.AliasOf = Int();
            Must(tensor.Type == 0 && tensor.AliasOf < earlier.Count && earlier[tensor.AliasOf].AliasOf < 0, "alias");
            return tensor;
        }

        Must(tensor.GridKind <= (isUpdate ? 5 : 4) && (tensor.GridKind == 0 || tensor.Type <= 3), "kind");
        int form = U8();
        tensor.Coding = form >> 4;
        Must(!cut || tensor.Coding == 0, "form");
        tensor.Shape = new long[form & 15];
        long product = 1;
        for (int i = 0; i < tensor.Shape.Length; i++)
            product *= tensor.Shape[i] = Int();
        tensor.Count = (int)product;
        if (tensor.GridKind != 0)
            Grid(tensor);
        tensor.SegmentLength = tensor.Count;
        if (!cut)
        {
            Segment(tensor);
            Must(tensor.Coding == 1 || (long)tensor.Count * Sizes[tensor.Type] <= 16777216, "too long");
            tensor.Segments.Add(tensor);
            return tensor;
        }

        int length = Int();
        Must(length >= 1 && length < tensor.Count && (long)length * Sizes[tensor.Type] <= 16777216, "segment length");
        for (int start = 0; start < tensor.Count; start += length)
        {
            Tensor segment = tensor.Copy();
            segment.Start = start;
            segment.Count = Math.Min(length, tensor.Count - start);
            segment.SegmentLength = length;
            segment.Coding = U8();
            Segment(segment);
            tensor.Segments.Add(segment);
        }

        return tensor;
    }

    // Section 4.1.
    private string Name(ref byte[] previous)
    {
        int lengths = U8();
        int shared = lengths & 15;
        int added = lengths >> 4;
        if (shared == 15)
            shared += Int();
        if (added == 15)
            added += Int();
        Must(shared <= previous.Length && shared + added > 0, "name");
        byte[] name = [.. previous[..shared], .. file[at..(at + added)]];
        at += added;
        previous = name;
        return Encoding.UTF8.GetString(name);
    }

    // Sections 4.5 and 4.7.
    private void Segment(Tensor tensor)
    {
        Must(tensor.Coding <= 1 || tensor.Coding == 7 || (tensor.GridKind == 0 ? tensor.Coding == 3 : tensor.Coding is 2 or 4 or 5 or 6), "coding");
        if (tensor.GridKind != 0)
        {
            tensor.Min = ZigZag();
            tensor.Max = tensor.Min + Int();
            Must((tensor.Min == tensor.Max) == (tensor.Coding == 1), "single symbol");
        }

        int raw = tensor.Count * (tensor.GridKind == 0 ? Sizes[tensor.Type] : tensor.Min >= -128 && tensor.Max <= 127 ? 1 : 2);
        tensor.PayloadLength = tensor.Coding switch
        {
            0 => raw,
            1 => tensor.GridKind == 0 ? Sizes[tensor.Type] : 0,
            _ => Int(),
        };
        Must(tensor.Coding <= 1 || (tensor.PayloadLength > 0 && tensor.PayloadLength < raw), "payload length");
        if (tensor.PayloadLength > 0)
            tensor.PayloadCrc = U32();
    }

    // Section 4.4.
    private void Grid(Tensor tensor)
    {
        switch (tensor.GridKind)
        {
            case 1:
                tensor.Step = F32();
                break;
            case 5:
                break;
            case 2:
                tensor.Step = BitConverter.Int64BitsToDouble((long)(U32() | ((ulong)U32() << 32)));
                break;
            case 3:
                tensor.Axis = Int();
                tensor.Floats = new float[tensor.Shape[tensor.Axis]];
                break;
            default:
                tensor.Floats = new float[Int()];
                tensor.First = ZigZag();
                break;
        }

        for (int i = 0; i < tensor.Floats.Length; i++)
            tensor.Floats[i] = F32();
    }

    // Section 5.9.
    private void Repeats(Tensor tensor, int end)
    {
        Tensor literals = tensor.Copy();
        literals.Count = Int();
        literals.SegmentLength = literals.Count;
        literals.Shape = [literals.Count];
        literals.GridKind = Math.Min(tensor.GridKind, 1);
        Must(literals.Count >= 1 && literals.Count < tensor.Count, "literals");
        literals.Coding = U8();
        Must(literals.Coding == 0 || (tensor.GridKind == 0 ? literals.Coding == 3 : literals.Coding is 2 or 4 or 5 or 6), "coding of literals");
        int size = tensor.GridKind == 0 ? Sizes[tensor.Type] : tensor.Min >= -128 && tensor.Max <= 127 ? 1 : 2;
        literals.PayloadLength = literals.Coding == 0 ? literals.Count * size : Int();
        Must(literals.PayloadLength <= end - at && (literals.Coding == 0 || (literals.PayloadLength >= 1 && literals.PayloadLength < literals.Count * size)), "literal bytes");
        int literalEnd = at + literals.PayloadLength;
        Payload(literals, literalEnd);
        Must(at == literalEnd, "literals end");
        int[] places = ReferenceRepeats.Decode(file, at, end, tensor.Count, literals.Count);
        at = end;

        size = tensor.GridKind == 0 ? size : 0;
        tensor.Bytes = new byte[tensor.Count * size];
        tensor.Symbols = new int[tensor.GridKind == 0 ? 0 : tensor.Count];
        for (int i = 0; i < tensor.Count; i++)
        {
            bool isLiteral = places[i] >= 0;
            int from = isLiteral ? places[i] : -1 - places[i];
            Array.Copy(isLiteral ? literals.Bytes : tensor.Bytes, from * size, tensor.Bytes, i * size, size);
            if (tensor.GridKind != 0)
                tensor.Symbols[i] = (isLiteral ? literals : tensor).Symbols[from];
        }

        if (tensor.GridKind != 0)
            Values(tensor);
    }

    // Section 5.
    private void Payload(Tensor tensor, int end)
    {
        if (tensor.Coding == 7)
        {
            Repeats(tensor, end);
            return;
        }

        if (tensor.GridKind == 0)
        {
            tensor.Bytes = new byte[tensor.Count * Sizes[tensor.Type]];
            if (tensor.Coding == 3)
            {
                Planes(tensor, end);
                return;
            }

            for (int i = 0; i < tensor.Bytes.Length; i++)
                tensor.Bytes[i] = file[at + (i % tensor.PayloadLength)];
            at = end;
            return;
        }

        tensor.Symbols = new int[tensor.Count];
        if (tensor.Coding == 1)
        {
            Array.Fill(tensor.Symbols, tensor.Min);
        }
        else if (tensor.Coding == 0)
        {
            bool narrow = tensor.Min >= -128 && tensor.Max <= 127;
            for (int i = 0; i < tensor.Count; i++)
                tensor.Symbols[i] = narrow ? (sbyte)U8() : (short)(U8() | (U8() << 8));
        }
        else if (tensor.Coding == 4)
        {
            (tensor.Symbols, at) = ReferenceContextMixing.Decode(file, at, end, SegmentShape(tensor), tensor.Count, tensor.Min, tensor.Max);
        }
        else if (tensor.Coding == 5)
        {
            Groups(tensor, end);
        }
        else if (tensor.Coding == 6)
        {
            (tensor.Symbols, at) = ReferenceClassified.Decode(file, at, end, SegmentShape(tensor), tensor.Count, tensor.Min, tensor.Max);
        }
        else if (tensor.Max - tensor.Min < 256)
        {
            int[] tokens = Rans(tensor.Count, tensor.Max - tensor.Min + 1);
            for (int i = 0; i < tensor.Count; i++)
                tensor.Symbols[i] = tokens[i] + tensor.Min;
        }
        else
        {
            Wide(tensor, end);
        }

        foreach (int symbol in tensor.Symbols)
            Must(symbol >= tensor.Min && symbol <= tensor.Max, "symbol");
        Values(tensor);
    }

    // Section 5.6: the last axes whose elements divide a segment, and how many of those there are.
    private static long[] SegmentShape(Tensor tensor)
    {
        long all = 1;
        foreach (long axis in tensor.Shape)
            all *= axis;
        if (tensor.SegmentLength == all)
            return tensor.Shape;
        long unit = 1;
        int first = tensor.Shape.Length;
        while (first > 1 && tensor.SegmentLength % (unit * tensor.Shape[first - 1]) == 0)
            unit *= tensor.Shape[--first];
        return [tensor.Count / unit, .. tensor.Shape[first..]];
    }

    // Section 5.4.
    private void Wide(Tensor tensor, int end)
    {
        int first = U8();
        int[] tokens = Rans(tensor.Count, U8() + 1);
        var bits = new BitField(file, at, end);
        for (int i = 0; i < tensor.Count; i++)
        {
            int v = tokens[i] + first;
            if (v >= 128)
            {
                int b = 8 + ((v - 128) / 8);
                v = (8 + ((v - 128) % 8)) << (b - 4);
                v += bits.Number(b - 4);
            }

            tensor.Symbols[i] = v % 2 == 0 ? v / 2 : -(v + 1) / 2;
        }

        at = bits.End();
    }

    // Section 5.5.
    private void Planes(Tensor tensor, int end)
    {
        int size = Sizes[tensor.Type];
        Must(at < end, "plane");
        int first = U8();
        int form = first / 16;
        Must(form <= 3 && (form is 0 or 3 || tensor.Type is (>= 4 and <= 8) or (>= 10 and <= 12)) && (form != 3 || size > 1), "form");
        ulong[] values = [];
        if (form == 3)
        {
            values = new ulong[U8() + 1];
            for (int i = 0; i < values.Length; i++)
            {
                for (int j = 0; j < size; j++)
                    values[i] |= (ulong)U8() << (8 * j);
                Must(i == 0 || values[i] > values[i - 1], "values ascend");
            }
        }

        var numbers = new ulong[tensor.Count];
        int[] top = [];
        for (int plane = form == 3 ? 0 : size - 1; plane >= 0; plane--)
        {
            int[] bytes = top.Length == 0 ? Plane(first % 16, tensor.Count) : LowerPlane(top);
            for (int i = 0; i < tensor.Count; i++)
                numbers[i] |= (ulong)bytes[i] << (8 * plane);
            if (top.Length == 0)
                top = bytes;
        }

        long before = 0;
        for (int i = 0; i < tensor.Count; i++)
        {
            ulong number = numbers[i];
            if (form == 3)
            {
                Must((int)number < values.Length, "place");
                number = values[(int)number];
            }
            else if (form != 0)
            {
                long value = (long)(number / 2);
                if (number % 2 == 1)
                    value = -value - 1;
                number = (ulong)(value + before);
                before = form == 2 ? (long)number : 0;
            }
            else if (tensor.Type <= 3)
            {
                number = (number >> 1) | ((number & 1) << ((8 * size) - 1));
            }

            for (int j = 0; j < size; j++)
                tensor.Bytes[(i * size) + j] = (byte)(number >> (8 * j));
        }
    }

    // Section 5.5.2: a plane below the highest.
    private int[] LowerPlane(int[] top)
    {
        int mode = U8();
        if (mode != 3)
            return Plane(mode, top.Length);
        int zeroCount = top.Count(value => value == 0);
        var zeros = new Queue<int>(Plane(U8(), zeroCount));
        var others = new Queue<int>(Plane(U8(), top.Length - zeroCount));
        return [.. top.Select(value => value == 0 ? zeros.Dequeue() : others.Dequeue())];
    }

    // Section 5.5.1.
    private int[] Plane(int mode, int count)
    {
        Must(mode <= 2, "plane mode");
        var bytes = new int[count];
        if (mode == 1)
        {
            Array.Fill(bytes, U8());
        }
        else if (mode == 0)
        {
            for (int i = 0; i < count; i++)
                bytes[i] = U8();
        }
        else
        {
            int smallest = U8();
            int more = U8();
            Must(smallest + more <= 255, "byte range");
            bytes = [.. Rans(count, more + 1).Select(token => token + smallest)];
        }

        return bytes;
    }

    // Section 4.4, last paragraph.
    private static void Values(Tensor tensor)
    {
        long inner = 1;
        for (int axis = tensor.Axis + 1; axis < tensor.Shape.Length; axis++)
            inner *= tensor.Shape[axis];
        var bytes = new List<byte>();
        for (int i = 0; i < tensor.Count; i++)
        {
            int symbol = tensor.Symbols[i];
            double value = tensor.GridKind switch
            {
                3 => (double)tensor.Floats[(tensor.Start + i) / inner % tensor.Shape[tensor.Axis]] * symbol,
                4 => tensor.Floats[symbol - tensor.First],
                _ => tensor.Step * symbol,
            };
            float single = (float)value;
            bytes.AddRange(tensor.Type switch
            {
                0 => BitConverter.GetBytes(single),
                1 => BitConverter.GetBytes((Half)single),
                2 => BFloat16(single),
                _ => BitConverter.GetBytes(value),
            });
        }

        tensor.Bytes = [.. bytes];
    }

    // The nearer of the two neighbours, the one with an even last bit when they are equally near. Values here are finite.
    private static byte[] BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint down = bits >> 16;
        uint half = bits & 0xFFFF;
        if (half > 0x8000 || (half == 0x8000 && down % 2 == 1))
            down++;
        return [(byte)down, (byte)(down >> 8)];
    }

    // Sections 5.3, 8.1 and 9.2.
    private int[] Rans(int count, int alphabet)
    {
        var bits = new BitField(file, at, file.Length);
        int k = bits.Number(3) + 8;
        Must(k <= 14, "precision");
        int mantissa = bits.Number(3);
        int lanes = new[] { 1, 4, 32, 64 }[bits.Number(2)];
        int[] frequency = Table(bits, alphabet, k, mantissa);
        at = bits.End();

        var x = new long[lanes];
        for (int lane = 0; lane < lanes; lane++)
        {
            x[lane] = U32();                                                // D1
            Must(x[lane] >= 1 << 15 && x[lane] < 1L << 31, "state");
        }

        var symbols = new int[count];
        for (int i = 0; i < count; i++)                                     // D2
        {
            int lane = i % lanes;
            long slot = x[lane] % (1 << k);                                 // D3
            int s = 0;
            long cumulative = 0;
            while (slot >= cumulative + frequency[s])                       // D4
                cumulative += frequency[s++];
            symbols[i] = s;
            x[lane] = (frequency[s] * (x[lane] >> k)) + slot - cumulative;  // D5
            if (x[lane] < 1 << 15)                                          // D6
                x[lane] = (x[lane] << 16) + U8() + (U8() << 8);
        }

        foreach (long state in x)                                           // D7
            Must(state == 1 << 15, "end state");
        return symbols;
    }

    // Section 8.1.
    internal static int[] Table(BitField bits, int alphabet, int k, int mantissa, bool endsAreAbsent = false)
    {
        int restBits = 0;
        while (1 << restBits <= alphabet - 1)
            restBits++;
        int rest = bits.Number(restBits);
        Must(rest < alphabet, "rest");
        var others = Enumerable.Range(0, alphabet).Where(symbol => symbol != rest).ToList();
        var frequency = new int[alphabet];
        int c = k - 4;
        bool run = false;
        for (int i = 0; i < others.Count;)
        {
            if (bits.Number(1) == 1)
            {
                if (bits.Number(1) == 0)
                {
                    c += bits.Number(1) == 0 ? 1 : -1;
                }
                else if (bits.Number(1) == 0)
                {
                    int u = bits.Ones();
                    i += (1 << u) + bits.Number(u);
                    Must(!run && i <= others.Count, "run");
                    run = true;
                    continue;
                }
                else
                {
                    int sign = bits.Number(1) == 0 ? 1 : -1;
                    c += sign * (bits.Ones() + 2);
                }
            }

            run = false;
            Must(c >= 1 && c <= k, "class");
            int e = mantissa == 7 ? c - 1 : Math.Min(c - 1, mantissa);
            frequency[others[i++]] = (1 << (c - 1)) + (bits.Number(e) << (c - 1 - e));
        }

        int sum = frequency.Sum();
        Must(sum >= 1 && sum < 1 << k, "sum");
        frequency[rest] = (1 << k) - sum;
        Must(endsAreAbsent || (frequency[0] > 0 && frequency[^1] > 0), "ends");
        return frequency;
    }

    internal sealed class BitField(byte[] file, int start, int end)
    {
        private int bit;

        internal int Number(int count)
        {
            int number = 0;
            for (int i = 0; i < count; i++, bit++)
            {
                Must(start + (bit / 8) < end, "bits");
                number |= ((file[start + (bit / 8)] >> (bit % 8)) & 1) << i;
            }

            return number;
        }

        internal int Ones(int most = 15)
        {
            int ones = 0;
            while (Number(1) == 1)
                Must(++ones <= most, "ones");
            return ones;
        }

        internal int End()
        {
            while (bit % 8 != 0)
                Must(Number(1) == 0, "bit padding");
            return start + (bit / 8);
        }
    }

    private int U8()
    {
        Must(at < file.Length, "end");
        return file[at++];
    }

    private uint U32() => (uint)U8() | ((uint)U8() << 8) | ((uint)U8() << 16) | ((uint)U8() << 24);

    private float F32() => BitConverter.UInt32BitsToSingle(U32());

    private int Int()
    {
        long value = 0;
        for (int shift = 0; ; shift += 7)
        {
            Must(shift < 35, "integer");
            int part = U8();
            value += (long)(part % 128) << shift;
            if (part < 128)
            {
                Must(part > 0 || shift == 0, "integer");
                Must(value <= int.MaxValue, "integer");
                return (int)value;
            }
        }
    }

    private int ZigZag()
    {
        int value = Int();
        return value % 2 == 0 ? value / 2 : -(value + 1) / 2;
    }

    // Section 7.
    private uint Crc(int from, int to)
    {
        uint crc = 0xFFFFFFFF;
        for (int i = from; i < to; i++)
        {
            crc ^= file[i];
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 1 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        return ~crc;
    }
}
