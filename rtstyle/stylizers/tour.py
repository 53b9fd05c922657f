"""Travelling through the styles of a palette for as long as a video lasts."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from rtstyle.mixing import eased
from rtstyle.stylizers.feedforward import FeedForward


class Tour:
    """Restyles with each style of a palette in turn, and round again, easing from one to the next.

    At ``k * seconds`` after the first frame (in frame time) the picture is wholly in style k, halfway
    to the next in the even mix of both. `reset` begins again, with the first style.
    Raises RtstyleError for seconds that are not above 0 and for a palette of fewer than two styles.
    """

    def __init__(self, palette: FeedForward, seconds: float | Fraction) -> None:
        if not 0 < seconds < math.inf:
            raise RtstyleError(f"a tour of {seconds} seconds a style; allowed are numbers above 0")
        if len(palette.styles) < 2:
            raise RtstyleError("a tour needs two styles or more, as --style a,b,c")
        self.palette = palette
        self.seconds = max(Fraction(seconds).limit_denominator(10**9), Fraction(1, 10**9))
        self.name = ">".join(palette.styles)
        self._begin: Fraction | None = None

    @property
    def device(self) -> torch.device:
        return self.palette.device

    def __call__(self, frame: Frame) -> Frame:
        return self.prepare(frame)()

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        self._begin = frame.time if self._begin is None else self._begin
        leg, part = divmod((frame.time - self._begin) / self.seconds, 1)
        styles = self.palette.styles
        here, there = styles[leg % len(styles)], styles[(leg + 1) % len(styles)]
        self.palette.mix = eased({here: 1.0}, {there: 1.0}, part)
        return self.palette.prepare(frame)

    def at_once(self, width: int, height: int) -> int:
        return self.palette.at_once(width, height)

    def reset(self) -> None:
        self._begin = None
        self.palette.reset()
