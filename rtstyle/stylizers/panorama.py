"""Pictures that go all around: equirectangular, 360 degrees from left to right, 180 from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

MARGIN = 64  # pixels of what lies beyond each edge that are shown to the network
_DETAIL = 1.0  # deviation in pixels, at the equator, of the finest detail that the poles may have


def around(rise: Callable[[Tensor], tuple[float, Tensor]], image: Tensor, turn: int) -> tuple[float, Tensor]:
    """``rise`` of an image (3, H, W), its gradient (3, H, W), as if the picture had no edges.

    The picture is first turned by ``turn`` pixels about its axis, and its gradient back after.
    """
    height, width = image.shape[1:]
    margin = min(MARGIN, height, width // 2)
    value, gradient = rise(extended(image.roll(turn, 2), margin))
    own = gradient[:, margin : margin + height, margin : margin + width]
    return value, own.roll(-turn, 2)


def extended(image: Tensor, margin: int) -> Tensor:
    """(C, H, W) with ``margin`` pixels (at most H) of what goes on beyond each edge.

    Beyond a pole lies the other side of the world: the same rows, upside down and half a turn away.
    """
    far = image.roll(image.shape[2] // 2, 2).flip(1)
    tall = torch.cat([far[:, far.shape[1] - margin :], image, far[:, :margin]], dim=1)
    return torch.cat([tall[:, :, tall.shape[2] - margin :], tall, tall[:, :, :margin]], dim=2)


def steadied_at_poles(gradient: Tensor) -> Tensor:
    """The gradient (C, H, W) without what would be finer on the sphere than anything at the equator.

    A row at latitude b is stretched by 1 / cos(b): it is blurred along itself, all around, by a Gaussian
    of as many pixels more. A pole's own row, which is a point, is left with nearly one colour.
    """
    height, width = gradient.shape[1:]
    rows = (torch.arange(height, device=gradient.device) + 0.5) / height - 0.5
    stretch = 1 / torch.cos(rows * math.pi)
    variance = _DETAIL**2 * (stretch.square() - 1)
    waves = torch.fft.rfftfreq(width, device=gradient.device)  # of each pixel
    # A Gaussian's Fourier transform is a Gaussian.
    kept = (-2 * math.pi**2 * variance[:, None] * waves.square()).exp()
    return torch.fft.irfft(torch.fft.rfft(gradient, dim=2) * kept, n=width, dim=2)
