namespace NeuralCompression.TrainingBenchmarks;

/// <summary>Times of several actions, taken in turns, so that a change of the machine's load meets all of them.</summary>
internal static class Medians
{
    // Rounds before any counts: by then the compiler has made its fast code, as in a training of thousands of steps.
    private const int WarmUp = 20;

    /// <summary>Median of every action over the rounds, each of so many repetitions.</summary>
    /// <param name="clock">Milliseconds since some time.</param>
    public static double[] Milliseconds(Func<double> clock, int rounds, int repetitions, params ReadOnlySpan<Action> actions)
    {
        var times = new double[actions.Length][];
        for (int a = 0; a < actions.Length; a++)
        {
            times[a] = new double[rounds];
        }

        for (int round = -WarmUp; round < rounds; round++)
        {
            for (int a = 0; a < actions.Length; a++)
            {
                double start = clock();
                for (int i = 0; i < repetitions; i++)
                {
                    actions[a]();
                }

                times[a][Math.Max(round, 0)] = (clock() - start) / repetitions;
            }
        }

        return Array.ConvertAll(times, t => t.Order().ElementAt(t.Length / 2));
    }
}
