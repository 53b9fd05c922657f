"""The classic feed-forward style network: the quality reference."""

from typing import ClassVar

from torch import Tensor

from rtstyle.networks.blocks import InstanceNorm, Network, ReflectConv, ResidualBlock, double


class Johnson(Network):
    """Johnson, Alahi, Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution".

    With the paper's supplement as amended since: instance norm (Ulyanov 2016), reflection padding,
    and nearest-neighbour enlargement before a convolution instead of transposed convolution (Odena 2016).
    Weight names are those of the fast-neural-style family, so that its checkpoints load; the family works
    on 0-255, this network on 0-1, so an importer folds 255 into ``conv1`` and ``deconv3``.
    """

    name: ClassVar[str] = "johnson"
    multiple_of: ClassVar[int] = 4
    supports_half: ClassVar[bool] = True
    bytes_per_pixel: ClassVar[int] = 1100

    def __init__(self, *, width: int = 32) -> None:
        """``width``: channels at full resolution; twice as many at half, four times at a quarter."""
        super().__init__({"width": width})
        self.reach = 57
        half, quarter = 2 * width, 4 * width
        self.conv1 = ReflectConv(3, width, 9)
        self.in1 = InstanceNorm(width)
        self.conv2 = ReflectConv(width, half, 3, stride=2)
        self.in2 = InstanceNorm(half)
        self.conv3 = ReflectConv(half, quarter, 3, stride=2)
        self.in3 = InstanceNorm(quarter)
        self.res1 = ResidualBlock(quarter)
        self.res2 = ResidualBlock(quarter)
        self.res3 = ResidualBlock(quarter)
        self.res4 = ResidualBlock(quarter)
        self.res5 = ResidualBlock(quarter)
        self.deconv1 = ReflectConv(quarter, half, 3)
        self.in4 = InstanceNorm(half)
        self.deconv2 = ReflectConv(half, width, 3)
        self.in5 = InstanceNorm(width)
        self.deconv3 = ReflectConv(width, 3, 9)

    def restyle(self, image: Tensor) -> Tensor:
        # One name for all: at 1280x720 each full-resolution layer is 118 MB, freed as soon as it is used.
        features = self.in1(self.conv1(image), relu=True)  # (B, width, H, W)
        features = self.in2(self.conv2(features), relu=True)  # (B, 2 width, H/2, W/2)
        features = self.in3(self.conv3(features), relu=True)  # (B, 4 width, H/4, W/4)
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            features = block(features)
        features = self.in4(self.deconv1(double(features)), relu=True)  # (B, 2 width, H/2, W/2)
        features = self.in5(self.deconv2(double(features)), relu=True)  # (B, width, H, W)
        return self.deconv3(features)
