"""Broader or finer strokes: a picture is restyled at another size and brought back to its own.

A network's strokes have a size in pixels, the one it was trained at: what is a painting at 480 lines is at
2160 a tint with grain. Restyled at a third of that size its strokes are three times as broad, in a ninth of
the time.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float, to_packed

FINEST, BROADEST = 0.25, 16.0
# Of the shorter side, about: over so many, strokes as the networks paint them look like a painting's.
_LINES = 600
# How much of the light and dark that the smaller picture could not hold is laid over the enlarged painting:
# edges stay as sharp as the photo's; all of it would show the photo through the paint, and its noise.
_DETAIL = 0.5
_SMALLEST = 16  # pixels; no network takes less


def strokes_for(width: int, height: int) -> float:
    """How many times as broad strokes suit a picture: 1 up to 899 lines, 2 for 1080, 4 for 2160."""
    return min(float(max(1, round(min(width, height) / _LINES))), BROADEST)


def check_strokes(strokes: float | None) -> float | None:
    """The same. Raises RtstyleError outside what is allowed."""
    if strokes is not None and not FINEST <= strokes <= BROADEST:
        raise RtstyleError(
            f"strokes are {strokes} times as broad; allowed is {FINEST:g} (finer) to {BROADEST:g} (broader)"
        )
    return strokes


def painted_size(width: int, height: int, strokes: float) -> tuple[int, int]:
    """(width, height) a picture is restyled at, so that strokes are so many times as broad in its own."""
    across, down = (max(min(side, _SMALLEST), round(side / strokes)) for side in (width, height))
    return across, down


def paint(restyle: Callable[[Tensor], Tensor], image: Tensor, strokes: float) -> Tensor:
    """An integer picture (3, H, W) through ``restyle`` with broader or finer strokes; size and type stay."""
    height, width = image.shape[1:]
    size = painted_size(width, height, strokes)
    if size == (width, height):
        return restyle(image)
    seen = scaled(image, size)
    painted = scaled(restyle(seen), (width, height))
    return painted if strokes < 1 else _with_detail(painted, image, seen)


def scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An integer picture (3, H, W) made (width, height), fast; the same one where it is so already."""
    width, height = size
    if image.shape[1:] == (height, width):
        return image
    if image.is_cuda:
        return to_bytes(_interpolated(to_float(image), size), image.dtype)
    smaller = width * height < image.shape[1] * image.shape[2]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return torch.from_numpy(cv2.resize(to_packed(image), size, interpolation=way)).permute(2, 0, 1)


def _with_detail(painted: Tensor, image: Tensor, seen: Tensor) -> Tensor:
    """``painted`` with half of what was lost of the light of ``image`` when it was made ``seen``."""
    height, width = image.shape[1:]
    if image.is_cuda:
        light = _light(image) - _interpolated(_light(seen), (width, height))
        return to_bytes(to_float(painted).add_(light, alpha=_DETAIL), image.dtype)
    there, rest = (cv2.cvtColor(to_packed(each), cv2.COLOR_RGB2GRAY) for each in (image, seen))
    rest = cv2.resize(rest, (width, height), interpolation=cv2.INTER_CUBIC)
    in_bytes = image.dtype == torch.uint8
    signed, samples = (cv2.CV_16S, cv2.CV_8U) if in_bytes else (cv2.CV_32F, cv2.CV_16U)
    lost = cv2.addWeighted(there, _DETAIL, rest, -_DETAIL, 0, dtype=signed)
    pixels = cv2.add(to_packed(painted), cv2.merge([lost] * 3), dtype=samples)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _interpolated(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Floats (C, H, W) made (width, height), on a GPU."""
    return F.interpolate(values[None], size[::-1], mode="bicubic", antialias=True)[0]


def _light(image: Tensor) -> Tensor:
    """The gray of (3, H, W), as OpenCV makes it, (1, H, W) in [0, 1]."""
    red, green, blue = to_float(image).split(1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)
