using System.IO.Compression;
using System.Numerics;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>Codes the symbols that do not repeat; they have the range of all, since the first of every kind is among them.</summary>
internal readonly struct SymbolLiterals<T>(int min, int max, CompressionLevel level = CompressionLevel.Optimal) : ILiteralCoder<T>
    where T : struct, IBinaryInteger<T>
{
    public EncodedTensor Encode(ReadOnlySpan<T> literals) => SymbolCoder.EncodeLiterals(literals, min, max, level);

    public void Decode(Coding coding, ReadOnlySpan<byte> payload, Span<T> literals) => SymbolCoder.Decode(coding, payload, [literals.Length], min, max, literals);

    public int RawLength(int literals) => (int)SymbolCoder.RawLength(literals, min, max);

    public bool Allows(Coding coding) => coding.IsAllowed(hasGrid: true) && coding is not (Coding.Constant or Coding.Repeats);
}
