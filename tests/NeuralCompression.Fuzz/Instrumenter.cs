using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace NeuralCompression.Fuzz;

/// <summary>Puts a call to <see cref="Coverage.Hit"/> at the start of every basic block of an assembly.</summary>
internal static class Instrumenter
{
    /// <summary>Reads an assembly and gives the instrumented one.</summary>
    /// <param name="path">The assembly.</param>
    /// <param name="blocks">How many blocks there are.</param>
    internal static MemoryStream Instrument(string path, out int blocks)
    {
        using var resolver = new DefaultAssemblyResolver();
        resolver.AddSearchDirectory(Path.GetDirectoryName(path));
        resolver.AddSearchDirectory(Path.GetDirectoryName(typeof(object).Assembly.Location));
        using ModuleDefinition module = ModuleDefinition.ReadModule(path, new ReaderParameters { AssemblyResolver = resolver });
        MethodReference hit = module.ImportReference(typeof(Coverage).GetMethod(nameof(Coverage.Hit)));
        blocks = 0;
        foreach (TypeDefinition type in module.GetTypes())
        {
            foreach (MethodDefinition method in type.Methods.Where(method => method.HasBody))
                Instrument(method.Body, hit, ref blocks);
        }

        var output = new MemoryStream();
        module.Write(output);
        output.Position = 0;
        return output;
    }

    private static void Instrument(MethodBody body, MethodReference hit, ref int blocks)
    {
        body.SimplifyMacros();
        ILProcessor processor = body.GetILProcessor();
        foreach (Instruction start in Starts(body))
        {
            // The old start becomes the first new instruction, so whatever points to it stays right.
            Instruction moved = Instruction.Create(OpCodes.Nop);
            moved.OpCode = start.OpCode;
            moved.Operand = start.Operand;
            start.OpCode = OpCodes.Ldc_I4;
            start.Operand = (int)((uint)blocks++ * 2654435761 >> 16);
            Instruction call = processor.Create(OpCodes.Call, hit);
            processor.InsertAfter(start, call);
            processor.InsertAfter(call, moved);
        }

        body.OptimizeMacros();
    }

    private static HashSet<Instruction> Starts(MethodBody body)
    {
        var starts = new HashSet<Instruction> { body.Instructions[0] };
        foreach (Instruction instruction in body.Instructions)
        {
            if (instruction.Operand is Instruction target)
                starts.Add(target);
            if (instruction.Operand is Instruction[] targets)
                starts.UnionWith(targets);
            if (instruction.OpCode.FlowControl == FlowControl.Cond_Branch && instruction.Next is not null)
                starts.Add(instruction.Next);
        }

        foreach (ExceptionHandler handler in body.ExceptionHandlers)
        {
            starts.Add(handler.HandlerStart);
            if (handler.FilterStart is not null)
                starts.Add(handler.FilterStart);
        }

        return starts;
    }
}
