using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>Which units of a full network stay in the one that is trained: [0] the inputs, then each layer's outputs, ascending.</summary>
internal sealed record UnitSelection(NetworkShape Full, long[][] Kept)
{
    public NetworkShape Reduced => Full.Resize([.. Kept.Select(k => k.Length)]);

    /// <summary>The strongest units: by the norm of their incoming weights times that of their outgoing ones.</summary>
    public static UnitSelection Choose(NetworkShape full, Module<Tensor, Tensor> teacher, Tensor images, Settings settings)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = teacher.state_dict();
        var kept = full.Sizes.Select(First).ToArray();
        if (!full.IsConvolutional && settings.InputActivity > 0)
            kept[0] = images.mean([0L]).ge(settings.InputActivity).nonzero().view(-1).data<long>().ToArray();
        for (int layer = 0; layer < settings.Units.Length; layer++)
        {
            var next = full.Layers[layer + 1];
            var incoming = weights[full.Layers[layer].Weight].flatten(1).square().sum(1);
            var outgoing = weights[next.Weight].view(next.Outputs, next.Inputs, next.WeightsPerPair).square().sum([0L, 2L]);
            var (_, strongest) = incoming.mul(outgoing).topk(settings.Units[layer]);
            kept[layer + 1] = [.. strongest.data<long>().ToArray().Order()];
        }

        return new UnitSelection(full, kept);
    }

    /// <summary>The first units of every hidden layer.</summary>
    public static UnitSelection FirstOf(NetworkShape full, IReadOnlyList<int> units) =>
        new(full, [First(full.Sizes[0]), .. units.Select(First), First(full.Sizes[^1])]);

    private static long[] First(int count) => [.. Enumerable.Range(0, count).Select(i => (long)i)];

    /// <summary>Images [n, inputs] with the columns the reduced network reads.</summary>
    public Tensor Select(Tensor images)
    {
        if (Full.IsConvolutional || Kept[0].Length == Full.Sizes[0])
            return images.alias();
        using var columns = tensor(Kept[0]);
        return images.index_select(1, columns);
    }

    /// <summary>Copies what the reduced network keeps of the full one.</summary>
    public void Copy(Module<Tensor, Tensor> full, Module<Tensor, Tensor> reduced)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (source, target) = (full.state_dict(), reduced.state_dict());
        for (int i = 0; i < Full.Layers.Count; i++)
        {
            var layer = Full.Layers[i];
            var (inputs, outputs) = (tensor(Kept[i]), tensor(Kept[i + 1]));
            var pairs = source[layer.Weight].view(layer.Outputs, layer.Inputs, layer.WeightsPerPair);
            target[layer.Weight].copy_(pairs.index_select(0, outputs).index_select(1, inputs).view(target[layer.Weight].shape));
            target[layer.Bias].copy_(source[layer.Bias].index_select(0, outputs));
        }
    }
}
