using NeuralCompression.Codec.EntropyCoding;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>What the encoder chose for a tensor; the head of its payload. Source: docs/format.md, section 5.8.1.</summary>
internal readonly record struct ClassifiedParameters
{
    /// <summary>Index into <see cref="RansConstants.LaneCounts"/>.</summary>
    internal int LaneCode { get; init; }

    /// <summary>log2 of the slots of each table.</summary>
    internal int PrecisionBits { get; init; }

    /// <summary>Tables, at least one.</summary>
    internal int Tables { get; init; }

    /// <summary>Low bits of a magnitude that its size leaves out.</summary>
    internal int SizeShift { get; init; }

    /// <summary>True when rows have classes.</summary>
    internal bool HasRowClasses { get; init; }

    /// <summary>True when columns have classes.</summary>
    internal bool HasColumnClasses { get; init; }

    /// <summary>True when empty columns are left out of distances too, and not only of the text.</summary>
    internal bool SkipsEmptyColumns { get; init; }

    /// <summary>True when the weight before takes part in the sign that is expected.</summary>
    internal bool SignOfNear { get; init; }

    /// <summary>True when the weight at the far distance takes part in the sign that is expected.</summary>
    internal bool SignOfFar { get; init; }

    /// <summary>Weight, 0 to 3, of the sizes 1 and 2 back in the energy.</summary>
    internal int NearWeight { get; init; }

    /// <inheritdoc cref="NearWeight"/>
    internal int SecondWeight { get; init; }

    /// <summary>Weight, 0 to 3, of the size at the far distance.</summary>
    internal int FarWeight { get; init; }

    /// <summary>Weight, 0 to 3, of the sizes one before and one after the far distance.</summary>
    internal int SideWeight { get; init; }

    /// <summary>The far distance, 2 to <see cref="ClassifiedLayout.MaxDistance"/>; 0 where nothing uses it.</summary>
    internal int FarDistance { get; init; }

    /// <summary>Weights of a row; 0 where the shape says it.</summary>
    internal int RowLength { get; init; }

    /// <summary>True when something looks at the far distance.</summary>
    internal bool UsesFar => FarWeight != 0 || SideWeight != 0 || SignOfFar;

    /// <summary>True when symbols are mirrored where a negative one is expected.</summary>
    internal bool Mirrors => SignOfNear || SignOfFar;

    /// <summary>True when neighbours matter, so that contexts have more than one energy.</summary>
    internal bool HasEnergy => (NearWeight | SecondWeight | FarWeight | SideWeight) != 0;

    /// <summary>True when classes or a map are written.</summary>
    internal bool HasSideInformation => HasRowClasses || HasColumnClasses || Tables > 1;

    internal void Write(BitWriter writer)
    {
        writer.Write((uint)LaneCode, 2);
        writer.Write((uint)(PrecisionBits - RansConstants.MinPrecisionBits), 3);
        writer.Write((uint)(Tables - 1), 5);
        writer.Write((uint)SizeShift, 3);
        writer.Write(HasRowClasses ? 1u : 0, 1);
        writer.Write(HasColumnClasses ? 1u : 0, 1);
        writer.Write(SkipsEmptyColumns ? 1u : 0, 1);
        writer.Write(SignOfNear ? 1u : 0, 1);
        writer.Write(SignOfFar ? 1u : 0, 1);
        writer.Write((uint)NearWeight, 2);
        writer.Write((uint)SecondWeight, 2);
        writer.Write((uint)FarWeight, 2);
        writer.Write((uint)SideWeight, 2);
        writer.Write(RowLength != 0 ? 1u : 0, 1);
        if (UsesFar)
            writer.Write((uint)FarDistance, ClassifiedLayout.DistanceBits);
        if (RowLength != 0)
            writer.Write((uint)RowLength, ClassifiedLayout.RowLengthBits);
    }

    internal static ClassifiedParameters Read(ref BitReader reader)
    {
        var parameters = new ClassifiedParameters
        {
            LaneCode = (int)reader.Read(2),
            PrecisionBits = (int)reader.Read(3) + RansConstants.MinPrecisionBits,
            Tables = (int)reader.Read(5) + 1,
            SizeShift = (int)reader.Read(3),
            HasRowClasses = reader.Read(1) == 1,
            HasColumnClasses = reader.Read(1) == 1,
            SkipsEmptyColumns = reader.Read(1) == 1,
            SignOfNear = reader.Read(1) == 1,
            SignOfFar = reader.Read(1) == 1,
            NearWeight = (int)reader.Read(2),
            SecondWeight = (int)reader.Read(2),
            FarWeight = (int)reader.Read(2),
            SideWeight = (int)reader.Read(2),
        };
        bool hasRowLength = reader.Read(1) == 1;
        if (parameters.PrecisionBits > ClassifiedLayout.MaxPrecisionBits)
            Invalid.Throw(ContainerError.FrequencyTable, "The precision of a frequency table is out of range.");
        if (parameters.SkipsEmptyColumns && !parameters.HasColumnClasses)
            Invalid.Throw(ContainerError.EntropyStream, "Empty columns are left out, but columns have no classes.");
        if (parameters.UsesFar)
        {
            parameters = parameters with { FarDistance = (int)reader.Read(ClassifiedLayout.DistanceBits) };
            if (parameters.FarDistance is < 2 or > ClassifiedLayout.MaxDistance)
                Invalid.Throw(ContainerError.EntropyStream, "The distance to a neighbour is out of range.");
        }

        if (hasRowLength)
        {
            parameters = parameters with { RowLength = (int)reader.Read(ClassifiedLayout.RowLengthBits) };
            if (parameters.RowLength == 0)
                Invalid.Throw(ContainerError.EntropyStream, "The row length is zero.");
        }

        return parameters;
    }
}
