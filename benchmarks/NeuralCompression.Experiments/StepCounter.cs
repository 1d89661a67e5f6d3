namespace Experiments;

/// <summary>Counts optimizer steps, on which all schedules run.</summary>
internal sealed class StepCounter(long images, int batchSize)
{
    private long _steps;

    public long StepsPerEpoch { get; } = (images + batchSize - 1) / batchSize;

    public double Epochs => (double)_steps / StepsPerEpoch;

    public void StartAt(int epoch) => _steps = epoch * StepsPerEpoch;

    public void Done()
    {
        // Numbers passed to libtorch are small native blocks that only a finalizer frees, and a training loop allocates so little managed memory
        // that the collector would not run for minutes.
        if (++_steps % 50 == 0)
        {
            GC.Collect(0);
            GC.WaitForPendingFinalizers();
        }
    }
}
