using System.Runtime.Intrinsics;

namespace NeuralCompression;

/// <summary>What one call of <see cref="Philox.Next"/> gives: thirty-two numbers, in order.</summary>
internal struct PhiloxNumbers
{
    public Vector256<uint> First;
    public Vector256<uint> Second;
    public Vector256<uint> Third;
    public Vector256<uint> Fourth;
}
