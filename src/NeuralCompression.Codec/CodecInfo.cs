using NeuralCompression.Codec.EntropyCoding.Kernels;

namespace NeuralCompression.Codec;

/// <summary>What the codec found on this machine.</summary>
/// <remarks>Safe to call from several threads. Source: this project.</remarks>
public static class CodecInfo
{
    /// <summary>
    /// The kernel that decodes the static coders of <see cref="System.IO.Compression.CompressionLevel.Fastest"/> and <see cref="System.IO.Compression.CompressionLevel.Optimal"/> in this process: <c>avx512</c>, <c>avx2</c>, <c>vector128</c> or <c>scalar</c>.
    /// What is decoded is the same with each; how fast is not.
    /// </summary>
    /// <remarks>
    /// Chosen from what the runtime lets the process use, which can be less than what the processor has: see docs/troubleshooting.md, "Decoding is slow in a program compiled ahead of time". Source: this project.
    /// </remarks>
    public static string Kernel => RansKernels.Widest;
}
