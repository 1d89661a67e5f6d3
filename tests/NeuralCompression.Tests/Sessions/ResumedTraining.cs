using System.Globalization;
using NeuralCompression.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.Tests.Sessions;

/// <summary>A part of a training in a process of its own: a float32 network with a batch norm under a schedule, from one step to another, states loaded and saved in a folder.</summary>
internal static class ResumedTraining
{
    public const int Steps = 50;
    private const string State = "state.ncm";
    private const string Optimizer = "optimizer.bin";

    /// <summary>Arguments: folder, first step, step to end before. The folder's state is loaded where the first step is not 0, and saved; at <see cref="Steps"/> the model is.</summary>
    public static int Run(string[] args)
    {
        string folder = args[0];
        int first = int.Parse(args[1], CultureInfo.InvariantCulture);
        int end = int.Parse(args[2], CultureInfo.InvariantCulture);
        set_num_threads(1);
        using var scope = NewDisposeScope();

        // Nothing of the start may reach a part that loads its state.
        using var model = TestModels.ConvolutionWithNorm(first == 0 ? 1 : 50);
        using var session = new CompressionSession(model, Options());
        using var optimizer = optim.Adam(session.Parameters(), 0.01);
        if (first > 0)
        {
            session.LoadState(Path.Combine(folder, State));
            optimizer.load_state_dict(Path.Combine(folder, Optimizer));
        }

        for (int step = first; step < end; step++)
        {
            using var inner = NewDisposeScope();
            optimizer.zero_grad();
            using (session.BeginStep())
            {
                (model.call(TestTensors.Random(100 + step, ScalarType.Float32, 6, 1, 4, 4)).square().mean() + session.Loss()).backward();
            }

            session.Step(optimizer);
        }

        session.SaveState(Path.Combine(folder, State));
        optimizer.save_state_dict(Path.Combine(folder, Optimizer));
        if (end == Steps)
        {
            session.Save(Path.Combine(folder, "model.ncm"));
        }

        return 0;
    }

    // Everything that has a state of its own: noise, running means, a budget, phases with ramps, zeros that freeze on the way.
    private static CompressionOptions Options() => SessionFixture.Small(o =>
    {
        o.Loss.Mode = LossMode.Proximal;
        o.Loss.Growth = LossGrowth.ShrinkOnly;
        o.TargetBytes = 600;
        o.BudgetInterval = 2;
        o.Schedule = CompressionSchedule.Default(Steps);
    });
}
