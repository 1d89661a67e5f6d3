using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace HostedTraining;

/// <summary>Hands the events of the sources "NeuralCompression" and "NeuralCompression.Codec" to the host's log, under the same names: the packages themselves depend on no logging library.</summary>
internal sealed class EventSourceLogging(ILoggerFactory loggers) : IHostedService, IDisposable
{
    private Listener? _listener;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _listener = new Listener(loggers);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _listener?.Dispose();

    // The base constructor calls OnEventSourceCreated before this one has run, so sources are enabled afterwards, and those that appear later as they come.
    private sealed class Listener : EventListener
    {
        private readonly ILoggerFactory? _loggers;

        internal Listener(ILoggerFactory loggers)
        {
            _loggers = loggers;
            foreach (var source in EventSource.GetSources())
            {
                OnEventSourceCreated(source);
            }
        }

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (_loggers is not null && eventSource.Name is "NeuralCompression" or "NeuralCompression.Codec")
            {
                EnableEvents(eventSource, EventLevel.Verbose);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            var logger = _loggers!.CreateLogger(eventData.EventSource.Name);
            var level = ToLogLevel(eventData.Level);
            if (logger.IsEnabled(level))
            {
                object?[] payload = [.. eventData.Payload ?? []];
                string message = string.Format(CultureInfo.InvariantCulture, eventData.Message ?? eventData.EventName ?? "", payload);
                logger.Log(level, new EventId(eventData.EventId, eventData.EventName), payload, null, (_, _) => message);
            }
        }

        private static LogLevel ToLogLevel(EventLevel level) => level switch
        {
            EventLevel.Critical => LogLevel.Critical,
            EventLevel.Error => LogLevel.Error,
            EventLevel.Warning => LogLevel.Warning,
            EventLevel.Verbose => LogLevel.Debug,
            _ => LogLevel.Information,
        };
    }
}
