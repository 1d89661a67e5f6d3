namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>What readers may throw for a bad file, and nothing else.</summary>
internal static class Refusals
{
    /// <summary>Reads. Null when the file was accepted, the exception when it was refused as documented; anything else escapes.</summary>
    /// <param name="read">Reads the file.</param>
    /// <param name="errors">The enumeration that its codes come from; those of compressed models come with an offset.</param>
    /// <param name="others">Refusals without a code; default <see cref="NotSupportedException"/>.</param>
    internal static Exception? Of(Action read, Type errors, Func<Exception, bool>? others = null)
    {
        try
        {
            read();
            return null;
        }
        catch (InvalidDataException exception)
        {
            if (exception.Data[Invalid.ErrorKey] is not Enum error || error.GetType() != errors || !Enum.IsDefined(errors, error))
                throw new InvalidOperationException("An InvalidDataException without an error code.", exception);
            if (error is ContainerError && exception.Data[Invalid.OffsetKey] is not long)
                throw new InvalidOperationException("An InvalidDataException without an offset.", exception);
            return exception;
        }
        catch (Exception exception) when (others is null ? exception is NotSupportedException : others(exception))
        {
            return exception;
        }
    }
}
