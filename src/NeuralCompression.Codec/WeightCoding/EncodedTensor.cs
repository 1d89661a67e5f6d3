namespace NeuralCompression.Codec.WeightCoding;

/// <summary>The payload of one tensor and how it was coded.</summary>
internal readonly record struct EncodedTensor(Coding Coding, byte[] Payload);
