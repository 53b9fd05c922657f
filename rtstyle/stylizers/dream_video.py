"""Frames of a video that dream on: each from where the last one's dream has moved to."""

from __future__ import annotations

import torch
from torch import Tensor

from rtstyle.stylizers.carried import Steady
from rtstyle.stylizers.deepdream import DeepDream

LATER = 0.3  # share of the steps for a frame that goes on from the last one


class DreamFrames:
    """A `Maker`: the first frame of a scene dreams in full; a later one goes on from the carried dream.

    There it dreams in few steps, and goes half the way back to what was carried after each: what has
    come into sight catches up within some frames, and what was seen keeps still.

    Args:
        seed: every frame is shifted alike, so that a frame made again is the same.
        mask: (1, H, W); 0 where the photo stays.
        device: where it dreams; frames come and go as they are.
    """

    def __init__(
        self,
        dream: DeepDream,
        seed: int = 0,
        mask: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._dream, self._seed, self._mask, self._device = dream, seed, mask, device

    def __call__(self, photo: Tensor, start: Tensor, steady: Steady | None) -> Tensor:
        random = torch.Generator().manual_seed(self._seed)
        if steady is None:
            return self._dream(photo.to(self._device), random, mask=self._mask).to(photo.device)
        steps = max(1, round(LATER * self._dream.steps))
        held = Steady(steady.picture.to(self._device), steady.weight.to(self._device))
        begin = start.to(self._device)
        made = self._dream(begin, random, steps=steps, held=held)
        if self._mask is not None:
            made = torch.lerp(photo.to(self._device), made, self._mask)
        return made.to(photo.device)
