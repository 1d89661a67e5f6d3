using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>Contiguous CPU tensors seen as spans, and the identity of tensors behind their wrappers.</summary>
internal static class TensorMemory
{
    /// <summary>Whether <see cref="Span{T}"/> may be used: a strided, contiguous CPU tensor that one span can cover.</summary>
    public static bool IsSpan(Tensor tensor) =>
        tensor.device_type == TorchSharp.DeviceType.CPU
        && !tensor.is_sparse
        && tensor.is_contiguous()
        && tensor.numel() * tensor.element_size() <= int.MaxValue;

    /// <summary>The tensor's own memory. Writing through it is invisible to autograd's version check, so no graph that saved the tensor may be alive.</summary>
    public static Span<T> Span<T>(Tensor tensor)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.bytes);

    /// <summary>A number equal for two wrappers of one tensor. Native modules hand out a new wrapper at every access, so references cannot tell.</summary>
    /// <remarks>
    /// For a span tensor it is the address of its memory; else the first word behind the handle, which is libtorch's pointer to the tensor's implementation.
    /// </remarks>
    public static unsafe nint Identity(Tensor tensor)
    {
        if (tensor.numel() > 0 && IsSpan(tensor))
        {
            fixed (byte* address = tensor.bytes)
            {
                return (nint)address;
            }
        }

        return *(nint*)tensor.Handle;
    }
}
