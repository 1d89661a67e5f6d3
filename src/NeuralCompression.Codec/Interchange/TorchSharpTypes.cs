namespace NeuralCompression.Codec;

/// <summary>The numbers that stand for element types in TorchSharp's files: those of torch's scalar types.</summary>
internal static class TorchSharpTypes
{
    private static readonly (int Number, InterchangeType Type)[] Rows =
    [
        (0, InterchangeType.U8),
        (1, InterchangeType.I8),
        (2, InterchangeType.I16),
        (3, InterchangeType.I32),
        (4, InterchangeType.I64),
        (5, InterchangeType.F16),
        (6, InterchangeType.F32),
        (7, InterchangeType.F64),
        (9, InterchangeType.C64),
        (11, InterchangeType.Bool),
        (15, InterchangeType.BF16),
    ];

    internal static InterchangeType? FromNumber(long number) => Array.Find(Rows, row => row.Number == number) is { } row && row.Number == number ? row.Type : null;

    internal static int? ToNumber(InterchangeType type) => Array.FindIndex(Rows, row => row.Type == type) is int index and >= 0 ? Rows[index].Number : null;
}
