using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NeuralCompression.Tests.Hosting;

/// <summary>Events and metrics are those of docs/hosting.md, and arrive.</summary>
public sealed class DiagnosticsTests
{
    [Fact]
    public void Session_TrainedAndSaved_SendsTheDocumentedEvents()
    {
        using var folder = new TemporaryFolder();
        using var listener = new EventRecorder();
        using var module = Linear(16, 8);
        string name = module.GetName();
        var schedule = new CompressionSchedule([SchedulePhase.Ramp(1), SchedulePhase.FineTune(1), SchedulePhase.FineTuneGains(1)]);
        using (var session = new CompressionSession(module, new CompressionOptions { TargetBytes = 1, Schedule = schedule }))
        {
            Train(session, module, 3);
            var bytes = session.MeasureBytes();
            var report = session.Save(folder.File("m.ncm"));
            Assert.Contains(("NeuralCompression", "SessionStarted", $"{name}|1|128"), listener.Events);
            Assert.Contains(("NeuralCompression", "PhaseStarted", $"{name}|0|ramp"), listener.Events);
            Assert.Contains(("NeuralCompression", "PhaseStarted", $"{name}|1|fine-tune"), listener.Events);
            Assert.Contains(("NeuralCompression", "ZerosFrozen", $"{name}|1"), listener.Events);
            Assert.Contains(("NeuralCompression", "LevelsFixed", $"{name}|2"), listener.Events);
            Assert.Contains(("NeuralCompression", "Measured", $"{name}|3|{bytes.TotalBytes}|{session.BudgetFactor.ToString(System.Globalization.CultureInfo.InvariantCulture)}"), listener.Events);
            Assert.Contains(("NeuralCompression", "BudgetMissed", $"{name}|1|{session.Budget!.Bytes}|{session.Budget.FloorBytes}"), listener.Events);
            Assert.Contains(("NeuralCompression", "Saved", $"{name}|{report.TotalBytes}|{report.OriginalBytes}"), listener.Events);
            Assert.Contains(("NeuralCompression.Codec", "FileWritten", $"2|{report.TotalBytes}|{report.OriginalBytes}"), listener.Events);
        }

        module.LoadCompressed(folder.File("m.ncm"));
        Assert.Contains(("NeuralCompression.Codec", "FileOpened", $"2|{Codec.CodecInfo.Kernel}"), listener.Events);
        Assert.Equal(9, listener.Events.Select(e => (e.Source, e.Name)).Distinct().Count());
        string page = Repository.Read("docs/hosting.md");
        Assert.All(listener.Events, e => Assert.Contains($"| {e.Name} |", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Session_TrainedAndSaved_CountsTheDocumentedMetrics()
    {
        using var folder = new TemporaryFolder();
        var values = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "NeuralCompression")
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Record(instrument, value));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Record(instrument, value));
        listener.Start();

        using var module = Linear(16, 8);
        using var session = new CompressionSession(module, new CompressionOptions { Loss = { Lambda = 0.125 } });
        Train(session, module, 3);
        var bytes = session.MeasureBytes();
        var report = session.Save(folder.File("m.ncm"));
        Assert.Equal(3, values["neuralcompression.session.steps"]);
        Assert.Equal(0.125, values["neuralcompression.session.strength"]);
        Assert.Equal(bytes.TotalBytes, values["neuralcompression.session.bytes"]);
        Assert.Equal(report.TotalBytes, values["neuralcompression.session.saved_bytes"]);
        string page = Repository.Read("docs/hosting.md");
        Assert.All(values.Keys, name => Assert.Contains($"`{name}`", page, StringComparison.Ordinal));

        void Record(Instrument instrument, double value) =>
            values[instrument.Name] = instrument is Counter<long> ? values.GetValueOrDefault(instrument.Name) + value : value;
    }

    private static void Train(CompressionSession session, Module<Tensor, Tensor> module, int steps)
    {
        using var optimizer = optim.Adam(session.Parameters(), 1e-3);
        using var x = randn(4, 16);
        for (int step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            using (session.BeginStep())
            {
                (module.call(x).square().mean() + session.Loss()).backward();
            }

            session.Step(optimizer);
        }
    }

    private sealed class EventRecorder : EventListener
    {
        public List<(string Source, string Name, string Payload)> Events { get; } = [];

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name is "NeuralCompression" or "NeuralCompression.Codec")
            {
                EnableEvents(eventSource, EventLevel.Verbose);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData) => Events?.Add((
            eventData.EventSource.Name,
            eventData.EventName!,
            string.Join('|', eventData.Payload!.Select(p => Convert.ToString(p, System.Globalization.CultureInfo.InvariantCulture)))));
    }
}
