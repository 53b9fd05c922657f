"""How much memory a dream will take: foreseen before the work."""

from __future__ import annotations

from functools import partial

import torch

from rtstyle.perception.backbones import Backbone
from rtstyle.stylizers.activations import HALO
from rtstyle.stylizers.gatys_memory import check_fits, kept_bytes
from rtstyle.stylizers.octaves import Size

# What a step holds at its peak over what its gradient has to keep. Measured at 1280x720: 0.9 with the small
# VGG19, 1.1 with ResNet-50 v2, 1.9 with Inception v3.
PEAK = 1.9
PICTURES = 12  # of three floats a pixel: the image, its photo, what was added, the gradient, copies of them
_TILE = 512  # pixels a side: what is advised where the whole does not fit


def check_memory(backbone: Backbone, size: Size, tile: int | None, device: torch.device) -> None:
    """Raises RtstyleError, naming what fits, where a dream of ``size`` (height, width) will not.

    ``tile``: as `Activations` takes it.
    """
    pixel = PEAK * kept_bytes(backbone)
    tiled = (f"--tile {_TILE}", estimate(pixel, size, _TILE)) if tile is None else None
    check_fits(partial(estimate, pixel, tile=tile), size, device, tiled)


def estimate(pixel: float, size: Size, tile: int | None) -> float:
    """Bytes of a dream; ``pixel``: those that a step holds for each pixel it sees at once."""
    seen = size if tile is None else tuple(min(side, 1.5 * tile + 2 * HALO) for side in size)
    return pixel * seen[0] * seen[1] + PICTURES * 12 * size[0] * size[1]
