using static TorchSharp.torch;

namespace NeuralCompression.Networks;

/// <summary>Which modules of a tree are in training mode, to be put back later.</summary>
internal readonly struct TrainingModes
{
    private readonly List<(nn.Module Module, bool Training)> _modes;

    private TrainingModes(List<(nn.Module Module, bool Training)> modes) => _modes = modes;

    public static TrainingModes Of(nn.Module root) => new([(root, root.training), .. root.modules().Where(m => !ReferenceEquals(m, root)).Select(m => (m, m.training))]);

    // train() goes down the tree, and parents come first, so children end as they were.
    public void Restore() => _modes.ForEach(m => m.Module.train(m.Training));
}
