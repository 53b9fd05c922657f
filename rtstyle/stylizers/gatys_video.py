"""Frames of a video painted by optimisation, each held to the last one (Ruder et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rtstyle.stylizers.carried import Steady
from rtstyle.stylizers.descent import Objective, optimise

# On the mean square difference from the carried result, where that was seen. At 300 and a difference of
# 0.02 (5 of 255) it weighs 0.12, about as much as a style that is nearly reached.
TEMPORAL_WEIGHT = 300.0
LATER = 0.25  # share of a whole painting's steps for a frame that goes on from the last one


class GatysFrames:
    """A `Maker`: the first frame of a scene is painted whole, each later one from where the last has moved.

    Args:
        whole: photo (3, H, W) to its painting, coarse to fine.
        objective: photo to what later frames lower, at their full size.
        steps: of later frames.
        device: what works on them; frames come and go where they are.
        temporal: weight of the difference from the carried result.
    """

    def __init__(
        self,
        whole: Callable[[Tensor], Tensor],
        objective: Callable[[Tensor], Objective],
        steps: int,
        *,
        optimizer: str = "lbfgs",
        device: torch.device | str = "cpu",
        temporal: float = TEMPORAL_WEIGHT,
    ) -> None:
        self._whole, self._objective, self._steps = whole, objective, steps
        self._optimizer, self._device, self._temporal = optimizer, device, temporal

    def __call__(self, photo: Tensor, start: Tensor, steady: Steady | None) -> Tensor:
        moved = photo.to(self._device)
        if steady is None:
            return self._whole(moved).to(photo.device)
        there = Steady(steady.picture.to(self._device), steady.weight.to(self._device))
        held = held_to(self._objective(moved), there, self._temporal)
        begin = start[None].to(self._device)
        return optimise(begin, held, self._steps, optimizer=self._optimizer)[0].to(photo.device)


def held_to(objective: Objective, steady: Steady, weight: float) -> Objective:
    """The objective with a term that holds the image (1, 3, H, W) to what was seen before.

    The weighted mean square difference (Ruder 2016, eq. 5).
    """

    def terms(image: Tensor) -> Mapping[str, Tensor]:
        difference = (image - steady.picture).square() * steady.weight
        return {**objective(image), "temporal": weight * difference.mean()}

    return terms
