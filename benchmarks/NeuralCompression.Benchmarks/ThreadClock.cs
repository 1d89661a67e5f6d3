using Perfolizer.Horology;

namespace NeuralCompression.Benchmarks;

/// <summary>The processor time of the calling thread, where the system tells it: what else a shared machine does stays out of the figures.</summary>
internal sealed class ThreadClock : IClock
{
    public string Title => "processor time of the thread";

    public bool IsAvailable => OperatingSystem.IsLinux();

    public Frequency Frequency => new(1e9);

    public long GetTimestamp() => (long)(KernelTable.ThreadTime() * 1e9);
}
