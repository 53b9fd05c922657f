"""How much memory a dream will take, and how large one fits: foreseen before the work."""

from __future__ import annotations

import torch

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone
from rtstyle.stylizers.activations import HALO
from rtstyle.stylizers.gatys import fit
from rtstyle.stylizers.gatys_memory import free_bytes, kept_bytes
from rtstyle.stylizers.octaves import Size

# What a step holds at its peak over what its gradient has to keep. Measured at 1280x720: 0.9 with the small
# VGG19, 1.1 with ResNet-50 v2, 1.9 with Inception v3.
PEAK = 1.9
PICTURES = 12  # of three floats a pixel: the image, its photo, what was added, the gradient, copies of them
_PROBE = 64  # pixels a side, of `kept_bytes`
_MARGIN = 0.9  # of the memory that is free now
_TILE = 512  # pixels a side: what is advised where the whole does not fit


def check_memory(backbone: Backbone, size: Size, tile: int | None, device: torch.device) -> None:
    """Raises RtstyleError, naming what fits, where a dream of ``size`` (height, width) will not.

    ``tile``: as `Activations` takes it.
    """
    free = free_bytes(device)
    if free is None:
        return
    pixel = PEAK * kept_bytes(backbone) / _PROBE**2
    room = _MARGIN * free
    if estimate(pixel, size, tile) <= room:
        return
    low, high = 1, max(size)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if estimate(pixel, fit(size, middle), tile) <= room else (low, middle)
    parts = f", so does --tile {_TILE}" if tile is None and estimate(pixel, size, _TILE) <= room else ""
    raise RtstyleError(
        f"{size[1]}x{size[0]} needs about {estimate(pixel, size, tile) / 1e9:.1f} GB, {free / 1e9:.1f} GB"
        f" are free; --size {low // 8 * 8} fits{parts}"
    )


def estimate(pixel: float, size: Size, tile: int | None) -> float:
    """Bytes of a dream; ``pixel``: those that a step holds for each pixel it sees at once."""
    seen = size if tile is None else tuple(min(side, 1.5 * tile + 2 * HALO) for side in size)
    return pixel * seen[0] * seen[1] + PICTURES * 12 * size[0] * size[1]
