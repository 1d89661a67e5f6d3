using TrainAndCompress;
using static TorchSharp.torch;

namespace Experiments;

/// <summary>What a run trains on, validates on and, once, is tested on.</summary>
internal sealed record TrainingImages(Tensor Images, Tensor Labels, Split Validation, Split Test)
{
    public long Count => Labels.shape[0];

    public static TrainingImages Load(bool trainOnAll)
    {
        var data = IdxDataSet.Load(Path.Combine(AppContext.BaseDirectory, "data", "mnist"));
        return trainOnAll
            ? new(cat([data.Train.Images, data.Validation.Images]), cat([data.Train.Labels, data.Validation.Labels]), data.Validation, data.Test)
            : new(data.Train.Images, data.Train.Labels, data.Validation, data.Test);
    }

    /// <summary>Indices of the training images in random order, in batches; the last one may be smaller.</summary>
    public IEnumerable<Tensor> Shuffled(int batchSize, Generator generator)
    {
        using var order = randperm(Count, int64, generator: generator);
        for (long start = 0; start < Count; start += batchSize)
        {
            using var batch = order.narrow(0, start, Math.Min(batchSize, Count - start));
            yield return batch;
        }
    }
}
