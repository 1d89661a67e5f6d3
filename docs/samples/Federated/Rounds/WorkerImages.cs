using TrainAndCompress;

namespace Federated.Rounds;

/// <summary>The data, read once in a process.</summary>
internal static class WorkerImages
{
    private static readonly Lock Gate = new();
    private static (string Folder, IdxDataSet Set)? _loaded;

    public static IdxDataSet Load(string folder)
    {
        lock (Gate)
        {
            if (_loaded is not { } loaded || loaded.Folder != folder)
                _loaded = loaded = (folder, IdxDataSet.Load(folder));
            return loaded.Set;
        }
    }

    /// <summary>The images of one worker, which no other has.</summary>
    public static Split Of(int worker, RoundSettings settings)
    {
        Split all = Load(settings.Data).Train;
        long first = (long)worker * settings.ImagesPerWorker;
        return new Split(all.Images.narrow(0, first, settings.ImagesPerWorker), all.Labels.narrow(0, first, settings.ImagesPerWorker));
    }
}
