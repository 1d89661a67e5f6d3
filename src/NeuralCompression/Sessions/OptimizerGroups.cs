using NeuralCompression.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NeuralCompression.Sessions;

/// <summary>Which parameter group of an optimizer trains which parameter of the session, looked up once.</summary>
internal sealed class OptimizerGroups
{
    private readonly optim.Optimizer _optimizer;
    private readonly List<optim.ILearningRateController> _groups;
    private readonly Dictionary<nint, optim.ILearningRateController> _groupOf = [];

    /// <exception cref="InvalidOperationException">The optimizer lacks a parameter.</exception>
    public OptimizerGroups(optim.Optimizer optimizer, IEnumerable<Parameter> required)
    {
        _optimizer = optimizer;
        _groups = [.. optimizer.ParamGroups];
        if (optimizer is OptimizerHelper)
        {
            foreach (var group in _groups.OfType<ParamGroup>())
            {
                foreach (var parameter in group.Parameters)
                {
                    _groupOf[TensorMemory.Identity(parameter)] = group;
                }
            }
        }
        else
        {
            // LBFGS is native. The list in its group would wrap the same native tensors anew at every enumeration and free them as often; this one is ours.
            foreach (var parameter in optimizer.parameters().ToList())
            {
                _groupOf[TensorMemory.Identity(parameter)] = _groups[0];
                parameter.Dispose();
            }
        }

        if (required.Any(p => !_groupOf.ContainsKey(TensorMemory.Identity(p))))
        {
            throw new InvalidOperationException(
                "The optimizer lacks parameters of the session; make it from session.Parameters(), not from model.parameters().");
        }
    }

    /// <summary>Whether this still describes an optimizer; groups may be added to one.</summary>
    public bool IsOf(optim.Optimizer optimizer) => ReferenceEquals(_optimizer, optimizer) && optimizer.ParamGroups.Count() == _groups.Count;

    public double LearningRateOf(Parameter parameter) => _groupOf[TensorMemory.Identity(parameter)].LearningRate;

    /// <summary>Sets every learning rate to its initial value times a factor.</summary>
    public void ScaleLearningRates(double factor)
    {
        foreach (var group in _groups)
        {
            group.LearningRate = group.InitialLearningRate * factor;
        }
    }
}
