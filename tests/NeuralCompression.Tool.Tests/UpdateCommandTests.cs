using System.Text.Json;

namespace NeuralCompression.Tool.Tests;

/// <summary>ncm diff and ncm apply: what they say, and what they refuse without leaving anything behind.</summary>
public sealed class UpdateCommandTests : IDisposable
{
    private readonly Tool tool = new();

    public void Dispose() => tool.Dispose();

    [Fact]
    public void DiffApply_TwoModels_GiveTheNextOne()
    {
        Prepare();
        Tool.Result diff = tool.Run("diff", "base.ncm", "next.ncm", "--json");
        diff.Succeeds();
        using JsonDocument json = JsonDocument.Parse(diff.Output);
        Assert.Equal(new FileInfo(tool["next.ncmu"]).Length, json.RootElement.GetProperty("fileBytes").GetInt64());
        Assert.Equal(3, json.RootElement.GetProperty("unchanged").GetInt32() + json.RootElement.GetProperty("differences").GetInt32() + json.RootElement.GetProperty("full").GetInt32());
        tool.Run("apply", "base.ncm", "next.ncmu", "-o", "result.ncm").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["next.ncm"]), File.ReadAllBytes(tool["result.ncm"]));
        tool.Run("decompress", "next.ncmu", "-o", "x.safetensors").Fails(1, "ncm apply");
    }

    [Fact]
    public void InfoVerify_Update_NameItsBaseAndWhatItChanges()
    {
        Prepare();
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "u.ncmu").Succeeds();
        Tool.Result info = tool.Run("info", "u.ncmu", "--json");
        info.Succeeds();
        using JsonDocument json = JsonDocument.Parse(info.Output);
        string digest = json.RootElement.GetProperty("baseDigest").GetString()!;
        Assert.Equal(3, json.RootElement.GetProperty("tensors").GetArrayLength());
        Assert.InRange(json.RootElement.GetProperty("tensors").EnumerateArray().Sum(tensor => tensor.GetProperty("storedBytes").GetInt64()), 1, new FileInfo(tool["u.ncmu"]).Length);

        // The digest that a wrong base is told is the one that info shows.
        Nothing(1, digest[..16], "apply", "next.ncm", "u.ncmu", "-o", "x.ncm");
        Tool.Result text = tool.Run("info", "u.ncmu");
        text.Succeeds();
        Assert.Contains(digest[..16], text.Output, StringComparison.Ordinal);
        Tool.Result verify = tool.Run("verify", "u.ncmu");
        verify.Succeeds();
        Assert.Contains("good", verify.Output, StringComparison.Ordinal);

        byte[] update = File.ReadAllBytes(tool["u.ncmu"]);
        update[^1] ^= 1;
        File.WriteAllBytes(tool["damaged.ncmu"], update);
        File.Copy(tool["next.ncm"], tool["model.ncmu"]);
        File.Copy(tool["text"], tool["text.ncmu"]);
        Nothing(1, "damaged", "verify", "damaged.ncmu");
        foreach (string command in (string[])["info", "verify"])
        {
            Nothing(1, "is a model, not an update", command, "model.ncmu");
            Nothing(1, "not an update", command, "text.ncmu");
            Nothing(3, "There is no file", command, "missing.ncmu");
        }
    }

    [Theory]
    [InlineData("missing", 3, "There is no file")]
    [InlineData("folder", 3, "is a folder")]
    [InlineData("text", 1, "not a compressed model")]
    [InlineData("truncated.ncm", 1, "ends inside")]
    [InlineData("m.safetensors", 1, "compress it first")]
    public void Model_IsNone(string name, int exitCode, string says)
    {
        Prepare();
        Nothing(exitCode, says, "diff", name, "next.ncm");
        Nothing(exitCode, says, "diff", "base.ncm", name);
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "u.ncmu").Succeeds();
        Nothing(exitCode, says, "apply", name, "u.ncmu", "-o", "x.ncm");
    }

    [Theory]
    [InlineData("missing", 3, "There is no file")]
    [InlineData("folder", 3, "is a folder")]
    [InlineData("text", 1, "not an update")]
    [InlineData("next.ncm", 1, "not an update")]
    [InlineData("truncated.ncmu", 1, "ends inside")]
    public void Update_IsNone(string name, int exitCode, string says)
    {
        Prepare();
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "u.ncmu").Succeeds();
        byte[] update = File.ReadAllBytes(tool["u.ncmu"]);
        File.WriteAllBytes(tool["truncated.ncmu"], update[..^1]);
        Nothing(exitCode, says, "apply", "base.ncm", name, "-o", "x.ncm");
    }

    [Fact]
    public void Apply_OtherBase_OrExistingOutput_IsRefused()
    {
        Prepare();
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "u.ncmu").Succeeds();
        Nothing(1, "apply it to the model it was made from", "apply", "next.ncm", "u.ncmu", "-o", "x.ncm");
        Nothing(4, "--force", "apply", "base.ncm", "u.ncmu", "-o", "next.ncm");
        Nothing(2, "one file", "apply", "base.ncm", "u.ncmu", "-o", "base.ncm", "--force");
        Nothing(2, "one file", "diff", "base.ncm", "next.ncm", "-o", "next.ncm", "--force");
        Nothing(2, "", "apply", "base.ncm");
    }

    private void Prepare()
    {
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors", "-o", "base.ncm", "--step", "0.01").Succeeds();
        tool.Run("compress", "m.safetensors", "-o", "next.ncm", "--step", "0.0101", "--level", "SmallestSize").Succeeds();
        Directory.CreateDirectory(tool["folder"]);
        File.WriteAllText(tool["text"], "This is a text, not a model.\n");
        File.WriteAllBytes(tool["truncated.ncm"], File.ReadAllBytes(tool["base.ncm"])[..^1]);
    }

    private void Nothing(int exitCode, string says, params string[] arguments)
    {
        string[] before = [.. tool.Names];
        tool.Run(arguments).Fails(exitCode, says);
        Assert.Equal(before, tool.Names);
    }
}
