using System.Diagnostics.Tracing;

namespace NeuralCompression.Codec;

/// <summary>Files opened and written: the source <c>NeuralCompression.Codec</c>, described in docs/hosting.md.</summary>
[EventSource(Name = "NeuralCompression.Codec")]
internal sealed class CodecEventSource : EventSource
{
    private CodecEventSource()
    {
    }

    public static CodecEventSource Log { get; } = new();

    [Event(1, Level = EventLevel.Informational, Message = "A file with {0} tensors was opened; the kernel is {1}.")]
    public void FileOpened(int tensors, string kernel) => WriteEvent(1, tensors, kernel);

    [Event(2, Level = EventLevel.Informational, Message = "A file with {0} tensors was written: {1} bytes instead of {2}.")]
    public void FileWritten(int tensors, long bytes, long originalBytes) => WriteEvent(2, tensors, bytes, originalBytes);
}
