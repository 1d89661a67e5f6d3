using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using NeuralCompression;
using NeuralCompression.Codec;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>One network from its teachers to its file. Stops anywhere and goes on from its last checkpoint.</summary>
internal sealed class CompressingRun : IDisposable
{
    private const int CheckpointEvery = 10;
    private const int ReportEvery = 5;

    private readonly Settings _settings;
    private readonly string _folder;
    private readonly Action<string> _log;
    private readonly TrainingImages _data;
    private readonly NetworkShape _full;
    private readonly UnitSelection _selection;
    private readonly TrainingInputs _inputs;
    private readonly Module<Tensor, Tensor> _network;
    private readonly CompressionSession _session;
    private readonly SpanAdam _optimizer;
    private readonly PositionPrices _prices;
    private readonly Tensor _validation;

    public CompressingRun(Settings settings, string folder, string teacherFolder, Action<string> log)
    {
        (_settings, _folder, _log) = (settings, folder, log);
        set_num_threads(1);
        _data = TrainingImages.Load(settings.TrainOnAll);
        _full = NetworkShape.Full(settings.Network);
        var reduced = settings.PretrainReduced ? UnitSelection.FirstOf(_full, settings.Units) : null;
        var pretrained = Teacher.LoadOrTrain(teacherFolder, reduced?.Reduced ?? _full, 1, settings.PretrainEpochs, _data, settings, log)[0];
        var teacherShape = NetworkShape.Full(settings.TeacherNetwork);
        if (settings.TeacherUnits.Length > 0)
            teacherShape = teacherShape.Resize([teacherShape.Sizes[0], .. settings.TeacherUnits]);
        var teachers = Teacher.LoadOrTrain(teacherFolder, teacherShape, settings.Teachers, settings.TeacherEpochs, _data, settings, log);
        _selection = reduced ?? UnitSelection.Choose(_full, pretrained, _data.Images, settings);
        _prices = new PositionPrices(_selection, settings);
        _inputs = new TrainingInputs(_data, _selection, teachers, settings);
        _validation = _selection.Select(_data.Validation.Images);
        if (!settings.PretrainedStart)
            random.manual_seed(settings.Seed);
        _network = _selection.Reduced.CreateModule();
        if (settings.PretrainedStart && reduced is null)
            _selection.Copy(pretrained, _network);
        else if (settings.PretrainedStart)
            _network.load_state_dict(pretrained.state_dict());
        _session = new CompressionSession(_network, settings.ToCompressionOptions());
        _optimizer = new SpanAdam(_session.Parameters(), settings.LearningRate);
        _log($"units {string.Join(" ", _selection.Reduced.Sizes)}; gains {string.Join(" ", _session.Weights.Select(w => Text($"{w.Gain:g3}")))}");
    }

    private string Checkpoint => Path.Combine(_folder, "checkpoint.ncm");

    private string OptimizerCheckpoint => Path.Combine(_folder, "checkpoint.adam");

    private string Position => Path.Combine(_folder, "checkpoint.epoch");

    private string ReducedFile => Path.Combine(_folder, "reduced.ncm");

    // The same network without entropy coding, for measuring later coders on it.
    private string SymbolsFile => Path.Combine(_folder, "symbols.ncm");

    public string ModelFile => Path.Combine(_folder, "model.ncm");

    public void Train()
    {
        var steps = new StepCounter(_data.Count, _settings.BatchSize);
        int first = Resume();
        steps.StartAt(first);
        var clock = Stopwatch.StartNew();
        for (int epoch = first; epoch < _settings.Epochs; epoch++)
        {
            if (_settings.PriceExponent > 0 && epoch >= _settings.QuantizeAfter && !_session.IsFrozen)
                _prices.Apply(_session, Quantized());
            double loss = TrainEpoch(epoch, steps);
            if ((epoch + 1) % ReportEvery == 0 || epoch + 1 == _settings.Epochs)
                Report(epoch + 1, loss, clock);
            if ((epoch + 1) % CheckpointEvery == 0)
                Save(epoch + 1);
        }

        _session.Save(ReducedFile, CompressionLevel.Fastest);
    }

    /// <summary>The file of the full network, and what a network loaded from it does on the validation images.</summary>
    public string Pack()
    {
        using var reduced = File.OpenRead(ReducedFile);
        var packed = PackedNetwork.Read(reduced, _selection.Reduced).Expand(_selection);
        packed.RemoveDeadUnits();
        UnitOrder.Optimize(packed);
        CompressionReport report;
        using (var file = File.Create(ModelFile))
            report = packed.Write(file);
        using (var symbols = File.Create(SymbolsFile))
            packed.Write(symbols, CompressionLevel.NoCompression);

        var decoded = _full.CreateModule();
        decoded.LoadCompressed(ModelFile);
        var validation = Evaluation.Of(decoded, _data.Validation);
        using var seen = _data.Images.narrow(0, 0, _data.Validation.Count);
        using var seenLabels = _data.Labels.narrow(0, 0, _data.Validation.Count);
        var training = Evaluation.Of(decoded, seen, seenLabels);
        return Text($"bytes {report.TotalBytes} train {training.ErrorPercent:f2} ce {training.CrossEntropy:f4} val {validation.ErrorPercent:f2} ce {validation.CrossEntropy:f4} nnz {string.Join("+", packed.Layers.Select(l => l.NonZeros))} live {string.Join("+", packed.LiveUnits)} parts {string.Join("+", report.Tensors.Select(t => t.StoredBytes))}");
    }

    public void Dispose()
    {
        _session.Dispose();
        _optimizer.Dispose();
    }

    private double TrainEpoch(int epoch, StepCounter steps)
    {
        using var epochScope = NewDisposeScope();
        // A generator of its own for every epoch, so that a resumed run sees the same batches.
        int seed = HashCode(_settings.Seed, epoch);
        using var generator = new Generator((ulong)seed);
        var (allImages, allAnswers) = _inputs.Of(epoch, clean: _session.IsFrozen && !_settings.FineTuneWithInputNoise);
        using var lossSum = zeros(1);
        _network.train();
        foreach (Tensor indices in _data.Shuffled(_settings.BatchSize, generator))
        {
            using var scope = NewDisposeScope();
            Schedule.Apply(steps.Epochs, _settings, _session, _optimizer);
            if (steps.Epochs >= _settings.FreezeEpoch && !_session.IsFrozen)
            {
                _log(Survivors("before freezing"));
                _session.FreezeZeros();
            }

            if (_settings.EqualizeEpochs > 0 && steps.Epochs == _settings.FreezeEpoch + _settings.EqualizeEpochs)
                _log(Survivors("after the equaliser"));

            var images = allImages.index_select(0, indices);
            var answers = allAnswers.index_select(0, indices);
            _optimizer.zero_grad();
            using (_session.BeginStep())
            {
                var loss = _inputs.Loss(_network.call(images), answers);
                // The proximal mode needs no term in the objective.
                if (_settings.LossMode == LossMode.Proximal)
                    loss.backward();
                else
                    (loss + _session.Loss()).backward();
                lossSum.add_(loss.detach());
            }

            _session.Step(_optimizer);
            steps.Done();
        }

        return lossSum.item<float>() / steps.StepsPerEpoch;
    }

    private void Report(int epoch, double loss, Stopwatch clock)
    {
        _session.Quantize();
        var validation = Evaluation.Of(_network, _validation, _data.Validation.Labels);
        int nonZeros = (int)Math.Round(_session.Weights.Sum(w => (1 - w.Sparsity) * w.Parameter.numel()));
        _log(Text($"epoch {epoch} loss {loss:f4} val {validation.ErrorPercent:f2} ce {validation.CrossEntropy:f4} nnz {nonZeros} processor {Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds:f0} s wall {clock.Elapsed.TotalSeconds:f0} s"));
    }

    private string Survivors(string when) =>
        Text($"variation of the survivors {when} {string.Join("+", _session.Weights.Select(w => Text($"{w.SurvivorVariation:f4}")))}");

    // The reduced network as a file would hold it now.
    private PackedNetwork Quantized()
    {
        using var stream = new MemoryStream();
        _session.Save(stream, CompressionLevel.Fastest);
        stream.Position = 0;
        return PackedNetwork.Read(stream, _selection.Reduced);
    }

    private int Resume()
    {
        if (!File.Exists(Position))
            return 0;
        int epoch = int.Parse(File.ReadAllText(Position), CultureInfo.InvariantCulture);
        _session.LoadState(Checkpoint);
        _optimizer.load_state_dict(OptimizerCheckpoint);
        _log($"resumed after epoch {epoch}");
        return epoch;
    }

    private void Save(int epoch)
    {
        // Without a position the other two do not count: a run stopped in between starts over instead of going on from halves.
        File.Delete(Position);
        _session.SaveState(Checkpoint);
        _optimizer.save_state_dict(OptimizerCheckpoint);
        File.WriteAllText(Position, epoch.ToString(CultureInfo.InvariantCulture));
    }

    private static int HashCode(int seed, int epoch) => (seed * 10_007) + epoch;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
