"""The live network: most of its weights work at an eighth of the resolution, no layer at the full one."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.networks.blocks import (
    Downward,
    InstanceNorm,
    Network,
    Outward,
    ReflectConv,
    ResidualBlock,
    Upward,
    icnr_,
    smooth,
)


class Swift(Network):
    """A small network for live video.

    The picture is unshuffled to half resolution (12 channels); two stride-2 convolutions lead to a
    quarter and an eighth, where most residual blocks are. On the way up each scale is enlarged
    bilinearly and convolved: the quarter adds its own features from the way down, the half is joined
    by the unshuffled picture itself, so that this thin last stage still sees every pixel. Nearest
    neighbour here draws hatching along rows and columns that swims when the camera moves.
    Whatever loses resolution is smoothed before: detail finer than the coarse grid would fold into
    patterns that change with every pixel of motion (Zhang 2019, "Making Convolutional Networks
    Shift-Invariant Again"), and a camera's noise with it.
    One pixel shuffle by 2 makes the full size, smoothed by a binomial filter that no pattern of two
    pixels survives (Sugawara, Shiota, Kiya 2018, "Super-Resolution using Convolutional Neural Networks
    without Any Checkerboard Artifacts"); a shuffle by 4 cannot draw a stroke finer than its cell.
    """

    name: ClassVar[str] = "swift"
    multiple_of: ClassVar[int] = 8
    supports_half: ClassVar[bool] = True
    bytes_per_pixel: ClassVar[int] = 150

    def __init__(
        self,
        *,
        half: int = 16,
        quarter: int = 32,
        eighth: int = 64,
        quarter_blocks: int = 1,
        eighth_blocks: int = 4,
    ) -> None:
        """``half``, ``quarter``, ``eighth``: channels at that scale; ``*_blocks``: residual blocks there."""
        super().__init__(
            {
                "half": half,
                "quarter": quarter,
                "eighth": eighth,
                "quarter_blocks": quarter_blocks,
                "eighth_blocks": eighth_blocks,
            }
        )
        self.reach = 35 + 2 * (4 * quarter_blocks + 8 * eighth_blocks)
        pixels = 3 * 2 * 2
        self.downward = Downward()
        self.down1 = ReflectConv(pixels, quarter, 3, stride=2)
        self.down1_norm = InstanceNorm(quarter)
        self.down2 = ReflectConv(quarter, eighth, 3, stride=2)
        self.down2_norm = InstanceNorm(eighth)
        self.eighth_blocks = nn.Sequential(*(ResidualBlock(eighth) for _ in range(eighth_blocks)))
        self.upward = Upward()
        self.up1 = ReflectConv(eighth, quarter, 3)
        self.up1_norm = InstanceNorm(quarter)
        self.quarter_blocks = nn.Sequential(*(ResidualBlock(quarter) for _ in range(quarter_blocks)))
        self.narrow = nn.Conv2d(quarter, half, 1)
        self.up2 = ReflectConv(half + pixels, half, 3)
        self.up2_norm = InstanceNorm(half)
        self.out = ReflectConv(half, pixels, 3)
        icnr_(self.out.conv2d.weight, 2)
        nn.init.constant_(self.out.conv2d.get_parameter("bias"), 0.5)  # mid gray: training starts in range
        # Instance norm forgets a picture's own brightness and contrast; this way past it remembers them.
        self.skip = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        self.outward = Outward()

    def restyle(self, image: Tensor) -> Tensor:
        image = image.contiguous()  # in planes, as both ends are fastest
        pixels, before = self.downward(image)  # (B, 12, H/2, W/2)
        before = self.down1_norm(self.down1(before), relu=True)  # (B, quarter, H/4, W/4)
        inner = self.down2_norm(self.down2(smooth(before)), relu=True)  # (B, eighth, H/8, W/8)
        inner = self.eighth_blocks(inner)
        after = F.relu_(self.up1_norm(self.up1.conv2d(self.upward(inner, self.up1))) + before)
        after = self.quarter_blocks(after)
        # Narrowing before the enlargement costs a quarter of narrowing after it, and is the same.
        joined = self.upward(self.narrow(after), self.up2, beside=pixels)
        del pixels, before, inner, after
        joined = self.up2.conv2d(joined)
        joined = self.up2_norm(joined, relu=True)  # (B, half, H/2, W/2)
        return self.outward(self.out(joined), image, self.skip)
