namespace Federated.Rounds;

/// <summary>What all grains of one run agree on.</summary>
/// <param name="Data">The folder of the images, on every machine.</param>
/// <param name="Seed">Of the first weights and of the order of images.</param>
/// <param name="Workers">How many there are.</param>
/// <param name="ImagesPerWorker">How many images each has.</param>
/// <param name="IsExact">True to send differences without loss, for comparison.</param>
[GenerateSerializer, Immutable]
internal sealed record RoundSettings(
    [property: Id(0)] string Data, [property: Id(1)] int Seed, [property: Id(2)] int Workers, [property: Id(3)] int ImagesPerWorker, [property: Id(4)] bool IsExact);

/// <summary>To a worker: train on what these differences lead to.</summary>
/// <param name="Round">The round to work for; the first is 1.</param>
/// <param name="First">How many rounds the worker must have already.</param>
/// <param name="Differences">Those of the rounds after that, up to the one before <paramref name="Round"/>.</param>
[GenerateSerializer, Immutable]
internal sealed record Assignment([property: Id(0)] int Round, [property: Id(1)] int First, [property: Id(2)] IReadOnlyList<byte[]> Differences);

/// <summary>From a worker.</summary>
/// <param name="Difference">What its training would add to the shared model; null where rounds are missing.</param>
/// <param name="Images">How many images that comes of.</param>
/// <param name="Rounds">How many rounds the worker has.</param>
[GenerateSerializer, Immutable]
internal sealed record WorkerAnswer([property: Id(0)] byte[]? Difference, [property: Id(1)] int Images, [property: Id(2)] int Rounds);

/// <summary>A finished round.</summary>
/// <param name="Difference">What it adds to the shared model.</param>
/// <param name="Contributions">How many workers that comes of.</param>
/// <param name="BytesUp">Of all differences that workers sent.</param>
/// <param name="BytesDown">Of all differences sent to workers, also those sent again.</param>
[GenerateSerializer, Immutable]
internal sealed record Round([property: Id(0)] byte[] Difference, [property: Id(1)] int Contributions, [property: Id(2)] long BytesUp, [property: Id(3)] long BytesDown);
