using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using NeuralCompression.Codec.EntropyCoding;
using NeuralCompression.Codec.WeightCoding.Classified.Kernels;
using NeuralCompression.Codec.WeightCoding.ContextMixing;

namespace NeuralCompression.Codec.WeightCoding.Classified;

/// <summary>Reads what <see cref="ClassifiedEncoder"/> wrote. Source: docs/format.md, section 5.8.</summary>
internal static class ClassifiedReader
{
    /// <summary>Decodes exactly as many symbols as the destination holds, all in [min, max], which are within 8 bits and not equal.</summary>
    internal static void Decode(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<sbyte> symbols) =>
        Decode(payload, shape, min, max, symbols, null);

    /// <summary>Decodes with a given kernel; null is the widest.</summary>
    internal static void Decode(ReadOnlySpan<byte> payload, ReadOnlySpan<long> shape, int min, int max, Span<sbyte> symbols, DecodeColumns? kernel)
    {
        var bits = new BitReader(payload, ContainerError.EntropyStream);
        ClassifiedParameters parameters = ClassifiedParameters.Read(ref bits);
        int position = bits.Finish();
        long columns = parameters.RowLength != 0 ? parameters.RowLength : ClassifiedLayout.RowLength(shape);
        if (columns > symbols.Length || symbols.Length % columns != 0)
            Invalid.Throw(ContainerError.EntropyStream, "The row length does not divide the number of weights.");
        int bound = Math.Max(-min, max);
        if (parameters.Mirrors && bound > sbyte.MaxValue)
            Invalid.Throw(ContainerError.EntropyStream, "A symbol of -128 cannot be mirrored.");

        byte[] rowClasses = new byte[symbols.Length / (int)columns];
        byte[] columnClasses = new byte[columns];
        byte[] map = new byte[ClassifiedLayout.MapLength];
        position += ReadSideInformation(payload[position..], parameters, rowClasses, columnClasses, map);
        var rows = new LaneRows(rowClasses, RansConstants.LaneCounts[parameters.LaneCode]);
        bool hasEmpty = rows.Rows.Length < rowClasses.Length || columnClasses.AsSpan().Contains((byte)0);
        if (hasEmpty && (min > 0 || max < 0))
            Invalid.Throw(ContainerError.SymbolValue, "A row or column is empty, but zero is no symbol.");

        int firstSymbol = parameters.Mirrors ? -bound : min;
        FrequencyTable[] tables = ReadTables(payload[position..], parameters, (parameters.Mirrors ? bound : max) - firstSymbol + 1, out int tableBytes);
        position += tableBytes;
        using var steps = new ClassifiedSteps(parameters, tables, map, columnClasses, firstSymbol);
        position += ReadStates(payload[position..], steps.States.AsSpan(0, rows.Lanes));
        Run(payload[position..], steps, rows, rowClasses, symbols, kernel ?? ClassifiedKernels.For(steps.Lanes));

        if (parameters.Mirrors && -min != max && SymbolRange.Of(symbols) is var range && (range.Min < min || range.Max > max))
            Invalid.Throw(ContainerError.SymbolValue, "A symbol lies outside the range its index entry declares.");
    }

    /// <summary>Bit s is set where a row class and a column class that occur have the scale s.</summary>
    internal static int Scales(ReadOnlySpan<byte> rowClasses, ReadOnlySpan<byte> columnClasses)
    {
        int scales = 0;
        for (byte row = 1; row < ClassifiedLayout.Classes; row++)
        {
            if (!rowClasses.Contains(row))
                continue;
            for (byte column = 1; column < ClassifiedLayout.Classes; column++)
                scales |= columnClasses.Contains(column) ? 1 << (row + column - 2) : 0;
        }

        return scales;
    }

    private static int ReadSideInformation(ReadOnlySpan<byte> source, in ClassifiedParameters parameters, Span<byte> rowClasses, Span<byte> columnClasses, Span<byte> map)
    {
        rowClasses.Fill(ClassifiedLayout.PlainClass);
        columnClasses.Fill(ClassifiedLayout.PlainClass);
        if (!parameters.HasSideInformation)
            return 0;
        var reader = new Reader { Rans = new BinaryRansDecoder(source) };
        reader.Rans.BeginBlock();
        if (parameters.HasRowClasses)
            SideInformation.Classes(ref reader, rowClasses);
        if (parameters.HasColumnClasses)
            SideInformation.Classes(ref reader, columnClasses);
        SideInformation.Map(ref reader, map, Scales(rowClasses, columnClasses), parameters.HasEnergy ? ClassifiedLayout.Energies : 1, parameters.Tables);
        reader.Rans.EndBlock(last: false);
        return reader.Rans.Position;
    }

    private static FrequencyTable[] ReadTables(ReadOnlySpan<byte> source, in ClassifiedParameters parameters, int alphabet, out int length)
    {
        var bits = new BitReader(source, ContainerError.FrequencyTable);
        var tables = new FrequencyTable[parameters.Tables];
        for (int table = 0; table < tables.Length; table++)
            tables[table] = FrequencyTableCode.Read(ref bits, alphabet, parameters.PrecisionBits, (int)bits.Read(3), endsAreAbsent: true);
        length = bits.Finish();
        return tables;
    }

    private static int ReadStates(ReadOnlySpan<byte> source, Span<uint> states)
    {
        if (source.Length < states.Length * sizeof(uint))
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends inside its states.");
        for (int lane = 0; lane < states.Length; lane++)
        {
            states[lane] = BinaryPrimitives.ReadUInt32LittleEndian(source[(lane * sizeof(uint))..]);
            if (states[lane] < RansConstants.LowerBound || states[lane] >> RansConstants.StateBits != 0)
                Invalid.Throw(ContainerError.EntropyStream, "A coder state is out of range.");
        }

        return states.Length * sizeof(uint);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(ReadOnlySpan<byte> words, ClassifiedSteps steps, in LaneRows rows, ReadOnlySpan<byte> rowClasses, Span<sbyte> symbols, DecodeColumns kernel)
    {
        int columns = symbols.Length / rowClasses.Length;
        if (rows.Rows.Length < rowClasses.Length)
        {
            for (int row = 0; row < rowClasses.Length; row++)
            {
                if (rowClasses[row] == 0)
                    symbols.Slice(row * columns, columns).Clear();
            }
        }

        // A kernel wants words for a whole step, also for the last ones: they come from a copy with zeros behind it, and afterwards it shows whether a zero was used.
        int stepBytes = steps.Lanes * sizeof(ushort);
        Span<byte> end = stackalloc byte[2 * RansReader.MaxLanes * sizeof(ushort)];
        end.Clear();
        int tail = Math.Min(words.Length, stepBytes);
        words[^tail..].CopyTo(end);
        int position = 0;

        Span<byte> laneClasses = stackalloc byte[RansReader.MaxLanes];
        Span<int> offsets = stackalloc int[RansReader.MaxLanes];
        int active = rows.Lanes;
        for (int step = 0; step < rows.Stripe && active > 0; step++)
        {
            int previous = active;
            active = rows.Active(step);
            CheckEnd(steps.States.AsSpan(active, previous - active));
            for (int lane = 0; lane < active; lane++)
            {
                int row = rows.Rows[(lane * rows.Stripe) + step];
                laneClasses[lane] = rowClasses[row];
                offsets[lane] = row * columns;
            }

            steps.BeginRow(laneClasses[..active]);
            for (int from = 0; from < columns; from += ClassifiedLayout.BlockColumns)
            {
                int to = Math.Min(from + ClassifiedLayout.BlockColumns, columns);
                position = Columns(words, end[..(tail + stepBytes)], position, steps, from, to, kernel);
                BlockTranspose.Run(steps.Block, steps.Lanes, offsets[..active], to - from, symbols);
                for (int lane = 0; lane < active; lane++)
                    offsets[lane] += to - from;
            }
        }

        CheckEnd(steps.States.AsSpan(0, active));
        if (position != words.Length)
            Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data goes on after the last symbol.");
    }

    // Decodes columns from the words and, once they are short, from the copy of their end; gives the new position in the words.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Columns(ReadOnlySpan<byte> words, ReadOnlySpan<byte> end, int position, ClassifiedSteps steps, int from, int to, DecodeColumns kernel)
    {
        int done = kernel(steps, words[position..], from, to, out int read);
        position += read;
        if (from + done < to)
        {
            int left = words.Length - position;
            done += kernel(steps, end[^(left + (steps.Lanes * sizeof(ushort)))..], from + done, to, out read);
            if (from + done < to || read > left)
                Invalid.Throw(ContainerError.EntropyStream, "The entropy-coded data ends early.");
            position += read;
        }

        return position;
    }

    private static void CheckEnd(ReadOnlySpan<uint> states)
    {
        foreach (uint state in states)
        {
            if (state != RansConstants.LowerBound)
                Invalid.Throw(ContainerError.EntropyStream, "The coder does not end in its start state.");
        }
    }

    private ref struct Reader : IDecisionCoder
    {
        internal BinaryRansDecoder Rans;

        public static bool Decodes => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int Code(int bit, int probability) => Rans.DecodeUnforeseen(probability);
    }
}
