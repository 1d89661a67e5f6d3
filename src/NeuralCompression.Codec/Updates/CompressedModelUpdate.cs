using NeuralCompression.Codec.Container;
using NeuralCompression.Codec.Updates;

namespace NeuralCompression.Codec;

/// <summary>Sends a new version of a model to those who have the one before: makes a small file of what has changed, and the new model of that file.</summary>
/// <remarks>
/// <para>An update fits one base only: the same tensors, shapes, grids, values and texts, at whatever level and by whatever means they came. Nothing is lost on the way, so that a chain of updates gives exactly the last
/// model, however many there are. Nor does it matter in how many files a model stands: a set is one model, of the tensors of its files in order. A tensor is left out where it has not changed, and is otherwise stored as what is added to the base, in an order that the base gives, or as it is, whichever is shorter.</para>
/// <para>Both ways decode the base twice and hold a few segments, at most about 200 MiB beside the coders' own memory. Thread-safe. Source: docs/format.md, section 18.</para>
/// </remarks>
public static class CompressedModelUpdate
{
    /// <summary>Makes an update that leads from one model to another.</summary>
    /// <param name="basePath">The model that the receivers have: a file, or the manifest of a set, whose name ends in <c>.ncms</c>.</param>
    /// <param name="nextPath">The model they shall have, a file or the manifest of a set.</param>
    /// <param name="updatePath">The file to write; it appears when it is whole. The suffix <c>.ncmu</c> is usual.</param>
    /// <param name="options">How hard to try; default: smallest size.</param>
    /// <param name="cancellationToken">Gives up: no file is left, one that stood there before stays whole.</param>
    /// <returns>What the update weighs.</returns>
    /// <exception cref="ArgumentException">A path is null or empty, or <paramref name="updatePath"/> is one of the models.</exception>
    /// <exception cref="InvalidDataException">A model is damaged, over a limit, or an update.</exception>
    /// <exception cref="NotSupportedException">A model has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read, or the folder not be written to.</exception>
    /// <remarks>Source: docs/format.md, section 18.</remarks>
    public static CompressedModelUpdateReport Create(string basePath, string nextPath, string updatePath, CompressedModelUpdateOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckPaths(basePath, nextPath, updatePath, nameof(updatePath));
        options ??= new CompressedModelUpdateOptions();
        using ModelContent baseModel = ModelContent.Open(basePath, options.Limits);
        using ModelContent next = ModelContent.Open(nextPath, options.Limits);
        using CompressedModelWriter writer = CompressedModelWriter.Create(updatePath, options.WriterOptions);
        return Create(baseModel, next, writer, options, cancellationToken);
    }

    /// <summary>Makes an update that leads from one model to another.</summary>
    /// <param name="baseModel">The model that the receivers have; decoded more than once.</param>
    /// <param name="next">The model they shall have; decoded more than once.</param>
    /// <param name="update">Receives the update, at the end and from its position on; left open.</param>
    /// <param name="options">How hard to try; default: smallest size.</param>
    /// <param name="cancellationToken">Gives up; what the stream then holds is not an update.</param>
    /// <returns>What the update weighs.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="update"/> cannot be written to.</exception>
    /// <exception cref="InvalidDataException">A model is damaged.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A model cannot be read or the stream not be written.</exception>
    /// <remarks>Source: docs/format.md, section 18.</remarks>
    public static CompressedModelUpdateReport Create(
        CompressedModelReader baseModel, CompressedModelReader next, Stream update, CompressedModelUpdateOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(baseModel);
        ArgumentNullException.ThrowIfNull(next);
        options ??= new CompressedModelUpdateOptions();
        using CompressedModelWriter writer = CompressedModelWriter.Create(update, options.WriterOptions, leaveOpen: true);
        using var baseContent = new ModelContent(baseModel);
        using var nextContent = new ModelContent(next);
        return Create(baseContent, nextContent, writer, options, cancellationToken);
    }

    /// <summary>Makes the new model of its base and an update.</summary>
    /// <param name="basePath">The model that the update was made from, a file or the manifest of a set.</param>
    /// <param name="updatePath">The update.</param>
    /// <param name="outputPath">The model to write; it appears when it is whole and checked. A name that ends in <c>.ncms</c> is that of the manifest of a set, whose other files are written beside it.</param>
    /// <param name="options">How hard to try; default: smallest size.</param>
    /// <param name="cancellationToken">Gives up: no file is left, one that stood there before stays whole.</param>
    /// <returns>What the new model holds and what each tensor costs; the total is that of all its files.</returns>
    /// <exception cref="ArgumentException">A path is null or empty, or <paramref name="outputPath"/> is the base or the update.</exception>
    /// <exception cref="InvalidDataException">The update was made for another base (<see cref="ContainerError.UpdateBase"/>), is a model, is damaged, or over a limit; or the base is one of the last three, or an update.</exception>
    /// <exception cref="NotSupportedException">A file has a newer format, or the new model names or shapes that this library does not write.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read, or the folder not be written to.</exception>
    /// <remarks>The new model is the file that <see cref="CompressedModelWriter"/> makes of its tensors at the level of the options, or the set that <see cref="CompressedModelSetWriter"/> makes, but that none of its files ends while an alias
    /// of one of its tensors is to come. Source: docs/format.md, section 18.</remarks>
    public static CompressionReport Apply(string basePath, string updatePath, string outputPath, CompressedModelUpdateOptions? options = null, CancellationToken cancellationToken = default)
    {
        CheckPaths(basePath, updatePath, outputPath, nameof(outputPath));
        options ??= new CompressedModelUpdateOptions();
        using ModelContent baseModel = ModelContent.Open(basePath, options.Limits);
        using CompressedModelReader update = CompressedModelReader.OpenUpdate(File.OpenRead(updatePath), options.Limits, leaveOpen: false);
        using IModelWriter writer = CompressedModelSet.IsManifest(outputPath)
            ? CompressedModelSetWriter.Create(outputPath, options.ShardBytes, options.WriterOptions)
            : CompressedModelWriter.Create(outputPath, options.WriterOptions);
        return Apply(baseModel, update, writer, options, cancellationToken);
    }

    /// <summary>Makes the new model of its base and an update.</summary>
    /// <param name="baseModel">The model that the update was made from; decoded twice.</param>
    /// <param name="update">Holds the update, from its position on; left open. It need not be able to seek, and is read once.</param>
    /// <param name="output">Receives the new model, when it is checked, from its position on; left open.</param>
    /// <param name="options">How hard to try; default: smallest size.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What the new model holds and what each tensor costs.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="update"/> cannot be read from or <paramref name="output"/> not be written to.</exception>
    /// <exception cref="InvalidDataException">The update was made for another base (<see cref="ContainerError.UpdateBase"/>), is a model, is damaged, or over a limit; or the base is damaged. Nothing has been written.</exception>
    /// <exception cref="NotSupportedException">The update has a newer format, or the new model names or shapes that this library does not write.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">A stream cannot be read or written.</exception>
    /// <remarks>The new model is the file that <see cref="CompressedModelWriter"/> makes of its tensors at the level of the options. Source: docs/format.md, section 18.</remarks>
    public static CompressionReport Apply(CompressedModelReader baseModel, Stream update, Stream output, CompressedModelUpdateOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(baseModel);
        options ??= new CompressedModelUpdateOptions();
        using CompressedModelReader reader = CompressedModelReader.OpenUpdate(update, options.Limits, leaveOpen: true);
        using CompressedModelWriter writer = CompressedModelWriter.Create(output, options.WriterOptions, leaveOpen: true);
        using var baseContent = new ModelContent(baseModel);
        return Apply(baseContent, reader, writer, options, cancellationToken);
    }

    /// <summary>Reads what an update says of itself: the base it needs, what it changes and what that weighs. Decodes nothing.</summary>
    /// <param name="updatePath">The update.</param>
    /// <param name="limits">What to accept at most; default <see cref="DecodeLimits.Default"/>.</param>
    /// <returns>Digests and tensors.</returns>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    /// <exception cref="InvalidDataException">The file is a model (<see cref="ContainerError.NotAnUpdate"/>), is damaged, or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <remarks>Source: docs/format.md, section 18.2.</remarks>
    public static CompressedModelUpdateInfo ReadInfo(string updatePath, DecodeLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(updatePath);
        using CompressedModelReader update = CompressedModelReader.OpenUpdate(File.OpenRead(updatePath), limits, leaveOpen: false);
        return new CompressedModelUpdateInfo(update, new FileInfo(updatePath).Length);
    }

    /// <summary>Decodes everything an update stores and checks all that can be checked without its base.</summary>
    /// <param name="updatePath">The update.</param>
    /// <param name="options">Limits and progress; the others are not used.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>As <see cref="ReadInfo"/>.</returns>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    /// <exception cref="InvalidDataException">The file is a model (<see cref="ContainerError.NotAnUpdate"/>), is damaged, or over a limit.</exception>
    /// <exception cref="NotSupportedException">The file has a newer format.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <remarks>That base and update give the right model is checked by <see cref="Apply(string, string, string, CompressedModelUpdateOptions?, CancellationToken)"/>, always. Source: docs/format.md, section 18.</remarks>
    public static CompressedModelUpdateInfo Verify(string updatePath, CompressedModelUpdateOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(updatePath);
        options ??= new CompressedModelUpdateOptions();
        using CompressedModelReader update = CompressedModelReader.OpenUpdate(File.OpenRead(updatePath), options.Limits, leaveOpen: false);
        var info = new CompressedModelUpdateInfo(update, new FileInfo(updatePath).Length);
        var work = new UpdateWork(UpdateWork.ElementsOf(update.Tensors), options, cancellationToken);
        foreach (CompressedTensorInfo tensor in update.Tensors)
        {
            foreach ((long start, int count) in UpdateWork.Pieces(tensor))
            {
                if (tensor.IsQuantized)
                    work.Symbols(0, tensor, start, count);
                else
                    work.Bytes(0, tensor, start, count);
                work.Done(count);

                // Equal elements without end have one payload, which is checked by now.
                if (tensor.Coding == "constant")
                    break;
            }
        }

        return info;
    }

    private static CompressedModelUpdateReport Create(
        ModelContent baseModel, ModelContent next, CompressedModelWriter writer, CompressedModelUpdateOptions options, CancellationToken cancellationToken)
    {
        var work = new UpdateWork(UpdateCreation.Elements(baseModel, next), options, cancellationToken);
        return new UpdateCreation(baseModel, next, writer, work).Run(cancellationToken);
    }

    private static CompressionReport Apply(
        ModelContent baseModel, CompressedModelReader update, IModelWriter writer, CompressedModelUpdateOptions options, CancellationToken cancellationToken)
    {
        var work = new UpdateWork(UpdateApplication.Elements(baseModel), options, cancellationToken);
        return new UpdateApplication(baseModel, update, writer, work).Run(options.Limits, cancellationToken);
    }

    // A file is replaced in one piece, so this would work; but it would leave nothing to apply the next update to, and is hardly ever meant.
    private static void CheckPaths(string first, string second, string output, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(first);
        ArgumentException.ThrowIfNullOrEmpty(second);
        ArgumentException.ThrowIfNullOrEmpty(output, parameter);
        string target = AtomicFile.TargetOf(output);
        if (target == AtomicFile.TargetOf(first) || target == AtomicFile.TargetOf(second))
            throw new ArgumentException($"'{output}' is one of the files that are read: name another file to write.", parameter);
    }
}
