using OnnxRuntimeSample.Onnx;

namespace OnnxRuntimeSample;

/// <summary>LeNet-300-100 as an ONNX graph whose weights are named and shaped, but not there.</summary>
internal static class LeNetGraph
{
    internal const string Input = "images";
    internal const string Output = "logits";
    private const int Pixels = 28 * 28;

    /// <summary>The graph.</summary>
    /// <param name="weightsFile">The file that holds the weights.</param>
    internal static ModelProto Create(string weightsFile)
    {
        var graph = new GraphProto { Name = "LeNet-300-100" };
        graph.Input.Add(Value(Input, Pixels));
        string from = Input;
        foreach ((string layer, int inputs, int outputs, bool isLast) in ((string, int, int, bool)[])[("fc1", Pixels, 300, false), ("fc2", 300, 100, false), ("fc3", 100, 10, true)])
        {
            graph.Initializer.Add(ModelWeights.Missing($"{layer}.weight", [outputs, inputs], weightsFile));
            graph.Initializer.Add(ModelWeights.Missing($"{layer}.bias", [outputs], weightsFile));
            string to = isLast ? Output : layer;
            var linear = new NodeProto { Name = layer, OpType = "Gemm", Input = { from, $"{layer}.weight", $"{layer}.bias" }, Output = { to } };
            linear.Attribute.Add(new AttributeProto { Name = "transB", I = 1, Type = AttributeProto.Types.AttributeType.Int });
            graph.Node.Add(linear);
            if (isLast)
                break;
            from = $"{layer}.active";
            graph.Node.Add(new NodeProto { Name = $"{layer}.relu", OpType = "Relu", Input = { to }, Output = { from } });
        }

        graph.Output.Add(Value(Output, 10));
        return new ModelProto { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSetIdProto { Version = 17 } } };
    }

    private static ValueInfoProto Value(string name, int width)
    {
        var shape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "batch" }, new TensorShapeProto.Types.Dimension { DimValue = width } } };
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = TensorProto.Types.DataType.Float, Shape = shape } } };
    }
}
