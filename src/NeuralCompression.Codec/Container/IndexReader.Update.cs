namespace NeuralCompression.Codec.Container;

/// <content>What an update says about the model it makes. Source: docs/format.md, section 18.2.</content>
internal ref partial struct IndexReader
{
    private UpdateRecord Update()
    {
        long offset = fileOffset + position;
        int flags = Byte();
        if ((flags & ~1) != 0)
            throw Error(ContainerError.ReservedBits, "A reserved bit of an update is set.");
        byte[] baseDigest = Bytes(ContainerLayout.BaseDigestBytes).ToArray();
        byte[] resultDigest = Bytes(ContainerLayout.ResultDigestBytes).ToArray();
        ulong count = VarInt();
        if (count > (ulong)limits.MaxTensors)
            throw Limit(nameof(DecodeLimits.MaxTensors), FormattableString.Invariant($"The update makes {count} tensors; the limit is {limits.MaxTensors}."));

        // The list grows as steps are read: a count alone allocates nothing.
        var steps = new List<UpdateStep>();
        byte[] previousName = [];
        int next = 0;
        for (ulong i = 0; i < count; i++)
            steps.Add(Step(ref next, ref previousName));
        return new UpdateRecord { BaseDigest = baseDigest, ResultDigest = resultDigest, HasMetadataOfBase = flags != 0, Steps = steps, Offset = offset };
    }

    private UpdateStep Step(ref int next, ref byte[] previousName)
    {
        int first = Byte();
        if (first >> 4 != 0)
            throw Error(ContainerError.ReservedBits, "A reserved bit of a tensor of an update is set.");
        var operation = (UpdateOperation)(first & 3);
        bool hasName = (first & IndexWriter.OwnNameStep) != 0;
        bool hasPosition = (first & IndexWriter.PositionStep) != 0;
        if (hasName && (hasPosition || operation is UpdateOperation.Unchanged or UpdateOperation.Difference))
            throw Error(ContainerError.UpdateRecord, "A tensor that an update takes from its base has a name of its own.");
        int position = -1;
        if (!hasName)
        {
            ulong of = hasPosition ? VarInt() : (ulong)next;
            if (of >= int.MaxValue)
                throw Error(ContainerError.UpdateRecord, "An update names a tensor that no base can have.");
            position = (int)of;
            next = position + 1;
        }

        string? name = hasName ? NameText(ref previousName) : null;
        int target = operation == UpdateOperation.Alias ? (int)Math.Min(VarInt(), int.MaxValue) : 0;
        return new UpdateStep(operation, position, name, target);
    }
}
