"""What each region of a painting asks for, at one size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone
from rtstyle.perception.masks import at_layer
from rtstyle.perception.statistics import STATISTICS, Target
from rtstyle.stylizers.defaults import VARIATION_WEIGHT
from rtstyle.stylizers.gatys_objective import GatysObjective, Region, style_targets
from rtstyle.stylizers.octaves import Size, resized

WHOLE = 1024 * 1024  # pixels; a larger picture is measured in strips, for half as much time again
STRIP = 512 * 512  # pixels of a strip
LEAST_SIDE = 32  # pixels; the deepest layers see two places there


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """One or several paintings, mixed, and the region they are for."""

    paintings: Sequence[Tensor]  # each (3, H, W) in [0, 1]
    weights: Sequence[float] = (1.0,)  # only their ratios count
    mask: Tensor | None = None  # (1, 1, H, W) of any size, 0 to 1; None: everywhere


def make_regions(
    styles: Sequence[Style],
    backbone: Backbone,
    size: Size,
    layers: list[str],
    statistic: str = "gram",
    style_scale: float = 1.0,
) -> list[Region]:
    """What styles ask for at one size; see `paint`. Raises RtstyleError for one too small to measure."""
    if min(size) < LEAST_SIDE:
        raise RtstyleError(
            f"a picture of {size[1]}x{size[0]} is too small to paint; its sides need {LEAST_SIDE} pixels"
        )
    return [
        Region(
            _mixed_targets(each, backbone, size, layers, statistic, style_scale, strip_of(size)),
            None if each.mask is None else at_layer(each.mask, size),
        )
        for each in styles
    ]


def make_objective(
    photo: Tensor,
    regions: Sequence[Region],
    backbone: Backbone,
    size: Size,
    *,
    content: Mapping[str, float],
    style: Mapping[str, float],
    variation: float = VARIATION_WEIGHT,
    statistic: str = "gram",
    content_mask: Tensor | None = None,
) -> GatysObjective:
    """What `paint` lowers at one size; see there."""
    return GatysObjective(
        backbone,
        resized(photo, size).clamp(0, 1)[None],
        regions,
        content=content,
        style=style,
        variation=variation,
        statistic=statistic,
        content_mask=None if content_mask is None else at_layer(content_mask, size),
        strip=strip_of(size),
    )


def strip_of(size: Size) -> int | None:
    """Pixels to be measured at once of a picture of that size; None: all."""
    return STRIP if size[0] * size[1] > WHOLE else None


def _mixed_targets(
    style: Style,
    backbone: Backbone,
    size: Size,
    layers: list[str],
    statistic: str,
    style_scale: float,
    strip: int | None,
) -> dict[str, Target]:
    pictures = [resized(one, style_size(one, size, style_scale)).clamp(0, 1) for one in style.paintings]
    each = [style_targets(backbone, picture[None], layers, statistic, strip) for picture in pictures]
    return {
        layer: STATISTICS[statistic].mix([targets[layer] for targets in each], style.weights)
        for layer in layers
    }


def style_size(painting: Tensor, size: Size, style_scale: float) -> Size:
    """The painting's size (height, width) for a picture's: as many pixels, times the scale squared.

    No larger than the painting (3, H, W) is: enlarged, it would have no fine strokes to give.
    """
    height, width = painting.shape[1:]
    scale = min(1.0, style_scale * math.sqrt(size[0] * size[1] / (height * width)))
    least = LEAST_SIDE / min(height, width)
    scale = max(scale, min(1.0, least))
    return round(height * scale), round(width * scale)
