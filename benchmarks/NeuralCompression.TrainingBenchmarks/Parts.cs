#pragma warning disable
using System.Diagnostics;
using System.Numerics.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace NeuralCompression.TrainingBenchmarks;

internal static class Parts
{
    public static void Run()
    {
        set_num_threads(1);
        const int N = 266_200;
        var theta = new float[N]; var mapped = new float[N]; var par = new float[N]; var bits = new uint[2048]; var noise = new float[2048];
        var r = new Random(1); for (int i = 0; i < N; i++) theta[i] = (float)(r.NextDouble() - 0.5);
        var tanh = WeightMapping.Tanh(); var clamp = WeightMapping.Clamp();
        Time("philox", () => { for (int i = 0; i < N; i += 2048) Philox.Fill(1, 2, (ulong)i / 4, bits); });
        Time("noise", () => { for (int i = 0; i < N; i += 2048) UniformNoise.Fill(1, 2, 0, i, 0.1, noise.AsSpan()); });
        Time("tanh", () => tanh.Map<float>(theta, mapped));
        Time("tensorprimitives tanh", () => TensorPrimitives.Tanh<float>(theta, mapped));
        Time("clamp", () => clamp.Map<float>(theta, mapped));
        Time("tanh'", () => tanh.Derivative<float>(theta, mapped, par));
        Time("multiply", () => TensorPrimitives.Multiply<float>(mapped, 0.7f, par));
        Time("ratio", () => SparsityRatio.Of<float>(mapped));
        foreach (var mode in new[] { MappingKind.Tanh, MappingKind.Clamp })
        {
            using var model = Networks.Create("lenet-300-100");
            using var s = new CompressionSession(model, new CompressionOptions { Mapping = mode, Loss = { Mode = LossMode.DirectGradient } });
            using var opt = optim.Adam(s.Parameters(), 1e-6);
            using var plainModel = Networks.Create("lenet-300-100");
            using var popt = optim.Adam(plainModel.parameters(), 1e-6);
            using var x = rand(128, 1, 28, 28); using var y = randint(0, 10, 128, int64);
            double b = 0, f = 0, c = 0, st = 0, z = 0, a = 0; double pz = 0, pf = 0, pa = 0;
            for (int i = 0; i < 220; i++)
            {
                if (i == 20) { b = f = c = st = z = a = pz = pf = pa = 0; }
                using var scope = NewDisposeScope();
                var t = Stopwatch.StartNew();
                opt.zero_grad(); z += Lap(t);
                var open = s.BeginStep(); b += Lap(t);
                var l = nn.functional.cross_entropy(model.call(x), y); l.backward(); f += Lap(t);
                var ll = s.Loss(); a += Lap(t);
                open.Dispose(); c += Lap(t);
                s.Step(opt); st += Lap(t);
                popt.zero_grad(); pz += Lap(t);
                nn.functional.cross_entropy(plainModel.call(x), y).backward(); pf += Lap(t);
                popt.step(); pa += Lap(t);
                if (i % 50 == 0) GC.Collect(0);
            }
            Console.WriteLine($"{mode}: zero {z / 200:f3} begin {b / 200:f3} fwd/bwd {f / 200:f3} loss {a / 200:f3} close {c / 200:f3} step {st / 200:f3}   plain: zero {pz / 200:f3} fwd/bwd {pf / 200:f3} step {pa / 200:f3}");
        }
    }

    private static double Lap(Stopwatch t) { double e = t.Elapsed.TotalMilliseconds; t.Restart(); return e; }

    private static void Time(string name, Action action)
    {
        for (int i = 0; i < 50; i++) action();
        var times = new double[31];
        for (int i = 0; i < times.Length; i++) { long s = Stopwatch.GetTimestamp(); action(); times[i] = Stopwatch.GetElapsedTime(s).TotalMilliseconds; }
        Array.Sort(times);
        Console.WriteLine($"{name,-24} {times[15]:f3} ms");
    }
}
