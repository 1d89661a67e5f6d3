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

        // At the level of a model that is to be decoded fast.
        tool.Run("compress", "m.safetensors", "-o", "fast.ncm", "--step", "0.0101", "--level", "Fastest").Succeeds();
        tool.Run("diff", "base.ncm", "fast.ncm", "-o", "fast.ncmu", "--level", "Fastest").Succeeds();
        Assert.NotEqual(File.ReadAllBytes(tool["next.ncmu"]), File.ReadAllBytes(tool["fast.ncmu"]));
        tool.Run("apply", "base.ncm", "fast.ncmu", "-o", "fast-result.ncm", "--level", "Fastest").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["fast.ncm"]), File.ReadAllBytes(tool["fast-result.ncm"]));
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
    [InlineData("truncated.ncm", 1, "'truncated.ncm': The file ends inside")]
    [InlineData("damaged.ncm", 1, "ncm verify tells which")]
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
    [InlineData("truncated.ncmu", 1, "'truncated.ncmu': The file ends inside")]
    [InlineData("damaged.ncmu", 1, "ncm verify tells which")]
    public void Update_IsNone(string name, int exitCode, string says)
    {
        Prepare();
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "u.ncmu").Succeeds();
        byte[] update = File.ReadAllBytes(tool["u.ncmu"]);
        File.WriteAllBytes(tool["truncated.ncmu"], update[..^1]);
        update[^1] ^= 1;
        File.WriteAllBytes(tool["damaged.ncmu"], update);
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

    [Fact]
    public void DiffApply_Sets_AreOneModelEach()
    {
        Prepare();
        tool.Run("diff", "base.ncm", "next.ncm", "-o", "there.ncmu").Succeeds();
        tool.Run("apply", "base.ncm", "there.ncmu", "-o", "next.ncms", "--shard-bytes", "4000").Succeeds();
        Assert.Equal(["next-1-", "next-2-"], tool.Names.Where(name => name.StartsWith("next-", StringComparison.Ordinal)).Select(name => name[..7]));
        tool.Run("verify", "next.ncms").Succeeds();

        // The same model: the same update, and nothing to say between the two.
        tool.Run("diff", "base.ncm", "next.ncms", "-o", "same.ncmu").Succeeds();
        Assert.Equal(File.ReadAllBytes(tool["there.ncmu"]), File.ReadAllBytes(tool["same.ncmu"]));
        tool.Run("diff", "next.ncms", "base.ncm", "-o", "back.ncmu").Succeeds();
        string[] before = [.. tool.Names];
        tool.Run("apply", "next.ncms", "back.ncmu").Succeeds();
        Assert.Equal(["back-1-", "back.ncms"], tool.Names.Except(before).Select(name => name.EndsWith(".ncm", StringComparison.Ordinal) ? name[..7] : name));
        Nothing(4, "--force", "apply", "next.ncms", "back.ncmu");
        Nothing(1, "apply it to the model it was made from", "apply", "next.ncms", "there.ncmu", "-o", "x.ncms");
        Nothing(2, "one file", "apply", "next.ncms", "back.ncmu", "-o", "next.ncms", "--force");
        Nothing(2, "at least 1", "apply", "next.ncms", "back.ncmu", "-o", "x.ncms", "--shard-bytes", "0");
        File.Delete(tool[tool.Names.First(name => name.StartsWith("next-2-", StringComparison.Ordinal))]);
        Nothing(3, "next-2-", "diff", "next.ncms", "base.ncm", "-o", "x.ncmu");
    }

    private void Prepare()
    {
        Models.Write(tool["m.safetensors"]);
        tool.Run("compress", "m.safetensors", "-o", "base.ncm", "--step", "0.01").Succeeds();
        tool.Run("compress", "m.safetensors", "-o", "next.ncm", "--step", "0.0101", "--level", "SmallestSize").Succeeds();
        Directory.CreateDirectory(tool["folder"]);
        File.WriteAllText(tool["text"], "This is a text, not a model.\n");
        byte[] model = File.ReadAllBytes(tool["base.ncm"]);
        File.WriteAllBytes(tool["truncated.ncm"], model[..^1]);
        model[^1] ^= 1;
        File.WriteAllBytes(tool["damaged.ncm"], model);
    }

    private void Nothing(int exitCode, string says, params string[] arguments)
    {
        string[] before = [.. tool.Names];
        tool.Run(arguments).Fails(exitCode, says);
        Assert.Equal(before, tool.Names);
    }
}
