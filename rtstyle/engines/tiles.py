"""Pictures larger than memory allows at once: restyled in tiles that share the statistics of their norms.

Instance norm looks at a whole picture: tiles restyled each by itself differ in light and colour, and show
as squares. Chen et al. 2022 ("Towards Ultra-Resolution Neural Style Transfer via Thumbnail Instance
Normalization") give every tile the mean and deviation of a thumbnail. Here they come from crops at the
picture's own size, spread all over it: a network's strokes have a size in pixels, so that what its inner
layers see in a thumbnail is another picture. Tiles overlap by what the network's layers reach, and so meet
without a seam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.networks import Network
from rtstyle.networks.blocks import InstanceNorm

# Pixels a side of what the statistics are taken from. Many small ones know more of a picture than a few large
# ones; their mirrored edges matter little. A quarter of a picture gives the whole one's to 31 to 38 dB.
_CROP = 384
_Run = Callable[[Tensor], Tensor]


def in_tiles(network: Network, image: Tensor, run: _Run, room: float) -> Tensor:
    """Restyle (3, H, W), of any size, in at most about ``room`` bytes beside the picture and the result.

    Args:
        network: its norms are given shared statistics meanwhile.
        run: (B, 3, h, w) of the picture's samples through that network, to the same shape and samples.
    """
    pixels = room / network.bytes_per_pixel
    cell = network.multiple_of
    edge = math.ceil(network.reach / cell) * cell
    side = max(math.isqrt(int(pixels)) // cell * cell - 2 * edge, 8 * cell)
    result = torch.empty_like(image, memory_format=torch.contiguous_format)
    with _shared_statistics(network) as settle:
        run(_crops(image, max(1, int(pixels / _CROP**2))))
        settle()
        for top, bottom in _spans(image.shape[1], side, cell):
            for left, right in _spans(image.shape[2], side, cell):
                # A tile's own place is a whole number of the network's coarsest cells, as in the picture.
                y, x = max(0, top - edge), max(0, left - edge)
                tile = run(image[None, :, y : bottom + edge, x : right + edge])[0]
                result[:, top:bottom, left:right] = tile[:, top - y : bottom - y, left - x : right - x]
    return result


def _spans(length: int, most: int, cell: int) -> list[tuple[int, int]]:
    """(begin, end) of the tiles along one side, about equal, each beginning with a cell."""
    step = math.ceil(length / math.ceil(length / most) / cell) * cell
    return [(begin, min(begin + step, length)) for begin in range(0, length, step)]


def _crops(image: Tensor, most: int) -> Tensor:
    """(B, 3, h, w): at most so many pieces of the picture, the middles of as many equal parts of it."""
    height, width = image.shape[1:]
    h, w = min(_CROP, height), min(_CROP, width)
    rows = min(math.ceil(height / h), most, max(1, round(math.sqrt(most * height / width))))
    columns = min(math.ceil(width / w), max(1, most // rows))
    places = [(y, x) for y in _middles(height, h, rows) for x in _middles(width, w, columns)]
    return torch.stack([image[:, y : y + h, x : x + w] for y, x in places])


def _middles(length: int, piece: int, parts: int) -> list[int]:
    """Where pieces in the middle of equal parts begin, or at an end where a part is less than one."""
    begins = (round((i + 0.5) * length / parts - piece / 2) for i in range(parts))
    return [min(max(0, begin), length - piece) for begin in begins]


@contextmanager
def _shared_statistics(network: Network) -> Iterator[Callable[[], None]]:
    """Norms over whole batches; from the call of what is given on, with the statistics of the last one."""
    norms = [part for part in network.modules() if isinstance(part, InstanceNorm)]
    before = [norm.kernel for norm in norms]
    kernels = [_SharedNorm() for _ in norms]

    def settle() -> None:
        for kernel in kernels:
            kernel.settled = True

    try:
        for norm, kernel in zip(norms, kernels, strict=True):
            norm.kernel = kernel
        yield settle
    finally:
        for norm, kernel_before in zip(norms, before, strict=True):
            norm.kernel = kernel_before


class _SharedNorm:
    """A norm with one mean and variance a channel for all pictures, as `InstanceNorm.kernel`."""

    def __init__(self) -> None:
        self.settled = False
        self.mean = self.variance = torch.empty(0)

    def __call__(self, features: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
        if not self.settled:
            self.variance, self.mean = torch.var_mean(features, dim=(0, 2, 3), correction=0)
        # Batch norm at rest is that function, in one pass.
        normal = F.batch_norm(features, self.mean, self.variance, weight, bias, eps=eps)
        return F.relu_(normal) if relu else normal
