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
    if image.dtype == torch.uint8:
        lighter, darker = _levels(*image.shape[1:], canvas)
        laid = cv2.subtract(cv2.add(pixels, lighter), darker)
    else:
        grain = cv2.merge([_scaled(*image.shape[1:], canvas * peak(image.dtype))] * 3)
        laid = cv2.add(pixels, grain, dtype=cv2.CV_16U)
    return torch.from_numpy(laid).permute(2, 0, 1)


def on_float_canvas(values: Tensor, canvas: float) -> Tensor:
    """The same for pictures (..., H, W) in [0, 1]."""
    if not canvas:
        return values
    return (values + _placed(*values.shape[-2:], canvas, values.device)).clamp_(0, 1)


@lru_cache(maxsize=2)
def _placed(height: int, width: int, canvas: float, device: torch.device) -> Tensor:
    """The grain on a device: copied once, not for every frame."""
    return torch.from_numpy(_scaled(height, width, canvas)).to(device)


@lru_cache(maxsize=2)
def _levels(height: int, width: int, canvas: float) -> tuple[np.ndarray, np.ndarray]:
    """What is added to bytes and what is taken away, (H, W, 3): a tenth of the time of floats."""
    grain = cv2.merge([np.rint(_scaled(height, width, 255 * canvas))] * 3)
    return grain.clip(0, 255).astype(np.uint8), (-grain).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=2)
def _scaled(height: int, width: int, canvas: float) -> np.ndarray:
    """float32 (H, W): the grain, repeated, at ``_FULL * canvas``."""
    grain = _grain()
    times = (-(-height // _SIDE), -(-width // _SIDE))
    return np.ascontiguousarray(np.tile(grain, times)[:height, :width]) * np.float32(_FULL * canvas)


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """float32 (_SIDE, _SIDE) of mean 0 and standard deviation 1, without a seam where it is repeated."""
    margin = int(8 * _WIDTH)
    noise = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
    noise = np.pad(noise, margin, mode="wrap")
    grain = cv2.GaussianBlur(noise, (0, 0), _WIDTH) - cv2.GaussianBlur(noise, (0, 0), 2 * _WIDTH)
    grain = grain[margin:-margin, margin:-margin]
    return (grain - grain.mean()) / grain.std()
