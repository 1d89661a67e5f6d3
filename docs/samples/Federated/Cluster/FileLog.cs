using Microsoft.Extensions.Logging;

namespace Federated.Cluster;

/// <summary>What Orleans has to say, into a file: the death of a silo gives many lines, and all are as they should be.</summary>
internal sealed class FileLog(string path) : ILoggerProvider
{
    private readonly TextWriter _writer = TextWriter.Synchronized(new StreamWriter(path) { AutoFlush = true });

    public ILogger CreateLogger(string categoryName) => new Category(categoryName, _writer);

    public void Dispose() => _writer.Dispose();

    private sealed class Category(string name, TextWriter writer) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                writer.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} {logLevel} {name}: {formatter(state, exception)} {exception}");
        }
    }
}
