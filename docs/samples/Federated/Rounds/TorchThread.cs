using TorchSharp;

namespace Federated.Rounds;

/// <summary>Where torch works: one job at a time on a thread that is neither the grain's nor of the pool, so that the silo goes on answering while a worker trains.</summary>
internal static class TorchThread
{
    private static readonly SemaphoreSlim Turn = new(1);

    public static async Task<T> RunAsync<T>(Func<T> work)
    {
        await Turn.WaitAsync();
        try
        {
            return await Task.Factory.StartNew(
                () =>
                {
                    // How many threads share a sum decides the order it is added up in, and so its last bits.
                    torch.set_num_threads(1);
                    return work();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            Turn.Release();
        }
    }

    public static Task RunAsync(Action work) => RunAsync(() =>
    {
        work();
        return true;
    });
}
