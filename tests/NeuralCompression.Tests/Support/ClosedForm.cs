namespace NeuralCompression.Tests.Support;

/// <summary>The formulas of docs/training.md, section "The objective", in plain doubles: what the library is compared with.</summary>
internal static class ClosedForm
{
    public static double L1(IEnumerable<double> m) => m.Sum(Math.Abs);

    public static double L2(IEnumerable<double> m) => Math.Sqrt(m.Sum(x => x * x));

    public static double Ratio(double[] m) => L2(m) == 0 ? 0 : L1(m) / L2(m);

    /// <summary>loss(m) of the table, with a strength for every weight where there are any.</summary>
    public static double Loss(double[] m, LossOptions options, double[]? strengths = null)
    {
        double ratio = L2(m) == 0 ? 0 : L1(Weighted(m, strengths)) / L2(m);
        double value = options.Variant == LossVariant.SquaredRatio ? ratio * ratio : ratio;
        return options.Weighting == LossWeighting.Rate ? value * ratio : value;
    }

    /// <summary>∂loss/∂m of the table.</summary>
    public static double[] Gradient(double[] m, LossOptions options, double[]? strengths = null)
    {
        double l1 = L1(Weighted(m, strengths));
        double l2 = L2(m);
        if (l2 == 0)
        {
            return new double[m.Length];
        }

        double critical = l2 * l2 / l1;
        double scale = options.Variant == LossVariant.SquaredRatio ? 2 * l1 / l2 : 1;
        scale *= options.Weighting == LossWeighting.Rate ? l1 / l2 : 1;
        return [.. m.Select((x, i) =>
        {
            double s = strengths?[i] ?? 1;
            return options.Growth == LossGrowth.ShrinkOnly && Math.Abs(x) > s * critical ? 0 : scale * ((s * Math.Sign(x)) - (x * l1 / (l2 * l2))) / l2;
        })];
    }

    private static IEnumerable<double> Weighted(double[] m, double[]? strengths) => strengths is null ? m : m.Zip(strengths, (x, s) => x * s);

    /// <summary>Central difference of a function of one coordinate.</summary>
    public static double Difference(Func<double, double> function, double at, double step) =>
        (function(at + step) - function(at - step)) / (2 * step);
}
