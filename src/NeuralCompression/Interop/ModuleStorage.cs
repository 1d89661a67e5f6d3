using System.Globalization;
using System.Text;
using NeuralCompression.Codec;
using NeuralCompression.Codec.Container;
using static TorchSharp.torch;

namespace NeuralCompression.Interop;

/// <summary>A module's state dict to and from a container. Tied tensors are stored once, as aliases.</summary>
internal static class ModuleStorage
{
    /// <summary>Hands a module's state to a writer, or to a meter that only counts.</summary>
    public static void Write(ITensorSink writer, nn.Module module, IReadOnlyDictionary<nint, QuantizedTensor> quantized)
    {
        foreach (var (name, tensor, aliasOf) in Entries(module))
        {
            if (aliasOf is not null)
            {
                writer.AddAlias(name, aliasOf);
            }
            else if (quantized.TryGetValue(TensorMemory.Identity(tensor), out var symbols))
            {
                writer.Add(name, symbols);
            }
            else
            {
                AddLossless(writer, name, tensor);
            }
        }
    }

    public static void AddLossless(ITensorSink writer, string name, Tensor tensor)
    {
        if (!TorchTypes.TryFrom(tensor.dtype, out var type))
        {
            throw new NotSupportedException($"'{name}' is of type {tensor.dtype}, which a file cannot hold; exclude it from the module's state or convert it.");
        }

        using var scope = NewDisposeScope();
        using var dense = tensor.detach().cpu().contiguous();
        writer.Add(name, type, tensor.shape, dense.bytes);
    }

    /// <summary>Copies a file's tensors into a module of exactly the same names and shapes; on any error the module is unchanged.</summary>
    public static void Load(CompressedModelReader reader, nn.Module module)
    {
        var targets = module.state_dict();
        ThrowIfDifferent(reader, targets);

        // Everything is decoded before anything is copied, so that a damaged file leaves the module whole.
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var decoded = new List<(Tensor Target, Tensor Values)>();
        foreach (var info in reader.Tensors)
        {
            decoded.Add((targets[info.Name], Decode(reader, info)));
        }

        foreach (var (target, values) in decoded)
        {
            target.copy_(values);
        }
    }

    public static Tensor Decode(CompressedModelReader reader, CompressedTensorInfo info)
    {
        var values = empty(info.Shape.ToArray(), TorchTypes.ToScalarType(info.ElementType));
        reader.DecodeBytes(info, values.bytes);
        return values;
    }

    private static IEnumerable<(string Name, Tensor Tensor, string? AliasOf)> Entries(nn.Module module)
    {
        var firstNames = new Dictionary<nint, string>();
        foreach (var (name, tensor) in module.state_dict())
        {
            bool tied = !firstNames.TryAdd(TensorMemory.Identity(tensor), name);
            yield return (name, tensor, tied ? firstNames[TensorMemory.Identity(tensor)] : null);
        }
    }

    private static void ThrowIfDifferent(CompressedModelReader reader, Dictionary<string, Tensor> targets)
    {
        var faults = new List<string>();
        var inFile = new HashSet<string>(StringComparer.Ordinal);
        foreach (var info in reader.Tensors)
        {
            inFile.Add(info.Name);
            if (!targets.TryGetValue(info.Name, out var target))
            {
                faults.Add($"'{info.Name}' {Text(info.Shape)} is in the file, but not in the module");
            }
            else if (!target.shape.AsSpan().SequenceEqual(info.Shape))
            {
                faults.Add($"'{info.Name}' is {Text(info.Shape)} in the file, but {Text(target.shape)} in the module");
            }
            else if (!TorchTypes.IsKnown(info.ElementType))
            {
                faults.Add($"'{info.Name}' is {info.ElementType} in the file, which TorchSharp does not have");
            }
            else if (TorchTypes.IsFloating(info.ElementType) != TorchTypes.IsFloating(target.dtype))
            {
                faults.Add($"'{info.Name}' is {info.ElementType} in the file, but {target.dtype} in the module");
            }
        }

        faults.AddRange(targets.Where(t => !inFile.Contains(t.Key)).Select(t => $"'{t.Key}' {Text(t.Value.shape)} is in the module, but not in the file"));
        AddTieFaults(reader, targets, faults);
        if (faults.Count > 0)
        {
            throw new InvalidOperationException($"The file does not fit the module, which is unchanged: {string.Join("; ", faults)}.");
        }
    }

    // Two tensors of the file cannot both go into one tied tensor of the module.
    private static void AddTieFaults(CompressedModelReader reader, Dictionary<string, Tensor> targets, List<string> faults)
    {
        var owners = new Dictionary<nint, (string Name, string Source)>();
        foreach (var info in reader.Tensors)
        {
            if (targets.TryGetValue(info.Name, out var target) && target.numel() > 0)
            {
                string source = info.AliasOf ?? info.Name;
                nint identity = TensorMemory.Identity(target);
                if (!owners.TryAdd(identity, (info.Name, source)) && owners[identity].Source != source)
                {
                    faults.Add($"'{info.Name}' and '{owners[identity].Name}' are one tensor in the module, but two in the file");
                }
            }
        }
    }

    private static string Text(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < shape.Length; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(shape[i].ToString(CultureInfo.InvariantCulture));
        }

        return text.Append(']').ToString();
    }
}
