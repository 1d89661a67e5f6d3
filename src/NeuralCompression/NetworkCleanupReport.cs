namespace NeuralCompression;

/// <summary>What folding norms or removing dead units did.</summary>
/// <param name="FoldedNorms">Norms folded into the layer before.</param>
/// <param name="ConstantUnits">Units without incoming weights, whose constant went into the next bias.</param>
/// <param name="UnusedUnits">Units without outgoing weights, which lost their row.</param>
/// <param name="Skipped">What was left alone, with the reason; one line each, empty if nothing was.</param>
/// <remarks>Source: this project.</remarks>
public sealed record NetworkCleanupReport(int FoldedNorms, int ConstantUnits, int UnusedUnits, IReadOnlyList<string> Skipped);
