using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using NeuralCompression.Codec;
using NeuralCompression.Codec.Container;
using NeuralCompression.Interop;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>Draws of noise and optimizer steps so far.</summary>
internal readonly record struct SessionCounters(ulong Draws, long Steps);

/// <summary>A session's state as an ordinary container of lossless tensors, so that saving is atomic and reading is checked.</summary>
internal static class SessionState
{
    private const string Counters = "session/counters";
    private const string Schedule = "session/schedule";
    private const string Identity = "session/identity";
    private const int ScheduleLength = 7;
    private const string Plan = "session/plan";
    private const string Budget = "session/budget";
    private const string MeterPrefix = "meter/";

    public static void Save(
        string path, CompressionSession session, nn.Module model, CompressionOptions options, IReadOnlyList<SessionWeight> weights, SessionCounters counters,
        BudgetController? budget, ModelMeter? meter)
    {
        using var writer = CompressedModelWriter.Create(path, CompressionLevel.Fastest);
        Add(writer, Identity, ElementType.Float64, IdentityOf(options));
        Add(writer, Plan, ElementType.Float64, PlanOf(options));
        Add(writer, Counters, ElementType.Int64, [unchecked((long)counters.Draws), counters.Steps, session.IsFrozen ? 1 : 0]);
        Add(writer, Schedule, ElementType.Float64,
        [
            session.Lambda, session.NoiseScale, session.QuantizedForward, session.LambdaScale, session.Equalizer, session.LearningRateScale, session.Mapping.Steepness,
        ]);
        foreach (var weight in weights)
        {
            ModuleStorage.AddLossless(writer, $"theta/{weight.Name}", weight.Theta);
            Add(writer, $"gain/{weight.Name}", ElementType.Float64, [weight.Gain]);
            AddIfAny(writer, $"log-gain/{weight.Name}", weight.LogGain);
            AddIfAny(writer, $"moment/{weight.Name}", weight.Moment);
            AddIfAny(writer, $"support/{weight.Name}", weight.Support);
            AddIfAny(writer, $"strength/{weight.Name}", weight.Strength);
            AddIfAny(writer, $"levels/{weight.Name}", weight.IsAssigned ? weight.Mapped : null);
        }

        foreach (var (name, tensor) in Uncompressed(model, weights))
        {
            ModuleStorage.AddLossless(writer, $"model/{name}", tensor);
        }

        if (budget is not null)
        {
            Add(writer, Budget, ElementType.Float64, budget.State);
            foreach (var (name, start, parameters) in meter!.Memory)
            {
                Add(writer, string.Create(CultureInfo.InvariantCulture, $"{MeterPrefix}{start}/{name}"), ElementType.UInt8, parameters);
            }
        }

        writer.Complete();
    }

    /// <summary>Reads and checks everything, then applies it; on any error nothing was changed.</summary>
    public static SessionCounters Load(
        string path, CompressionSession session, nn.Module model, CompressionOptions options, IReadOnlyList<SessionWeight> weights, BudgetController? budget, ModelMeter? meter)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var reader = CompressedModelReader.Open(path);
        var stored = reader.Tensors.ToDictionary(t => t.Name, t => ModuleStorage.Decode(reader, t), StringComparer.Ordinal);
        var faults = new List<string>();
        var uncompressed = Uncompressed(model, weights).ToList();
        Check(stored, Identity, [IdentityOf(options).Length], faults);
        Check(stored, Counters, [3], faults);
        Check(stored, Schedule, [ScheduleLength], faults);
        foreach (var weight in weights)
        {
            Check(stored, $"theta/{weight.Name}", weight.Theta.shape, faults);
            Check(stored, $"gain/{weight.Name}", [1], faults);
            if (weight.LogGain is not null)
            {
                Check(stored, $"log-gain/{weight.Name}", [], faults);
            }
        }

        foreach (var (name, tensor) in uncompressed)
        {
            Check(stored, $"model/{name}", tensor.shape, faults);
        }

        if (budget is not null)
        {
            Check(stored, Budget, [budget.State.Length], faults);
        }

        var extra = stored.Keys.Where(n => n.StartsWith("theta/", StringComparison.Ordinal) && !weights.Any(w => n == $"theta/{w.Name}"));
        faults.AddRange(extra.Select(n => $"'{n}' is not a weight of this session"));
        if (faults.Count == 0 && !stored[Identity].data<double>().ToArray().SequenceEqual(IdentityOf(options)))
        {
            faults.Add("it was saved with another mapping, noise level, limits, noise seed, loss mode, or budget");
        }

        if (faults.Count == 0 && !(stored.TryGetValue(Plan, out var plan) && plan.data<double>().ToArray().SequenceEqual(PlanOf(options))))
        {
            faults.Add("it was saved with another schedule");
        }

        if (faults.Count > 0)
        {
            throw new InvalidOperationException($"The state does not fit this session, which is unchanged: {string.Join("; ", faults)}.");
        }

        var schedule = stored[Schedule].data<double>().ToArray();
        (session.Lambda, session.NoiseScale, session.QuantizedForward) = (schedule[0], schedule[1], schedule[2]);
        (session.LambdaScale, session.Equalizer, session.LearningRateScale) = (schedule[3], schedule[4], schedule[5]);
        var mapping = session.WithSteepness(schedule[6]);
        foreach (var weight in weights)
        {
            weight.SetState(
                stored[$"theta/{weight.Name}"],
                stored[$"gain/{weight.Name}"].item<double>(),
                mapping,
                stored.GetValueOrDefault($"log-gain/{weight.Name}"),
                stored.GetValueOrDefault($"moment/{weight.Name}")?.to(weight.Theta.device),
                stored.GetValueOrDefault($"support/{weight.Name}")?.to(weight.Theta.device),
                stored.GetValueOrDefault($"strength/{weight.Name}"),
                stored.GetValueOrDefault($"levels/{weight.Name}")?.to(weight.Theta.device));
        }

        foreach (var (name, tensor) in uncompressed)
        {
            tensor.copy_(stored[$"model/{name}"]);
        }

        if (budget is not null)
        {
            budget.State = stored[Budget].data<double>().ToArray();
            meter!.Forget();
            foreach (var (name, parameters) in stored.Where(e => e.Key.StartsWith(MeterPrefix, StringComparison.Ordinal)))
            {
                var parts = name[MeterPrefix.Length..].Split('/', 2);
                meter.Recall(parts[1], long.Parse(parts[0], CultureInfo.InvariantCulture), parameters.bytes);
            }
        }

        var counters = stored[Counters].data<long>().ToArray();
        return new SessionCounters(unchecked((ulong)counters[0]), counters[1]);
    }

    // What must agree for the stored numbers to mean the same.
    private static double[] IdentityOf(CompressionOptions options) =>
    [
        (double)options.Mapping, options.Quantization.NoiseLevel, options.Quantization.LowerLimit, options.Quantization.UpperLimit,
        options.Noise.Seed >> 32, options.Noise.Seed & uint.MaxValue, (double)options.Noise.Target, (double)options.Loss.Mode, options.TrainGains ? 1 : 0,
        options.TargetBytes ?? 0, options.BudgetInterval, options.BudgetSteps, (double)options.Level,
    ];

    private static double[] PlanOf(CompressionOptions options) => options.Schedule?.Fingerprint() ?? [];

    private static IEnumerable<(string Name, Tensor Tensor)> Uncompressed(nn.Module model, IReadOnlyList<SessionWeight> weights)
    {
        var compressed = weights.Select(w => TensorMemory.Identity(w.Parameter)).ToHashSet();
        return model.state_dict().Where(e => !compressed.Contains(TensorMemory.Identity(e.Value))).Select(e => (e.Key, e.Value));
    }

    private static void Add<T>(CompressedModelWriter writer, string name, ElementType type, ReadOnlySpan<T> values)
        where T : unmanaged => writer.Add(name, type, [values.Length], MemoryMarshal.AsBytes(values));

    private static void AddIfAny(CompressedModelWriter writer, string name, Tensor? tensor)
    {
        if (tensor is not null)
        {
            ModuleStorage.AddLossless(writer, name, tensor);
        }
    }

    private static void Check(Dictionary<string, Tensor> stored, string name, ReadOnlySpan<long> shape, List<string> faults)
    {
        if (!stored.TryGetValue(name, out var tensor))
        {
            faults.Add($"'{name}' is missing");
        }
        else if (!tensor.shape.AsSpan().SequenceEqual(shape))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"'{name}' is [{string.Join(", ", tensor.shape)}], not [{string.Join(", ", shape.ToArray())}]"));
        }
    }
}
