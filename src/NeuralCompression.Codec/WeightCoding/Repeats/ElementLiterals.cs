using System.IO.Compression;
using System.Numerics;
using System.Runtime.InteropServices;
using NeuralCompression.Codec.WeightCoding.Lossless;

namespace NeuralCompression.Codec.WeightCoding.Repeats;

/// <summary>Codes the elements that do not repeat, as whole numbers of their bytes.</summary>
internal readonly struct ElementLiterals<T>(ElementType type, CompressionLevel level = CompressionLevel.Optimal) : ILiteralCoder<T>
    where T : struct, IBinaryInteger<T>
{
    public EncodedTensor Encode(ReadOnlySpan<T> literals) => ElementCoder.EncodeLiterals(MemoryMarshal.AsBytes(literals), type, level);

    public void Decode(Coding coding, ReadOnlySpan<byte> payload, Span<T> literals) => ElementCoder.Decode(coding, payload, type, MemoryMarshal.AsBytes(literals));

    public int RawLength(int literals) => literals * type.Size();

    public bool Allows(Coding coding) => coding.IsAllowed(hasGrid: false) && coding is not (Coding.Constant or Coding.Repeats);
}
