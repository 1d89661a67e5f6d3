using System.Reflection;
using System.Runtime.Loader;

namespace NeuralCompression.Fuzz;

/// <summary>Loads this program once more, beside an instrumented copy of the library.</summary>
internal sealed class InstrumentedContext : AssemblyLoadContext
{
    private readonly Assembly program;
    private readonly Assembly library;

    internal InstrumentedContext()
        : base("instrumented")
    {
        using MemoryStream instrumented = Instrumenter.Instrument(typeof(Codec.CompressedModelReader).Assembly.Location, out int blocks);
        library = LoadFromStream(instrumented);
        program = LoadFromAssemblyPath(typeof(InstrumentedContext).Assembly.Location);
        Blocks = blocks;
    }

    /// <summary>Basic blocks of the library.</summary>
    internal int Blocks { get; }

    /// <summary>Calls a static method of this program with the instrumented library.</summary>
    internal object? Call(Type type, string method, params object?[] arguments) =>
        program.GetType(type.FullName!, throwOnError: true)!
            .GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic)!
            .Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, null);

    // While the constructor loads the program, nothing asks for it yet.
    protected override Assembly? Load(AssemblyName assemblyName) =>
        assemblyName.Name == library.GetName().Name ? library
        : assemblyName.Name == program?.GetName().Name ? program
        : null;
}
