using System.Text;

namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>Changes JSON by its tokens, so that most of what comes of it is still JSON, and where it is not, only just.</summary>
internal static class JsonMutator
{
    /// <summary>Every place that a token may have, with what parsers stumble over.</summary>
    private static readonly string[] Tokens =
    [
        "0", "1", "2", "8", "-1", "-0", "00", "1.0", "1e2", "1E400", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616", "99999999999999999999999999",
        "null", "true", "false", "NaN", "[]", "{}", "[[[[[[[[[[", "]]]]", "}", "{", "[", ",", ":", " ", "\n", "\t", "//", "/*", "\u0000", "\uFEFF",
        "\"\"", "\"a\"", "\"..\"", "\"a.ncm\"", "\"../a\"", "\"\\ud800\"", "\"\\u0000\"", "\"\\\"", "\"__metadata__\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"weight_map\"",
        "\"F32\"", "\"F4\"", "\"F6_E2M3\"", "\"C64\"", "\"I64\"", "\"U8\"", "\"BF16\"", "\"f32\"", "\"\\u0046\\u00332\"", "\"version\"", "\"shards\"", "\"length\"",
    ];

    /// <summary>Changes one to four tokens, or now and then bytes.</summary>
    internal static byte[] Change(ReadOnlySpan<byte> json, IReadOnlyList<byte[]> others, XorShift random)
    {
        if (random.Next(8) == 0)
            return Mutator.Bytes(json.ToArray(), others, random, front: json.Length);
        List<byte[]> tokens = Split(json);
        int times = 1 + random.Next(4);
        for (int i = 0; i < times && tokens.Count > 0; i++)
        {
            int at = random.Next(tokens.Count);
            int other = random.Next(tokens.Count);
            switch (random.Next(16))
            {
                case 0:
                    tokens[at] = Encoding.UTF8.GetBytes(Tokens[random.Next(Tokens.Length)]);
                    break;
                case 1:
                    tokens.Insert(at, Encoding.UTF8.GetBytes(Tokens[random.Next(Tokens.Length)]));
                    break;
                case 2:
                    tokens.RemoveRange(at, Math.Min(1 + random.Next(4), tokens.Count - at));
                    break;
                case 3:
                    // A whole entry twice, for example.
                    tokens.InsertRange(at, tokens.GetRange(other, Math.Min(1 + random.Next(32), tokens.Count - other)));
                    break;
                case 4:
                    (tokens[at], tokens[other]) = (tokens[other], tokens[at]);
                    break;
                case 5:
                case 6:
                case 7:
                case 8:
                    // Another value where there is one: a number by a number, a text by a text.
                    byte[][] values = [.. Tokens.Select(Encoding.UTF8.GetBytes).Where(token => Kind(token) == Kind(tokens[at]))];
                    if (values.Length > 0)
                        tokens[at] = values[random.Next(values.Length)];
                    break;
                default:
                    byte[][] like = [.. tokens.Where(token => Kind(token) == Kind(tokens[at]))];
                    tokens[at] = like[random.Next(like.Length)];
                    break;
            }
        }

        return [.. tokens.SelectMany(token => token)];
    }

    private static char Kind(byte[] token) => char.IsAsciiDigit((char)token[0]) || token[0] == (byte)'-' ? '0' : char.IsAsciiLetter((char)token[0]) ? 'a' : (char)token[0];

    // Strings, runs of digits and letters, and everything else by itself.
    private static List<byte[]> Split(ReadOnlySpan<byte> json)
    {
        var tokens = new List<byte[]>();
        while (!json.IsEmpty)
        {
            int length = 1;
            if (json[0] == (byte)'"')
            {
                while (length < json.Length && json[length] != (byte)'"')
                    length += json[length] == (byte)'\\' ? 2 : 1;
                length = Math.Min(length + 1, json.Length);
            }
            else if (char.IsAsciiLetterOrDigit((char)json[0]))
            {
                while (length < json.Length && char.IsAsciiLetterOrDigit((char)json[length]))
                    length++;
            }

            tokens.Add(json[..length].ToArray());
            json = json[length..];
        }

        return tokens;
    }
}
