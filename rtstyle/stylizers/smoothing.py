"""Gradients smoothed by Gaussians of several widths at once; wrapped around where a picture is a panorama."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

_WIDTHS = (0.5, 1.0, 2.0)  # of the three Gaussians, over the width asked for
_REACH = 3  # deviations on each side that a kernel holds


@lru_cache(maxsize=256)
def gaussian(deviation: float) -> Tensor:
    """A Gaussian's weights at whole pixels, (2n + 1,), which sum to 1."""
    reach = max(1, math.ceil(_REACH * deviation))
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = (-0.5 * (steps / deviation).square()).exp()
    return (kernel / kernel.sum()).float()


def smoothed(gradient: Tensor, deviation: float, wrap: bool = False) -> Tensor:
    """(3, H, W): the mean of it blurred by Gaussians of half, once and twice that deviation, in pixels.

    Each goes on from the one before (variances add up), so that the kernels stay short. Beyond the edge
    the picture is mirrored; with ``wrap`` the left edge goes on at the right one.
    """
    out = torch.empty_like(gradient)
    # Plane by plane: buffers of a whole large picture come fresh from the system each time, which costs more
    # than the filters themselves.
    for plane, total in zip(gradient, out, strict=True):
        blurred, before = plane[None, None], 0.0
        total.zero_()
        for share in _WIDTHS:
            wanted = share * deviation
            blurred = _blurred(blurred, math.sqrt(wanted**2 - before**2), wrap)
            total += blurred[0, 0]
            before = wanted
    return out.div_(len(_WIDTHS))


def _blurred(planes: Tensor, deviation: float, wrap: bool) -> Tensor:
    kernel = gaussian(round(deviation, 6)).to(planes.device)
    reach = len(kernel) // 2
    rows = F.conv2d(_padded(planes, reach, 3, wrap), kernel.view(1, 1, 1, -1))
    return F.conv2d(_padded(rows, reach, 2, False), kernel.view(1, 1, -1, 1))


def _padded(planes: Tensor, reach: int, axis: int, wrap: bool) -> Tensor:
    """Mirrored (or wrapped) by as much as the picture has, the rest by its last pixels."""
    known = min(reach, planes.shape[axis] - 1)
    pads = [(known, known, 0, 0), (reach - known, reach - known, 0, 0)]
    if axis == 2:
        pads = [(0, 0, *pad[:2]) for pad in pads]
    planes = F.pad(planes, pads[0], mode="circular" if wrap else "reflect")
    return F.pad(planes, pads[1], mode="replicate") if reach > known else planes
