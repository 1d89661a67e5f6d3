namespace NeuralCompression.Codec.Tests.Robustness;

/// <summary>One kind of file under attack: valid ones to start from, how to change them, and what may come of reading them.</summary>
internal abstract class MutationTarget : IDisposable
{
    /// <summary>The kinds there are.</summary>
    internal static IReadOnlyList<string> Names { get; } = ["models", "manifests", "updates", "safetensors", "safetensors-index", "torchsharp"];

    /// <summary>Files that are accepted.</summary>
    internal abstract IReadOnlyList<byte[]> Files { get; }

    /// <summary>The end of the names of such files.</summary>
    internal abstract string Extension { get; }

    /// <summary>In how many ways a file can be read.</summary>
    internal virtual int Ways => 1;

    /// <summary>The codes of its refusals.</summary>
    internal virtual Type Errors => typeof(ContainerError);

    /// <summary>What <see cref="Reading.Reached"/> may hold.</summary>
    internal virtual IEnumerable<string> Places => [];

    /// <summary>Makes the target of that name; dispose it.</summary>
    internal static MutationTarget Create(string name) => name switch
    {
        "models" => new ModelTarget(),
        "manifests" => new ManifestTarget(),
        "updates" => new UpdateTarget(),
        "safetensors" => InterchangeTarget.Safetensors(),
        "safetensors-index" => InterchangeTarget.SafetensorsIndex(),
        "torchsharp" => InterchangeTarget.TorchSharp(),
        _ => throw new ArgumentException($"There is no target '{name}': {string.Join(", ", Names)}."),
    };

    /// <summary>Changes a file, which need not be valid.</summary>
    internal abstract byte[] Mutate(byte[] file, IReadOnlyList<byte[]> others, XorShift random);

    /// <summary>Reads all of a file. What is not documented escapes.</summary>
    /// <param name="file">The file.</param>
    /// <param name="way">Less than <see cref="Ways"/>.</param>
    internal Reading Read(byte[] file, int way)
    {
        var reading = new Reading();
        reading.Refusal = Refusals.Of(() => Read(file, way, reading), Errors, IsRefusal);
        return reading;
    }

    /// <summary>Looks closer at a file that was accepted: throws where what it holds does not come through.</summary>
    internal virtual void Examine(byte[] file)
    {
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    private protected virtual void Dispose(bool disposing)
    {
    }

    private protected abstract void Read(byte[] file, int way, Reading reading);

    /// <summary>Whether an exception without a code is a refusal that the reader documents.</summary>
    private protected virtual bool IsRefusal(Exception exception) => exception is NotSupportedException;

    /// <summary>What came of reading a file.</summary>
    internal sealed class Reading
    {
        /// <summary>Why the file was refused; null where it was accepted.</summary>
        internal Exception? Refusal { get; set; }

        /// <summary>What was reached in it.</summary>
        internal HashSet<string> Reached { get; } = [];

        /// <summary>What reading may have allocated at most; bytes.</summary>
        internal long MostBytes { get; set; }

        /// <summary>The basic blocks of the library that reading may have run at most.</summary>
        internal long MostBlocks { get; set; }
    }
}
