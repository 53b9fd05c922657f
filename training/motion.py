"""A second view of a still photo: moved by a known flow, with a camera's noise and exposure.

What a network must learn to keep steady in video, without a video: true motion and true occlusion are
known because we made them (after the data of Huang et al. 2017 and the compound regularisation of
Wang et al. 2020, "Consistent Video Style Transfer via Relaxation and Regularization").
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.perception.flow import inside, warp

SHIFT = 9.0  # pixels, largest shift of the camera
ZOOM = 0.03  # largest change of scale
ROTATION = 0.04  # radians
BEND = 2.5  # pixels, standard deviation of the smooth random flow
CELL = 48  # pixels between its supports
PARALLAX = 7.0  # pixels, largest shift of a nearer layer before the rest
STILL = 0.3  # share of pairs without any motion: noise and exposure alone
EDGE = 16  # pixels at the sides of both views of which no steadiness is asked, or an eighth of a side
EXPOSURE = 0.08  # largest change of gain; a third of it of each channel's own


@dataclass(frozen=True)
class Views:
    """Two views of each photo of a batch, and how they belong together."""

    first: Tensor  # (B, 3, H, W), about [0, 1]
    second: Tensor  # (B, 3, H, W)
    flow: Tensor  # (B, 2, H, W) pixels: second[p] shows what first[p + flow[p]] showed
    visible: Tensor  # (B, 1, H, W) bool: that place could be seen in the first view


def two_views(
    photo: Tensor,
    noise: float,
    random: torch.Generator,
    exposure: float = EXPOSURE,
    still: float = STILL,
) -> Views:
    """Both views of photos (B, 3, H, W) in [0, 1].

    ``noise``: the highest standard deviation, drawn anew for every photo; both views have their own noise.
    ``exposure``: the largest change of gain; ``still``: the share of pairs that do not move.
    The exposure of the second view alone is changed, so the network learns to hold still through it.
    """
    moving = (_uniform(photo, 0, 1, random) >= still).float()
    far = _camera(photo, random) * moving
    near = far + moving * PARALLAX * _draw(photo, 2, random)
    layer = _blob(photo, random) * (_uniform(photo, 0, 1, random) < 0.5)
    covered = warp(layer, near) > 0.5  # the near layer as the second view sees it
    flow = torch.where(covered, near, far)
    # The far layer behind where the near one stood in the first view was never seen.
    visible = inside(flow) & (covered | (warp(layer, far) < 0.5))
    second = warp(photo, flow, "bicubic").clamp(0, 1)
    gain = exposure * (_draw(photo, 1, random) + _draw(photo, 3, random) / 3)
    second = second * (1 + gain * (_uniform(photo, 0, 1, random) < 0.5))
    strength = _uniform(photo, 0, noise, random)
    return Views(
        first=photo + strength * _normal(photo.shape, photo, random),
        second=second + strength * _normal(photo.shape, photo, random),
        flow=flow,
        visible=visible,
    )


def temporal_error(first: Tensor, second: Tensor, views: Views) -> Tensor:
    """Mean squared difference, where visible, of the restyled second view to the warped restyled first.

    A scalar; outputs (B, 3, H, W). Huang et al. 2017, eq. 6, with a flow that is exact, but not within `EDGE`
    of a side: what comes in there was painted by other surroundings the moment before, and a network asked
    to keep it steady paints nothing there (`edges`).
    """
    edge = min(EDGE, min(first.shape[2:]) // 8)
    asked = views.visible & inside(torch.zeros_like(views.flow), edge) & inside(views.flow, edge)
    squared = (second - warp(first, views.flow)).square().mean(1, keepdim=True) * asked
    return (squared.sum((1, 2, 3)) / asked.sum((1, 2, 3)).clamp_min(1)).mean()


def _camera(photo: Tensor, random: torch.Generator) -> Tensor:
    """Shift, zoom and rotation about the centre and a smooth bend, (B, 2, H, W) pixels."""
    batch, _, height, width = photo.shape
    x = torch.arange(width, device=photo.device).float() - (width - 1) / 2
    y = (torch.arange(height, device=photo.device).float() - (height - 1) / 2)[:, None]
    x, y = x.expand(height, width), y.expand(height, width)
    zoom, turn = ZOOM * _draw(photo, 1, random)[:, 0], ROTATION * _draw(photo, 1, random)[:, 0]
    turned = torch.stack([zoom * x - turn * y, turn * x + zoom * y], dim=1)
    supports = (batch, 2, height // CELL + 2, width // CELL + 2)
    # A random amount of bend, from none to BEND, so that plain pans are learned too.
    bend = BEND * _uniform(photo, 0, 1, random) * _normal(supports, photo, random)
    smooth = F.interpolate(bend, size=(height, width), mode="bicubic", align_corners=True)
    return SHIFT * _draw(photo, 2, random) * _uniform(photo, 0, 1, random) + turned + smooth


def _blob(photo: Tensor, random: torch.Generator) -> Tensor:
    """A soft-edged random region, (B, 1, H, W) in [0, 1]: the nearer layer, with 0.5 as its border."""
    batch, _, height, width = photo.shape
    coarse = _normal((batch, 1, 4, 4), photo, random)
    return F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True).mul(4).sigmoid()


def _draw(like: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Uniform in [-1, 1], (B, count, 1, 1)."""
    return (torch.rand(like.shape[0], count, 1, 1, generator=random) * 2 - 1).to(like.device)


def _uniform(like: Tensor, low: float, high: float, random: torch.Generator) -> Tensor:
    """Uniform in [low, high], one number a photo, (B, 1, 1, 1)."""
    return (torch.rand(like.shape[0], 1, 1, 1, generator=random) * (high - low) + low).to(like.device)


def _normal(shape: tuple[int, ...] | torch.Size, like: Tensor, random: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=random).to(like.device)
