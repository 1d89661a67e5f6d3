namespace Federated.Cluster;

/// <summary>Waits for milestones at which it kills the silo that reaches them: the work is interrupted at the same places in every run, however busy the machine is.</summary>
internal sealed class Watch : IMilestones, IDisposable
{
    private readonly LocalCluster _cluster;
    private readonly HashSet<string> _killAt;
    private readonly Lock _gate = new();

    /// <param name="cluster">The silos.</param>
    /// <param name="killAt">At each of these the silo that reaches it first is killed.</param>
    public Watch(LocalCluster cluster, IEnumerable<string> killAt)
    {
        _cluster = cluster;
        _killAt = [.. killAt];
        Reference = cluster.Grains.CreateObjectReference<IMilestones>(this);
    }

    /// <summary>What grains are given to report to.</summary>
    public IMilestones Reference { get; }

    public async Task ReachedAsync(string silo, string milestone)
    {
        lock (_gate)
        {
            if (!_killAt.Remove(milestone))
                return;
        }

        await _cluster.KillAsync(silo);
        Console.WriteLine($"  {silo} killed: {milestone}");
    }

    /// <summary>Fails where the run was not as disturbed as it should have been.</summary>
    public void CheckAllReached()
    {
        if (_killAt.Count > 0)
            throw new InvalidOperationException($"Never reached: {string.Join(", ", _killAt)}.");
    }

    public void Dispose() => _cluster.Grains.DeleteObjectReference<IMilestones>(Reference);
}
