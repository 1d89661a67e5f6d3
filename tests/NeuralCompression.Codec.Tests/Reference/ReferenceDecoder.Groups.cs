namespace NeuralCompression.Codec.Tests.Reference;

/// <content>Section 5.7: several neighbouring symbols as one token.</content>
internal sealed partial class ReferenceDecoder
{
    private void Groups(Tensor tensor, int end)
    {
        int n = tensor.Count;
        int m = tensor.Max - tensor.Min + 1;
        Must(tensor.Min >= -128 && tensor.Max <= 127, "symbols of 8 bits");
        int parameters = U8();
        int p = 1 << (parameters % 4);
        Must(p > 1 && p <= (m <= 4 ? 8 : m <= 16 ? 4 : 2) && p <= n, "group size");
        bool hasEscape = (parameters & 4) != 0;
        bool isNear = parameters >= 128;
        int filler = isNear || hasEscape ? U8() : 0;
        Must(filler < m, "filler");
        int r = (parameters >> 3) % 16;
        List<long> numbers = isNear ? Near(m, p, r, filler) : Listed(m, p, r, end);
        int listed = numbers.Count;
        int alphabet = listed + (hasEscape ? 1 : 0);
        Must(alphabet is >= 2 and <= 256, "groups with a token");

        int escapes = hasEscape ? Int() : 0;
        Must(!hasEscape || (escapes >= 1 && escapes <= n / p), "escapes");
        int[] masks = hasEscape ? Plane(U8(), escapes) : [];
        Must(masks.All(mask => mask < 1 << p), "mask");
        int apartCount = masks.Sum(mask => Enumerable.Range(0, p).Count(j => (mask >> j) % 2 == 1)) + (n % p);
        var apart = new Queue<int>(apartCount == 0 ? [] : Plane(U8(), apartCount));
        Must(apart.All(digit => digit < m), "digit");

        int[] tokens = Rans(n / p, alphabet);
        Must(tokens.Count(token => token == listed) == escapes, "number of escapes");
        int escaped = -1;
        for (int i = 0; i < n; i++)
        {
            bool isRest = i / p == tokens.Length;
            int token = isRest ? listed : tokens[i / p];
            if (token == listed && i % p == 0)
                escaped++;
            bool isApart = isRest || (token == listed && (masks[escaped] >> (i % p)) % 2 == 1);
            long digit = isApart ? apart.Dequeue() : token == listed ? filler : numbers[token] / (long)Math.Pow(m, i % p) % m;
            tensor.Symbols[i] = (int)digit + tensor.Min;
        }

        Must(at == end, "payload goes on");
    }

    private List<long> Listed(int m, int p, int r, int end)
    {
        int listed = U8() + 1;
        var bits = new BitField(file, at, end);
        var numbers = new List<long>();
        for (int i = 0; i < listed; i++)
        {
            long gap = (long)bits.Ones(most: 1 << 16) << r;
            numbers.Add((i == 0 ? 0 : numbers[i - 1] + 1) + gap + bits.Number(r));
        }

        Must(numbers[^1] < Math.Pow(m, p), "group number");
        at = bits.End();
        return numbers;
    }

    private static List<long> Near(int m, int p, int reach, int filler)
    {
        Must(reach <= p, "reach");
        int Distance(long number) => Enumerable.Range(0, p).Count(j => number / (long)Math.Pow(m, j) % m != filler);
        List<long> near = [.. Enumerable.Range(0, (int)Math.Pow(m, p)).Select(number => (long)number).Where(number => Distance(number) <= reach).OrderBy(Distance)];
        Must(near.Count <= 256, "near groups");
        return near;
    }
}
