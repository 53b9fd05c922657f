"""Restyling by one pass of a trained network (Johnson, Alahi, Fei-Fei 2016)."""

from __future__ import annotations

from dataclasses import replace

import torch

from rtstyle.engines import Engine
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, to_bytes, to_float


class FeedForward:
    """Restyles each frame on its own: time, size, sample type and device stay.

    ``strength`` in [0, 1] mixes the restyled picture into the original: 0 gives back the very
    frame that came, 1 the network's picture alone. Raises RtstyleError outside that range.
    """

    def __init__(self, engine: Engine, strength: float = 1.0) -> None:
        if not 0 <= strength <= 1:
            raise RtstyleError(f"strength is {strength}; allowed is 0 (the input) to 1 (the style)")
        self.engine = engine
        self.strength = strength

    def __call__(self, frame: Frame) -> Frame:
        if self.strength == 0:
            return frame
        styled = self.engine(frame.image)
        if self.strength < 1:
            mixed = torch.lerp(to_float(frame.image), to_float(styled), self.strength)
            styled = to_bytes(mixed, frame.image.dtype)
        return replace(frame, image=styled)

    def reset(self) -> None:
        """Nothing to forget: no frame depends on another."""
