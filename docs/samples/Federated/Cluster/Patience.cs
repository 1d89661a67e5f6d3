using System.Diagnostics;

namespace Federated.Cluster;

/// <summary>Calls that outlast the death of a silo.</summary>
internal static class Patience
{
    // The cluster needs seconds to agree that a silo is dead. Whoever gives no answer for so long never will.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    /// <summary>Calls until there is an answer. The call must do no harm when it is made twice: the silo may have died before the work, or between the work and the answer.</summary>
    public static async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception error) when (error is OrleansException or TimeoutException && Stopwatch.GetElapsedTime(start) < Limit)
            {
                await Task.Delay(Pause);
            }
        }
    }
}
