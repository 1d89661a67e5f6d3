using System.Diagnostics.CodeAnalysis;

namespace NeuralCompression.Codec;

/// <summary>Makes the one exception a damaged or hostile file may cause.</summary>
internal static class Invalid
{
    internal const string ErrorKey = "NeuralCompression.Error";
    internal const string TensorKey = "NeuralCompression.Tensor";
    internal const string OffsetKey = "NeuralCompression.Offset";
    internal const string LimitKey = "NeuralCompression.Limit";

    internal static InvalidDataException Data(ContainerError error, string message, long? offset = null)
    {
        var exception = new InvalidDataException(message);
        exception.Data[ErrorKey] = error;
        if (offset is long at)
            exception.Data[OffsetKey] = at;
        return exception;
    }

    [DoesNotReturn]
    internal static void Throw(ContainerError error, string message) => throw Data(error, message);

    internal static InvalidDataException Limit(string limit, string message, long? offset = null)
    {
        var exception = Data(ContainerError.LimitExceeded, message, offset);
        exception.Data[LimitKey] = limit;
        return exception;
    }
}
