namespace NeuralCompression.Codec;

/// <summary>Finds the finest steps whose file is short enough, all steps being one multiple of what they are the steps of.</summary>
internal static class StepBudget
{
    // Multiples of the root mean square between which a byte budget is sought: fine enough to be nearly lossless, coarse enough to leave nothing.
    private const double FinestStep = 1.0 / 4096;
    private const double CoarsestStep = 64;
    private const int Attempts = 12;

    // A file that uses so much of its budget is good enough.
    private const double Use = 0.99;

    // log2(sqrt(2 pi e)): bits of a normal weight whose step is its standard deviation.
    private const double NormalEntropyAtOne = 2.047;

    /// <param name="target">What the file may weigh; bytes.</param>
    /// <param name="lengthAt">Length of the file at a multiple of the root mean square; bytes.</param>
    /// <param name="weights">How many weights are quantised; asked for after the first length.</param>
    /// <returns>The multiple.</returns>
    /// <exception cref="ArgumentException">Even the coarsest steps give a longer file.</exception>
    internal static double Find(long target, Func<double, long> lengthAt, Func<double> weights)
    {
        long coarsest = lengthAt(CoarsestStep);
        if (coarsest > target)
            throw new ArgumentException(FormattableString.Invariant($"{target} bytes cannot be reached: what is not quantised, and the index, take {coarsest}. Quantise more tensors or allow more bytes."));

        // log2 of the step: the one that fits, the one that does not, and how many bytes they take. Half a step is a bit less of each weight.
        (double At, double Bytes) fits = (Math.Log2(CoarsestStep), coarsest);
        (double At, double Bytes)? exceeds = null;
        double count = Math.Max(1, weights());
        double at = NormalEntropyAtOne - (8.0 * (target - coarsest) / count);
        for (int attempt = 0; attempt < Attempts && fits.Bytes < target * Use && fits.At > Math.Log2(FinestStep); attempt++)
        {
            at = Math.Clamp(at, Math.Log2(FinestStep), Math.Log2(CoarsestStep));
            long bytes = lengthAt(double.Exp2(at));
            if (bytes <= target)
                fits = (at, bytes);
            else
                exceeds = (at, bytes);

            double wanted = target * (1 + Use) / 2;
            if (exceeds is var (finer, more))
            {
                // Between the two, but a tenth of their distance away from either, so that a bent curve is bisected in time.
                double share = Math.Clamp((wanted - more) / (fits.Bytes - more), 0.1, 0.9);
                at = finer + (share * (fits.At - finer));
            }
            else
            {
                at = fits.At - Math.Max(0.01, 8 * (wanted - bytes) / count);
            }
        }

        return double.Exp2(fits.At);
    }
}
