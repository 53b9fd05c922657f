"""Style transfer by optimising pixels (Gatys, Ecker, Bethge 2016), coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from torch import Tensor

from rtstyle.perception.backbones import Backbone
from rtstyle.perception.masks import at_layer
from rtstyle.stylizers.defaults import VARIATION_WEIGHT
from rtstyle.stylizers.descent import Descent, Step, optimise
from rtstyle.stylizers.gatys_regions import LEAST_SIDE, Style, make_objective, make_regions
from rtstyle.stylizers.octaves import Size, resized

COARSEST = 256  # pixels of the longer side at the first scale, where strokes of all sizes find their place


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
        scales = [scale for scale in scales if min(fit(size, scale)) >= LEAST_SIDE]
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
        start = photo if init is None else init
        start = resized(start if progress.image is None else progress.image[0], size).clamp(0, 1)
        descent = Descent(start[None].to(photo.device), objective, optimizer)
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
    size = plan.sizes[-1]
    result = resized(image[0], size)
    if kept is not None:
        result = with_kept(result, photo, kept)
    return result.clamp(0, 1)


def with_kept(result: Tensor, photo: Tensor, kept: Tensor) -> Tensor:
    """A result (3, H, W) with the photo (3, h, w) itself where ``kept`` (1, 1, H, W) is 1."""
    size = result.shape[1], result.shape[2]
    return result.lerp(resized(photo, size), at_layer(kept, size)[0])
