"""A canvas under the picture: faint grain that a network turns into strokes where the photo holds nothing.

A network trained to be steady paints only what it sees, so that a clear sky or a wall stays bare, however
full of strokes the painting is. Grain as coarse as a stroke is wide is enough for it to go by. It is the same
for every frame and lies still: from a still camera the strokes stay where they are, under a moving one the
scene slides below them. (Noise as the seed of texture: Ulyanov et al. 2016, "Texture Networks".)
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import peak, to_bytes, to_float, to_packed

_FULL = 0.04  # standard deviation of the grain at 1, in [0, 1]
# Pixels: what is between two Gaussians of this and twice this standard deviation. Half of it makes grain
# out of brush strokes, twice of it spots.
_WIDTH = 3.0
_SIDE = 1024  # pixels after which the grain begins again


def check_canvas(canvas: float) -> float:
    """The same number. Raises RtstyleError outside 0 to 1."""
    if not 0 <= canvas <= 1:
        raise RtstyleError(f"canvas is {canvas}; allowed is 0 (none) to 1 (coarse)")
    return canvas


def on_canvas(image: Tensor, canvas: float) -> Tensor:
    """An integer picture (3, H, W), on any device, with so much grain; size and type stay."""
    if not canvas:
        return image
    if image.is_cuda:
        return to_bytes(on_float_canvas(to_float(image), canvas), image.dtype)
    pixels = to_packed(image)
    laid = np.empty(pixels.shape, pixels.dtype)
    # Piece by piece of the repeating grain: a large picture's own would take ten times its memory.
    for top in range(0, pixels.shape[0], _SIDE):
        for left in range(0, pixels.shape[1], _SIDE):
            piece = slice(top, top + _SIDE), slice(left, left + _SIDE)
            _lay(pixels[piece], canvas, laid[piece])
    return torch.from_numpy(laid).permute(2, 0, 1)


def _lay(pixels: np.ndarray, canvas: float, laid: np.ndarray) -> None:
    """At most ``_SIDE`` pixels a side, (H, W, 3), with grain into ``laid``."""
    height, width = pixels.shape[:2]
    if pixels.dtype == np.uint8:
        lighter, darker = (levels[:height, :width] for levels in _levels(canvas))
        cv2.subtract(cv2.add(pixels, lighter), darker, dst=laid)
    else:
        grain = cv2.merge([_grain()[:height, :width] * np.float32(_FULL * canvas * peak(torch.uint16))] * 3)
        cv2.add(pixels, grain, dst=laid, dtype=cv2.CV_16U)


def on_float_canvas(values: Tensor, canvas: float) -> Tensor:
    """The same for pictures (..., H, W) in [0, 1]."""
    if not canvas:
        return values
    return (values + _placed(*values.shape[-2:], canvas, values.device)).clamp_(0, 1)


@lru_cache(maxsize=2)
def _placed(height: int, width: int, canvas: float, device: torch.device) -> Tensor:
    """float32 (H, W): the grain, repeated, at ``_FULL * canvas``; copied to a device once."""
    times = (-(-height // _SIDE), -(-width // _SIDE))
    grain = np.tile(_grain(), times)[:height, :width] * np.float32(_FULL * canvas)
    return torch.from_numpy(np.ascontiguousarray(grain)).to(device)


@lru_cache(maxsize=2)
def _levels(canvas: float) -> tuple[np.ndarray, np.ndarray]:
    """What is added to bytes and what is taken away, (_SIDE, _SIDE, 3): a tenth of the time of floats."""
    grain = cv2.merge([np.rint(_grain() * np.float32(_FULL * canvas * 255))] * 3)
    return grain.clip(0, 255).astype(np.uint8), (-grain).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """float32 (_SIDE, _SIDE) of mean 0 and standard deviation 1, without a seam where it is repeated."""
    margin = int(8 * _WIDTH)
    noise = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
    noise = np.pad(noise, margin, mode="wrap")
    grain = cv2.GaussianBlur(noise, (0, 0), _WIDTH) - cv2.GaussianBlur(noise, (0, 0), 2 * _WIDTH)
    grain = grain[margin:-margin, margin:-margin]
    return (grain - grain.mean()) / grain.std()
