using NeuralCompression.Codec.WeightCoding.Grouping;

namespace NeuralCompression.Codec.Tests.Kernels;

public class NearGroupTests
{
    [Theory]
    [InlineData(2, 8)]
    [InlineData(3, 8)]
    [InlineData(4, 4)]
    [InlineData(16, 2)]
    public void Fill_AnyReach_GivesNearerGroupsFirst(int alphabet, int size)
    {
        int numbers = SymbolGroups.Numbers(alphabet, size);
        var digits = new byte[size];
        for (byte filler = 0; filler < alphabet; filler++)
        {
            int Distance(int number)
            {
                SymbolGroups.Split(number, alphabet, digits);
                return digits.Count(digit => digit != filler);
            }

            for (int reach = 0; reach <= size; reach++)
            {
                ushort[] expected = [.. Enumerable.Range(0, numbers).Where(number => Distance(number) <= reach).OrderBy(Distance).Select(number => (ushort)number)];
                Assert.Equal(expected.Length, NearGroups.Count(alphabet, size, reach));
                var near = new ushort[expected.Length];
                NearGroups.Fill(near, alphabet, size, reach, filler);
                Assert.Equal(expected, near);
            }
        }
    }

    [Fact]
    public void Count_TheLargestAlphabet_DoesNotOverflow() => Assert.Equal(SymbolGroups.MaxNumbers, NearGroups.Count(256, 2, 2));
}
