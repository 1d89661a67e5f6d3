using static TorchSharp.torch;

namespace Experiments;

/// <summary>Blanks input pixels with masks cut from a pool that is drawn once an epoch: torch's own dropout draws every number anew, which costs as much as the first layer.</summary>
internal sealed class InputDropout
{
    private const int PoolRows = 4096;

    private readonly Tensor? _pool;
    private readonly int _batchSize;
    private readonly Random _offsets;

    public InputDropout(double share, long inputs, int batchSize, Generator generator, int seed)
    {
        _batchSize = batchSize;
        _offsets = new Random(seed);
        if (share > 0)
            _pool = rand([PoolRows, inputs], generator: generator).ge(share).to_type(float32).mul(1 / (1 - share));
    }

    /// <summary>Blanks in place and returns the same tensor.</summary>
    public Tensor Apply(Tensor images)
    {
        if (_pool is null)
            return images;
        using var mask = _pool.narrow(0, _offsets.Next(PoolRows - _batchSize), images.shape[0]);
        return images.mul_(mask);
    }
}
