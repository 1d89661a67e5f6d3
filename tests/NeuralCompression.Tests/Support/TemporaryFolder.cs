namespace NeuralCompression.Tests.Support;

internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("neural-compression-");

    public string File(string name) => Path.Combine(_folder.FullName, name);

    public string[] Files() => Directory.GetFiles(_folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);
}
