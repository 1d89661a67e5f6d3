using NeuralCompression;
using TorchSharp;
using static TorchSharp.torch;

namespace Experiments;

/// <summary>What changes from step to step: strength, noise, quantised forward pass and learning rate.</summary>
internal static class Schedule
{
    private const double LastFineTuneLearningRate = 5e-5;

    // Of ramp and hold together, the part with the full learning rate.
    private const double ConstantPart = 0.5;

    public static void Apply(double epochs, Settings settings, CompressionSession session, optim.Optimizer optimizer)
    {
        double frozenAt = settings.FreezeEpoch;
        double levelsAt = frozenAt + settings.EqualizeEpochs;
        bool frozen = epochs >= frozenAt;
        double ramp = settings.RampEpochs == 0 ? 1 : Math.Min(1, epochs / settings.RampEpochs);
        session.Lambda = frozen ? 0 : settings.Lambda * Math.Pow(0.1, 1 - ramp);
        session.Equalizer = epochs < levelsAt ? settings.Equalizer : 0;
        session.NoiseScale = settings.Noise * (ramp < 1 ? ramp : Math.Max(0, (frozenAt - epochs) / settings.HoldEpochs));
        session.QuantizedForward = settings.QuantizeAfter switch
        {
            < 0 => epochs >= levelsAt ? 1 : 0,
            0 => 1,
            var after => Math.Min(1, epochs / after),
        };

        double rate = frozen
            ? LastFineTuneLearningRate + ((settings.FineTuneLearningRate - LastFineTuneLearningRate) * (1 - Math.Clamp((epochs - levelsAt) / settings.FineTuneEpochs, 0, 1)))
            : settings.LastLearningRate + ((settings.LearningRate - settings.LastLearningRate) * HalfCosine(epochs / frozenAt));
        foreach (var group in optimizer.ParamGroups)
            group.LearningRate = rate;
    }

    // 1 at first, then down to 0.
    private static double HalfCosine(double fraction) =>
        (1 + Math.Cos(Math.PI * Math.Max(0, (fraction - ConstantPart) / (1 - ConstantPart)))) / 2;
}
