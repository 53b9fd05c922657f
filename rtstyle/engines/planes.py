"""Steps of a network that a processor does faster than by the PyTorch operations that describe them."""

from __future__ import annotations

import torch
from torch import Tensor

from rtstyle.networks.blocks import smooth, unshuffle

_BAND = 49_152  # pixels at half resolution at once: 2.4 MB, which a core's or the shared cache holds
_MARGIN = 2  # rows there that smoothing twice takes from beyond a band


def halves(image: Tensor) -> tuple[Tensor, Tensor]:
    """As `blocks.Halves` does, to the bit, a band of rows at a time.

    What one operation leaves in the cache the next one finds there: at 3840x2160 half the time.
    """
    count, channels, height, width = image.shape
    image = image.contiguous()
    shape = (count, 4 * channels, height // 2, width // 2)
    pixels = torch.empty(shape, dtype=image.dtype, memory_format=torch.channels_last)
    smoothed = torch.empty_like(pixels)
    rows = max(_MARGIN, _BAND // shape[3])
    for top in range(0, shape[2], rows):
        bottom = min(top + rows, shape[2])
        first, last = max(0, top - _MARGIN), min(shape[2], bottom + _MARGIN)
        band = unshuffle(smooth(image[:, :, 2 * first : 2 * last]))
        own = slice(top - first, bottom - first)
        pixels[:, :, top:bottom] = band[:, :, own]
        smoothed[:, :, top:bottom] = smooth(band)[:, :, own]
    return pixels, smoothed


def enlarge(features: Tensor) -> Tensor:
    """As `blocks.enlarge`, to rounding: rows between rows, then columns between columns; in channels_last.

    PyTorch's takes one thread for each picture, however many there are.
    """
    count, channels, height, width = features.shape
    cells = features.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    tall = cells.new_empty(count, height, 2, width, channels)
    _between(cells, tall, 1)
    wide = cells.new_empty(count, 2 * height, width, 2, channels)
    _between(tall.view(count, 2 * height, width, channels), wide, 2)
    return wide.view(count, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _between(values: Tensor, result: Tensor, axis: int) -> None:
    """Two for each along an axis, each three quarters of it and one of its neighbour on that side."""
    length = values.shape[axis]
    early, late = result.unbind(axis + 1)
    ahead, behind = values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1)
    torch.lerp(behind, ahead, 0.25, out=early.narrow(axis, 1, length - 1))
    torch.lerp(ahead, behind, 0.25, out=late.narrow(axis, 0, length - 1))
    early.narrow(axis, 0, 1).copy_(values.narrow(axis, 0, 1))
    late.narrow(axis, length - 1, 1).copy_(values.narrow(axis, length - 1, 1))


def recolor(image: Tensor, weight: Tensor) -> Tensor:
    """(B, C, H, W) in planes, by ``weight`` (D, C, 1, 1) to (B, D, H, W), as a convolution of size 1 does.

    By sums of planes: PyTorch's convolution of three takes nine times as long with two threads as with one.
    """
    count, _, height, width = image.shape
    result = image.new_empty(count, len(weight), height, width)
    first, *others = image.unbind(1)
    for plane, shares in zip(result.unbind(1), weight.flatten(1), strict=True):
        torch.mul(first, shares[0], out=plane)
        for other, share in zip(others, shares[1:], strict=True):
            plane.addcmul_(other, share)
    return result
