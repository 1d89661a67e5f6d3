using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.Tests.Kernels;

public class GroupMaskTests
{
    [Theory]
    [InlineData(2, 200)]
    [InlineData(4, 16)]
    [InlineData(8, 4)]
    public void TakeAndScatter_AnyGroups_GiveThemBack(int size, int alphabet)
    {
        var random = new XorShift((ulong)size);
        for (int count = 0; count < 300; count += count < 20 ? 1 : 37)
        {
            byte filler = (byte)random.Next(alphabet);
            byte[] groups = [.. Enumerable.Range(0, count * size).Select(_ => random.Next(2) == 0 ? filler : (byte)random.Next(alphabet))];
            var masks = new byte[count];
            var digits = new List<byte>();
            for (int i = 0; i < count; i++)
            {
                byte[] group = groups[(i * size)..((i + 1) * size)];
                masks[i] = GroupMasks.Take(group, filler, out int taken);
                digits.AddRange(group[..taken]);
            }

            Assert.Equal(groups.Where(digit => digit != filler), digits);
            Assert.Equal(digits.Count, GroupMasks.Count(masks));
            using var source = new GuardedMemory(digits.Count + GroupMasks.Padding);
            using var target = new GuardedMemory(groups.Length + GroupMasks.Padding);
            digits.CopyTo(source.Span);
            GroupMasks.Scatter(masks, source.Span, filler, size, target.Span);
            Assert.True(target.Span[..groups.Length].SequenceEqual(groups));
        }
    }

    [Fact]
    public void Scatter_TooLittleRoom_IsAnError()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => GroupMasks.Scatter([3], new byte[9], 0, 2, new byte[10]));
        Assert.Throws<ArgumentOutOfRangeException>(() => GroupMasks.Scatter([3], new byte[10], 0, 2, new byte[9]));
    }
}
