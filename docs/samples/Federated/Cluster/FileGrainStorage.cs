using System.Security.Cryptography;
using Orleans.Storage;

namespace Federated.Cluster;

/// <summary>Keeps the state of grains in a folder that all silos see. A cluster of several machines takes one of Orleans' own providers (databases, object stores) instead; the grains do not notice.</summary>
internal sealed class FileGrainStorage(string folder, IGrainStorageSerializer serializer) : IGrainStorage
{
    public const string Name = "files";

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        string path = PathOf(stateName, grainId);
        if (!File.Exists(path))
            return;
        byte[] content = await File.ReadAllBytesAsync(path);
        grainState.State = serializer.Deserialize<T>(new BinaryData(content));
        grainState.ETag = TagOf(content);
        grainState.RecordExists = true;
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        byte[] content = serializer.Serialize(grainState.State).ToArray();
        await ReplaceAsync(PathOf(stateName, grainId), grainState.ETag, content);
        grainState.ETag = TagOf(content);
        grainState.RecordExists = true;
    }

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        await ReplaceAsync(PathOf(stateName, grainId), grainState.ETag, content: null);
        grainState.State = Activator.CreateInstance<T>();
        grainState.ETag = null;
        grainState.RecordExists = false;
    }

    // One writer at a time in all processes, and only one who has seen what is there: two activations of one grain, which there can be for a moment after a silo has died, must not undo each other's work.
    private static async Task ReplaceAsync(string path, string? tag, byte[]? content)
    {
        using FileStream writer = await LockAsync(path + ".lock");
        string? stored = File.Exists(path) ? TagOf(await File.ReadAllBytesAsync(path)) : null;
        if (stored != tag)
            throw new InconsistentStateException("The state was changed by another activation.", stored ?? "", tag ?? "");
        if (content is null)
        {
            File.Delete(path);
            return;
        }

        // Renamed when it is whole, so that a process killed here leaves the old state.
        string temporary = path + ".tmp";
        await using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write))
        {
            await file.WriteAsync(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    // The system lets go of it when the process dies.
    private static async Task<FileStream> LockAsync(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(20);
            }
        }
    }

    private static string TagOf(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private string PathOf(string stateName, GrainId grainId) => Path.Combine(folder, $"{stateName}-{Uri.EscapeDataString(grainId.ToString())}.state");
}
