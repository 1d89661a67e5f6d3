namespace NeuralCompression.Codec;

/// <summary>The numbers that stand for element types in TorchSharp's files: those of torch's scalar types.</summary>
internal static class TorchSharpTypes
{
    private static readonly (int Number, SafetensorsType Type)[] Rows =
    [
        (0, SafetensorsType.U8),
        (1, SafetensorsType.I8),
        (2, SafetensorsType.I16),
        (3, SafetensorsType.I32),
        (4, SafetensorsType.I64),
        (5, SafetensorsType.F16),
        (6, SafetensorsType.F32),
        (7, SafetensorsType.F64),
        (9, SafetensorsType.C64),
        (11, SafetensorsType.Bool),
        (15, SafetensorsType.BF16),
    ];

    internal static SafetensorsType? FromNumber(long number) => Array.Find(Rows, row => row.Number == number) is { } row && row.Number == number ? row.Type : null;

    internal static int? ToNumber(SafetensorsType type) => Array.FindIndex(Rows, row => row.Type == type) is int index and >= 0 ? Rows[index].Number : null;
}
