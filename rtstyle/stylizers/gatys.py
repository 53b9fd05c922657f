"""Style transfer by optimising pixels (Gatys, Ecker, Bethge 2016), coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone
from rtstyle.perception.masks import at_layer
from rtstyle.perception.statistics import STATISTICS, Target
from rtstyle.stylizers.defaults import VARIATION_WEIGHT
from rtstyle.stylizers.descent import Descent, Step, optimise
from rtstyle.stylizers.gatys_objective import GatysObjective, Region, style_targets

Size = tuple[int, int]  # height, width

COARSEST = 256  # pixels of the longer side at the first scale, where strokes of all sizes find their place
WHOLE = 1024 * 1024  # pixels; a larger picture is measured in strips, for half as much time again
STRIP = 512 * 512  # pixels of a strip
LEAST_SIDE = 32  # pixels; the deepest layers see two places there


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """One or several paintings, mixed, and the region they are for."""

    paintings: Sequence[Tensor]  # each (3, H, W) in [0, 1]
    weights: Sequence[float] = (1.0,)  # only their ratios count
    mask: Tensor | None = None  # (1, 1, H, W) of any size, 0 to 1; None: everywhere


@dataclass(slots=True)
class Progress:
    """Where a painting is: enough to go on exactly. Plain values and tensors."""

    scale: int = 0  # the one under way
    descent: dict[str, Any] | None = None  # of that scale
    image: Tensor | None = None  # (1, 3, H, W), the result of the scale before
    seconds: float = 0.0  # of all runs so far
    terms: list[tuple[int, dict[str, float]]] = field(default_factory=list)  # (step, its terms), all of them


@dataclass(frozen=True, slots=True, eq=False)
class ScaleStep:
    """One step, as heard by a listener."""

    step: Step  # of this scale
    scale: int  # 0 is the coarsest
    size: Size
    number: int  # over all scales
    of: int
    seconds: float  # over all scales and runs


@dataclass(frozen=True, slots=True)
class Plan:
    """The scales of a painting, coarse to fine, and the most steps of each."""

    sizes: tuple[Size, ...]
    steps: tuple[int, ...]
    shares: tuple[float, ...] = field(init=False)  # of the time, about: steps times pixels

    def __post_init__(self) -> None:
        work = [steps * height * width for steps, (height, width) in zip(self.steps, self.sizes, strict=True)]
        object.__setattr__(self, "shares", tuple(part / (sum(work) or 1) for part in work))


def make_plan(size: Size, steps: int, scales: Sequence[int] | None = None) -> Plan:
    """Scales that end with ``size``, doubling from `COARSEST`; or ``scales``: longer sides before the last.

    Each scale but the first begins near its goal; so the coarser half of the steps is cheap and
    settles the picture, the rest draws the strokes.
    """
    longest = max(size)
    if scales is None:
        halvings = max(0, round(math.log2(longest / COARSEST)))
        scales = [longest >> number for number in range(halvings, 0, -1)]
    sides = [side for side in sorted(set(scales)) if side < longest] + [longest]
    sizes = tuple(fit(size, side) for side in sides)
    share = steps // len(sizes)
    return Plan(sizes, (steps - share * (len(sizes) - 1), *[share] * (len(sizes) - 1)))


def fit(size: Size, longest: int) -> Size:
    """The size (height, width) with its longer side so long, of the same shape as near as pixels allow."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def paint(
    photo: Tensor,
    styles: Sequence[Style],
    backbone: Backbone,
    plan: Plan,
    *,
    content: Mapping[str, float],
    style: Mapping[str, float],
    variation: float = VARIATION_WEIGHT,
    statistic: str = "gram",
    style_scale: float = 1.0,
    content_mask: Tensor | None = None,
    kept: Tensor | None = None,
    init: Tensor | None = None,
    optimizer: str = "lbfgs",
    seconds: float = math.inf,
    tolerance: float = 0.0,
    listener: Callable[[ScaleStep], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Tensor:
    """The photo painted anew, (3, H, W) in [0, 1], of the plan's last size.

    Args:
        photo: (3, H, W) in [0, 1], of any size.
        styles: one, or one a region; their masks need not cover the picture.
        backbone: yields every layer named in ``content`` and ``style``, on the device to work on.
        content, style: layer -> weight.
        style_scale: size of the paintings over that of the picture; strokes grow with it.
        content_mask: (1, 1, H, W), where the photo counts.
        kept: (1, 1, H, W), 1 where the result is to be the photo itself.
        init: (3, H, W), where to begin; the photo if None.
        seconds: of all scales and runs; each scale gets its share.
        tolerance: see `optimise`; ends a scale.
        stop: asked after every step; the result is then that of now, and ``progress`` tells how to go on.
        progress: where to begin; kept up to date.

    Raises RtstyleError for sizes too small to measure, and what `optimise` raises.
    """
    progress = progress if progress is not None else Progress()
    earlier, begin = progress.seconds, perf_counter()
    whole, image = sum(plan.steps), progress.image
    for scale in range(progress.scale, len(plan.sizes)):
        size, steps = plan.sizes[scale], plan.steps[scale]
        regions = make_regions(styles, backbone, size, list(style), statistic, style_scale)
        objective = make_objective(
            photo, regions, backbone, size,
            content=content, style=style, variation=variation,
            statistic=statistic, content_mask=content_mask,
        )  # fmt: skip
        start = progress.image if progress.image is not None else (photo if init is None else init)[None]
        descent = Descent(resized(start, size).to(photo.device), objective, optimizer)
        if progress.descent is not None:
            descent.restore(progress.descent)
        before = sum(plan.steps[:scale])

        def hear(step: Step, scale: int = scale, before: int = before, descent: Descent = descent) -> None:
            progress.scale, progress.descent = scale, descent.state()
            progress.seconds = earlier + perf_counter() - begin
            progress.terms.append((before + step.number, step.terms))
            if listener:
                listener(
                    ScaleStep(step, scale, plan.sizes[scale], before + step.number, whole, progress.seconds)
                )

        left = seconds * sum(plan.shares[: scale + 1]) - (earlier + perf_counter() - begin)
        image = optimise(
            descent.image, objective, steps,
            seconds=left, tolerance=tolerance, listener=hear, stop=stop, descent=descent,
        )  # fmt: skip
        if stop():
            break
        progress.scale, progress.descent, progress.image = scale + 1, None, image.clamp(0, 1)
    assert image is not None  # a plan has a scale
    result = resized(image, plan.sizes[-1])[0]
    if kept is not None:
        result = torch.lerp(
            result, resized(photo[None], plan.sizes[-1])[0], at_layer(kept, plan.sizes[-1])[0]
        )
    return result


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
        resized(photo[None], size),
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


def resized(image: Tensor, size: Size) -> Tensor:
    """(B, 3, H, W) at another size, smoothed where it shrinks, cut to [0, 1]."""
    if image.shape[2:] == size:
        return image.clamp(0, 1)
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _mixed_targets(
    style: Style,
    backbone: Backbone,
    size: Size,
    layers: list[str],
    statistic: str,
    style_scale: float,
    strip: int | None,
) -> dict[str, Target]:
    each = [
        style_targets(
            backbone, resized(one[None], style_size(one, size, style_scale)), layers, statistic, strip
        )
        for one in style.paintings
    ]
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
