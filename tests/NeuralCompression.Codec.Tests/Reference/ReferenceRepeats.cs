namespace NeuralCompression.Codec.Tests.Reference;

/// <summary>Section 5.9 of docs/format.md: the places of repeats, decision by decision.</summary>
internal sealed class ReferenceRepeats
{
    private readonly byte[] file;
    private readonly int end;
    private readonly Dictionary<string, (int Zeros, int Ones)> counters = [];
    private ulong state;
    private int at;

    private ReferenceRepeats(byte[] file, int at, int end)
    {
        this.file = file;
        this.end = end;
        this.at = at;
    }

    /// <summary>Where every unit comes from: the number of a literal, counted from 0, or of an earlier unit, as -1 minus its number.</summary>
    internal static int[] Decode(byte[] file, int at, int end, int count, int literals) => new ReferenceRepeats(file, at, end).Places(count, literals);

    private int[] Places(int count, int literals)
    {
        // An only block: four bytes of state where an even number of bytes is left.
        int stateBytes = 5 - ((end - at + 1) % 2);
        Must(end - at >= stateBytes);
        for (int i = 0; i < stateBytes; i++)
            state |= (ulong)file[at++] << (8 * i);
        Must(state >= 1 << 16);

        var places = new List<int>();
        var recent = new List<int> { 1, 2, 3, 4 };
        int used = 0;
        bool wasRecent = false;
        while (true)
        {
            int run = Number("run", wasRecent ? 1 : 0);
            Must(run <= literals - used && run <= count - places.Count);
            for (int i = 0; i < run; i++)
                places.Add(used++);
            if (places.Count == count)
                break;

            int length;
            int distance;
            if (Bit($"new {wasRecent} {run == 0}") == 1)
            {
                length = Number("length", 0) + 1;
                distance = Number("distance", Math.Min(length - 1, 3)) + 1;
                recent.RemoveAt(3);
                wasRecent = false;
            }
            else
            {
                int which = 0;
                while (which < 3 && Bit($"place {which}") == 1)
                    which++;
                distance = recent[which];
                recent.RemoveAt(which);
                length = Number("recent length", 0) + 1;
                wasRecent = true;
            }

            recent.Insert(0, distance);
            Must(distance <= places.Count && length <= count - places.Count);
            for (int i = 0; i < length; i++)
                places.Add(-1 - (places.Count - distance));
        }

        Must(used == literals && at == end && state == 1 << 16);
        return [.. places];
    }

    private int Number(string kind, int context)
    {
        int b = 0;
        if (kind == "distance")
        {
            int bits = 1;
            for (int i = 0; i < 5; i++)
                bits = (2 * bits) + Bit($"{kind} class {context} {bits}");
            b = bits - 32;
            Must(b <= 24);
        }
        else
        {
            while (b < 24 && Bit($"{kind} class {context} {b}") == 1)
                b++;
        }

        int value = 1;
        for (int i = 0; i < Math.Min(b, 8); i++)
            value = (2 * value) + Bit($"{kind} high {b} {value}");
        for (int i = 8; i < b - 4; i++)
            value = (2 * value) + Decision(32767);
        int node = 1;
        for (int i = Math.Max(8, b - 4); i < b; i++)
        {
            int bit = Bit($"{kind} low {node}");
            node = (2 * node) + bit;
            value = (2 * value) + bit;
        }

        return value - 1;
    }

    // Section 5.8.2.
    private int Bit(string counter)
    {
        (int zeros, int ones) = counters.GetValueOrDefault(counter);
        int bit = Decision(((2 * ones) + 1) * 65536 / (2 * (zeros + ones + 1)));
        if (bit == 1)
            ones++;
        else
            zeros++;
        if (zeros + ones == 255)
            (zeros, ones) = ((zeros + 1) / 2, (ones + 1) / 2);
        counters[counter] = (zeros, ones);
        return bit;
    }

    // Section 5.6.2.
    private int Decision(int p)
    {
        ulong s = state % 65536;
        ulong h = state / 65536;
        int bit = s < (ulong)p ? 1 : 0;
        state = bit == 1 ? ((ulong)p * h) + s : ((ulong)(65536 - p) * h) + s - (ulong)p;
        if (state < 1 << 24 && end - at >= 2)
        {
            state = (state << 16) + file[at] + (256UL * file[at + 1]);
            at += 2;
        }

        return bit;
    }

    private static void Must(bool condition)
    {
        if (!condition)
            throw new FormatException("repeats");
    }
}
