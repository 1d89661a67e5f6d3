using System.Diagnostics.Tracing;

namespace NeuralCompression.Diagnostics;

/// <summary>What a session does, rarely enough to be logged: the source <c>NeuralCompression</c>, described in docs/hosting.md.</summary>
[EventSource(Name = "NeuralCompression")]
internal sealed class CompressionEventSource : EventSource
{
    private CompressionEventSource()
    {
    }

    public static CompressionEventSource Log { get; } = new();

    [Event(1, Level = EventLevel.Informational, Message = "A session compresses {1} tensors of {2} weights of {0}.")]
    public void SessionStarted(string module, int tensors, long weights) => WriteEvent(1, module, tensors, weights);

    [Event(2, Level = EventLevel.Informational, Message = "{0}, step {1}: the phase is now '{2}'.")]
    public void PhaseStarted(string module, long step, string phase) => WriteEvent(2, module, step, phase);

    [Event(3, Level = EventLevel.Informational, Message = "{0}, step {1}: zeros are frozen.")]
    public void ZerosFrozen(string module, long step) => WriteEvent(3, module, step);

    [Event(4, Level = EventLevel.Informational, Message = "{0}, step {1}: levels are fixed.")]
    public void LevelsFixed(string module, long step) => WriteEvent(4, module, step);

    [Event(5, Level = EventLevel.Verbose, Message = "{0}, step {1}: the file would weigh {2} bytes; the budget multiplies the strength by {3}.")]
    public void Measured(string module, long step, long bytes, double budgetFactor) => WriteEvent(5, module, step, bytes, budgetFactor);

    [Event(6, Level = EventLevel.Warning, Message = "{0}: {2} bytes is over the budget of {1}; even with all weights zero the file has {3}.")]
    public void BudgetMissed(string module, long targetBytes, long bytes, long floorBytes) => WriteEvent(6, module, targetBytes, bytes, floorBytes);

    [Event(7, Level = EventLevel.Informational, Message = "{0}: saved in {1} bytes instead of {2}.")]
    public void Saved(string module, long bytes, long originalBytes) => WriteEvent(7, module, bytes, originalBytes);
}
