"""Steps of a network that a processor does faster than by the PyTorch operations that describe them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from rtstyle.networks.blocks import shuffle, smooth, unshuffle

_BAND = 49_152  # pixels at half resolution at once: 2.4 MB, which a core's or the shared cache holds


def downward(image: Tensor) -> tuple[Tensor, Tensor]:
    """As `blocks.Downward` does, to the bit, a band at a time."""
    count, channels, height, width = image.shape
    shape = (count, 4 * channels, height // 2, width // 2)
    pixels = torch.empty(shape, dtype=image.dtype, memory_format=torch.channels_last)
    smoothed = torch.empty_like(pixels)
    for rows, first, last in _bands(shape[2], shape[3], margin=2):
        band = unshuffle(smooth(image[:, :, 2 * first : 2 * last]))
        own = slice(rows.start - first, rows.stop - first)
        pixels[:, :, rows] = band[:, :, own]
        smoothed[:, :, rows] = smooth(band)[:, :, own]
    return pixels, smoothed


def _bands(height: int, width: int, margin: int) -> Iterator[tuple[slice, int, int]]:
    """Rows of a picture in bands, and the first and last of what each depends on: ``margin`` more, if there.

    What one operation leaves in the cache the next one finds there: at 3840x2160 half the time.
    """
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), max(0, top - margin), min(height, bottom + margin)


def upward(features: Tensor, beside: Tensor | None, border: int) -> Tensor:
    """As `blocks.Upward`, to rounding: rows between rows, then columns between columns, where they belong.

    PyTorch's own enlargement takes one thread for each picture, however many there are; padding and joining
    copy all of it twice more.
    """
    count, channels, height, width = features.shape
    cells = features.permute(0, 2, 3, 1)
    tall = cells.new_empty(count, height, 2, width, channels)
    _between(cells, tall, 1)
    others = 0 if beside is None else beside.shape[1]
    result = torch.empty(
        (count, channels + others, 2 * (height + border), 2 * (width + border)),
        dtype=features.dtype,
        memory_format=torch.channels_last,
    )
    inner = result[:, :, border : border + 2 * height, border : border + 2 * width]
    wide = inner[:, :channels].permute(0, 2, 3, 1).unflatten(2, (width, 2))
    _between(tall.view(count, 2 * height, width, channels), wide, 2)
    if beside is not None:
        inner[:, channels:] = beside
    _mirror(result, 3, border)
    _mirror(result, 2, border)  # whole rows, with what is beside them
    return result


def _between(values: Tensor, result: Tensor, axis: int) -> None:
    """Two for each along an axis, each three quarters of it and one of its neighbour on that side."""
    length = values.shape[axis]
    early, late = result.unbind(axis + 1)
    ahead, behind = values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1)
    torch.lerp(behind, ahead, 0.25, out=early.narrow(axis, 1, length - 1))
    torch.lerp(ahead, behind, 0.25, out=late.narrow(axis, 0, length - 1))
    early.narrow(axis, 0, 1).copy_(values.narrow(axis, 0, 1))
    late.narrow(axis, length - 1, 1).copy_(values.narrow(axis, length - 1, 1))


def _mirror(padded: Tensor, axis: int, border: int) -> None:
    """Fill the border along an axis with what lies as far within, the edge itself not repeated."""
    last = padded.shape[axis] - 1
    for step in range(1, border + 1):
        for edge, inward in ((border, step), (last - border, -step)):
            padded.select(axis, edge - inward).copy_(padded.select(axis, edge + inward))


def outward(features: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """As `blocks.Outward`, to rounding, a band at a time.

    Colours by sums of planes: PyTorch's convolution of three takes nine times as long with two threads as
    with one.
    """
    result = torch.empty_like(image, memory_format=torch.contiguous_format)
    for rows, first, last in _bands(features.shape[2], features.shape[3], margin=1):
        drawn = smooth(shuffle(features[:, :, first:last]))[:, :, 2 * (rows.start - first) :]
        own = slice(2 * rows.start, 2 * rows.stop)
        red, *others = image[:, :, own].unbind(1)
        for plane, onto, shares in zip(
            result[:, :, own].unbind(1), drawn.unbind(1), weight.flatten(1), strict=True
        ):
            torch.addcmul(onto[:, : plane.shape[1]], red, shares[0], out=plane)
            for other, share in zip(others, shares[1:], strict=True):
                plane.addcmul_(other, share)
    return result
