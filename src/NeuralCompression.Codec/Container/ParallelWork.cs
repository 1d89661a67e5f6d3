using System.Runtime.ExceptionServices;

namespace NeuralCompression.Codec.Container;

/// <summary>Independent pieces of work on a few threads, the calling one among them.</summary>
internal static class ParallelWork
{
    /// <summary>Does every piece once, without blocking the calling thread; otherwise as <see cref="Run"/>.</summary>
    internal static async Task RunAsync(int count, int threads, Func<int, ValueTask> piece, CancellationToken cancellationToken)
    {
        int next = -1;
        int failedPiece = int.MaxValue;
        ExceptionDispatchInfo? failure = null;
        Lock gate = new();
        var workers = new Task[Math.Min(threads, count)];
        for (int i = 0; i < workers.Length; i++)
            workers[i] = Task.Run(Work, CancellationToken.None);
        await Task.WhenAll(workers).ConfigureAwait(false);
        failure?.Throw();

        async Task Work()
        {
            while (Volatile.Read(ref failure) is null)
            {
                int index = Interlocked.Increment(ref next);
                if (index >= count)
                    return;
                try
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await piece(index).ConfigureAwait(false);
                }
#pragma warning disable CA1031 // Kept, and thrown to the caller.
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    lock (gate)
                    {
                        if (index < failedPiece)
                        {
                            failedPiece = index;
                            failure = ExceptionDispatchInfo.Capture(exception);
                        }
                    }
                }
            }
        }
    }

    /// <summary>Does every piece once. After a failure no further piece begins, and the failure of the first piece in order is thrown as it was.</summary>
    internal static void Run(int count, int threads, Action<int> piece, CancellationToken cancellationToken)
    {
        int next = -1;
        int failedPiece = int.MaxValue;
        ExceptionDispatchInfo? failure = null;
        Lock gate = new();
        var helpers = new Task[Math.Max(0, Math.Min(threads, count) - 1)];
        for (int i = 0; i < helpers.Length; i++)
            helpers[i] = Task.Run(Work, CancellationToken.None);
        Work();
        Task.WaitAll(helpers, CancellationToken.None);
        failure?.Throw();

        void Work()
        {
            while (Volatile.Read(ref failure) is null)
            {
                int index = Interlocked.Increment(ref next);
                if (index >= count)
                    return;
                try
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    piece(index);
                }
#pragma warning disable CA1031 // Kept, and thrown on the calling thread.
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    lock (gate)
                    {
                        if (index < failedPiece)
                        {
                            failedPiece = index;
                            failure = ExceptionDispatchInfo.Capture(exception);
                        }
                    }
                }
            }
        }
    }
}
