using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Experiments;

/// <summary>Images a little shifted, turned and stretched, each in its own way: what a small network must not mind. Bilinear; black comes in from outside.</summary>
internal static class Distortion
{
    /// <summary>Images [n, 784] distorted by at most what the settings say; a new tensor, or the images themselves if they say nothing.</summary>
    public static Tensor Apply(Tensor images, Settings settings, Generator generator)
    {
        if (settings is { Shift: 0, Rotation: 0, Stretch: 0 })
            return images;

        long n = images.shape[0];
        var angle = Symmetric(n, settings.Rotation * Math.PI / 180, generator);
        var (cosine, sine) = (angle.cos(), angle.sin());
        var across = Symmetric(n, settings.Stretch, generator).exp();
        var down = Symmetric(n, settings.Stretch, generator).exp();

        // In units of half an image.
        double shift = settings.Shift * 2 / NetworkShape.ImageSide;
        var maps = stack([cosine * across, -sine * down, Symmetric(n, shift, generator), sine * across, cosine * down, Symmetric(n, shift, generator)], 1).view(n, 2, 3);
        long side = NetworkShape.ImageSide;
        var grid = functional.affine_grid(maps, [n, 1, side, side], align_corners: false);
        return functional.grid_sample(images.view(n, 1, side, side), grid, align_corners: false).view(n, side * side);
    }

    private static Tensor Symmetric(long count, double largest, Generator generator) => rand(count, generator: generator).mul(2).sub(1).mul(largest);
}
