using System.Diagnostics;
using System.Runtime.InteropServices;

namespace NeuralCompression.TrainingBenchmarks;

/// <summary>The processor time of the calling thread: what else a shared machine does stays out of the figures. It says nothing about work on several threads.</summary>
internal static unsafe class ThreadClock
{
    /// <summary>The clock for work on so many threads: processor time of this one if it does everything, else the time on the wall.</summary>
    public static Func<double> For(int threads) => threads == 1 ? () => Milliseconds : () => Stopwatch.GetTimestamp() * 1e3 / Stopwatch.Frequency;

    // Clock 3 of Linux.
    private const int ThreadTime = 3;

    /// <summary>Milliseconds since the thread began.</summary>
    public static double Milliseconds
    {
        get
        {
            long* time = stackalloc long[2];
            _ = clock_gettime(ThreadTime, time);
            return (time[0] * 1e3) + (time[1] * 1e-6);
        }
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int clock_gettime(int clock, long* time);
}
