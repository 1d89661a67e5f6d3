namespace NeuralCompression;

/// <summary>How the compression gradient reaches the weights in a session.</summary>
public enum LossMode
{
    /// <summary><see cref="CompressionSession.Loss"/> is part of the autograd graph; the optimizer sees both gradients together.</summary>
    Autograd,

    /// <summary>The exact gradient is added to that of the task when a step closes, without a graph and without temporaries.</summary>
    DirectGradient,

    /// <summary>
    /// After the optimizer's step every weight moves towards zero by lr · λ · |gradient| / √v, and stops at zero; v is the running mean of the
    /// squared task gradients. Exact zeros arise in training.
    /// </summary>
    Proximal,
}
