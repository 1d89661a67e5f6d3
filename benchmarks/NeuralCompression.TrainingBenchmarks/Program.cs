using NeuralCompression.TrainingBenchmarks;

// One table per verb, every row measured interleaved with what it is compared with.
switch (args)
{
    case ["step", .. var rest]:
        StepCost.Run(rest.Length > 0 ? rest[0] : "all", rest.Length > 1 ? int.Parse(rest[1], System.Globalization.CultureInfo.InvariantCulture) : 40);
        return 0;
    case ["parts", var network, var kind]:
        StepParts.Run(network, kind, 300);
        return 0;
    case ["passes"]:
        PassCost.Run();
        return 0;
    case ["loss"]:
        LossCost.Run();
        return 0;
    case ["memory"]:
        MemoryUse.Run();
        return 0;
    default:
        Console.Error.WriteLine("usage: step [lenet-300-100|lenet-5-caffe|all] [rounds]  |  parts NETWORK KIND  |  passes  |  loss  |  memory");
        return 2;
}
