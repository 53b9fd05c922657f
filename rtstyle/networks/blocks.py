"""Parts the networks share: base class, reflection-padded convolution, norm, residual block, upsampling."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, ParamSpec, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

P = ParamSpec("P")


class Network(nn.Module):
    """A trainable network from (B, 3, H, W) RGB in [0, 1] to the same shape and about the same range.

    Any H and W from ``smallest_side`` up are taken: ``forward`` reflects the right and bottom edge
    up to a whole multiple of ``multiple_of`` and crops the result back. The output is not clamped;
    whoever turns it into bytes does that.

    Attributes:
        config: the numbers the network was built from.
        reach: pixels from one of the result to the farthest it depends on, the norms' statistics aside.
    """

    reach: int
    name: ClassVar[str]
    multiple_of: ClassVar[int]  # sides the inner layers need
    smallest_side: ClassVar[int] = 16  # pixels; below, reflection runs out of picture at the coarsest scale
    supports_half: ClassVar[bool]  # float16 weights and activations stay in range
    bytes_per_pixel: ClassVar[int]  # working memory at its peak, in float32, measured and rounded up

    def __init__(self, config: dict[str, int]) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def restyle(self, image: Tensor) -> Tensor:
        """The network proper, on (B, 3, H, W) with H and W multiples of ``multiple_of``."""

    def forward(self, image: Tensor) -> Tensor:
        """Restyle (B, 3, H, W) in [0, 1]; the result has the same shape."""
        height, width = image.shape[-2:]
        bottom, right = -height % self.multiple_of, -width % self.multiple_of
        if not bottom and not right:
            return self.restyle(image)
        padded = F.pad(image, (0, right, 0, bottom), mode="reflect")
        return self.restyle(padded)[..., :height, :width]


def _one_operation(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Let other runtimes take a function as one operation: it is handed to ``__torch_function__`` whole."""
    return cast(
        "Callable[P, Tensor]", torch.overrides.wrap_torch_function(lambda *values: values[:1])(function)
    )


class ReflectConv(nn.Module):
    """Convolution of odd size after reflection padding: zero padding draws a frame around every picture.

    Attributes:
        kernel: pads in place of PyTorch where an engine has something faster for its device; as `reflect`.
    """

    kernel: Callable[[Tensor, int], Tensor] | None = None

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.padding = size // 2
        # This attribute name is part of the weight names shared with the fast-neural-style family.
        self.conv2d = nn.Conv2d(channels_in, channels_out, size, stride)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv2d(self.pad(features))

    def pad(self, features: Tensor) -> Tensor:
        """What the convolution proper reads."""
        pad = reflect if self.kernel is None else self.kernel
        return pad(features, self.padding)


@_one_operation
def reflect(features: Tensor, width: int) -> Tensor:
    """(B, C, H, W) with a border of ``width`` mirrored pixels on each side."""
    return F.pad(features, (width,) * 4, mode="reflect")


class Downward(nn.Module):
    """A picture to half its resolution without detail finer than that grid, and the same smoothed once more.

    Attributes:
        kernel: does all of it where an engine has something faster for its device.
    """

    kernel: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), best in planes, to two of (B, 4C, H/2, W/2), in channels_last."""
        if self.kernel is not None:
            return self.kernel(image)
        # With three or twelve channels whatever is no convolution runs in half the time plane by plane.
        pixels = unshuffle(smooth(image))
        smoothed = smooth(pixels).contiguous(memory_format=torch.channels_last)
        return pixels.contiguous(memory_format=torch.channels_last), smoothed


class Upward(nn.Module):
    """What a convolution on the way up reads: features enlarged by 2, others of that size beside them.

    Attributes:
        kernel: does all of it where an engine has something faster for its device; called as (features,
            beside, width of the border).
    """

    kernel: Callable[[Tensor, Tensor | None, int], Tensor] | None = None

    def forward(self, features: Tensor, conv: ReflectConv, beside: Tensor | None = None) -> Tensor:
        """(B, C, H, W) and (B, D, 2H, 2W) to (B, C + D, 2H, 2W), with the border ``conv`` needs."""
        if self.kernel is not None:
            return self.kernel(features, beside, conv.padding)
        enlarged = conv.pad(enlarge(features))
        # Padded before they are joined they are copied once less, at the step that needs most memory.
        return enlarged if beside is None else torch.cat([enlarged, conv.pad(beside)], dim=1)


class Outward(nn.Module):
    """Features to a picture of twice the size, and added to it another picture's colours, weighted anew.

    Attributes:
        kernel: does all of it where an engine has something faster for its device; called as (features,
            image, weight of the convolution).
    """

    kernel: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def forward(self, features: Tensor, image: Tensor, conv: nn.Conv2d) -> Tensor:
        """(B, 12, H, W) and (B, 3, 2H, 2W), through a convolution of size 1 without bias, to the latter."""
        if self.kernel is not None:
            return self.kernel(features, image, conv.weight)
        return smooth(shuffle(features)) + conv(image)


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation with scale and shift (Ulyanov 2016), as a group norm of one channel a group.

    The function is the same; unlike ``nn.InstanceNorm2d`` it keeps channels_last on the CPU.

    Attributes:
        kernel: computes it in place of PyTorch where an engine has something faster for its device; called
            as (features, weight, bias, eps, relu).
    """

    kernel: Callable[[Tensor, Tensor, Tensor, float, bool], Tensor] | None = None

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, features: Tensor, relu: bool = False) -> Tensor:
        """(B, C, H, W) to the same, through a ReLU if asked."""
        if self.kernel is not None:
            return self.kernel(features, self.weight, self.bias, self.eps, relu)
        normal = super().forward(features)
        return F.relu_(normal) if relu else normal


class ResidualBlock(nn.Module):
    """conv, norm, ReLU, conv, norm, plus the input; no ReLU after the sum (Gross and Wilber 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv(channels, channels, 3)
        self.in1 = InstanceNorm(channels)
        self.conv2 = ReflectConv(channels, channels, 3)
        self.in2 = InstanceNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.in1(self.conv1(features), relu=True)
        return self.in2(self.conv2(inner)) + features


@_one_operation
def double(features: Tensor) -> Tensor:
    """Nearest-neighbour enlargement by 2: (B, C, H, W) to (B, C, 2H, 2W)."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


@_one_operation
def enlarge(features: Tensor) -> Tensor:
    """Bilinear enlargement by 2: (B, C, H, W) to (B, C, 2H, 2W)."""
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


@_one_operation
def smooth(image: Tensor) -> Tensor:
    """(B, C, H, W) filtered by the binomial 1-2-1 both ways: no pattern of period 2 pixels is left.

    As sums of shifted views: on the CPU a fifth of the time of pooling or a depthwise convolution.
    """
    across = reflect(image, 1)
    across = across[..., 1:] + across[..., :-1]  # by one name, so that none outlives its use
    across = across[..., 1:] + across[..., :-1]
    across = across[..., 1:, :] + across[..., :-1, :]
    return (across[..., 1:, :] + across[..., :-1, :]).div_(16)


@_one_operation
def unshuffle(image: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 4C, H/2, W/2): each cell of 2x2 pixels becomes channels.

    What ``F.pixel_unshuffle`` gives, in a third of its time on the CPU; so is `shuffle`.
    """
    count, channels, height, width = image.shape
    cells = image.reshape(count, channels, height // 2, 2, width // 2, 2)
    return cells.permute(0, 1, 3, 5, 2, 4).reshape(count, 4 * channels, height // 2, width // 2)


@_one_operation
def shuffle(features: Tensor) -> Tensor:
    """(B, 4C, H, W), best in channels_last, to (B, C, 2H, 2W) plane by plane: the opposite of `unshuffle`."""
    count, channels, height, width = features.shape
    cells = features.permute(0, 2, 3, 1).reshape(count, height, width, channels // 4, 2, 2)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(count, channels // 4, 2 * height, 2 * width)


def icnr_(weight: Tensor, factor: int) -> None:
    """Start a convolution before a pixel shuffle as nearest-neighbour enlargement (Aitken 2017).

    All ``factor``² sub-pixels of one output channel get the same kernel, so no grid is drawn at the start.
    """
    with torch.no_grad():
        kernels = weight[:: factor * factor].clone()
        weight.copy_(kernels.repeat_interleave(factor * factor, dim=0))
