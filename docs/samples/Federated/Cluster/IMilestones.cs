namespace Federated.Cluster;

/// <summary>The program that watches: is told how far the work is, and answers by doing nothing or by ending the process that tells.</summary>
internal interface IMilestones : IGrainObserver
{
    public Task ReachedAsync(string silo, string milestone);
}
