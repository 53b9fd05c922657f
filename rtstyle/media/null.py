"""Ends of a pipeline that cost nothing: for tests, and for measuring one stage alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from rtstyle.frame import Frame, Sink, Source, VideoInfo


class MemorySource(Source):
    """Gives frames held in memory again and again.

    Args:
        frames: at least one; all of one size.
        length: how many frames to give in all.
        rate: frames a second; times are counted anew from zero.
    """

    def __init__(self, frames: Sequence[Frame], length: int, rate: Fraction = Fraction(30)) -> None:
        self._frames = frames
        _, height, width = frames[0].image.shape
        self.info = VideoInfo(width, height, rate, length, time_base=1 / rate)

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.info.length or 0):
            yield Frame(self._frames[number % len(self._frames)].image, number / self.info.rate)

    def close(self) -> None:
        """Nothing to release."""


class NullSink(Sink):
    """Takes frames and counts them."""

    def __init__(self) -> None:
        self.frames = 0

    def write(self, frame: Frame) -> None:
        self.frames += 1

    def close(self) -> None:
        """Nothing to finish."""

    def abandon(self) -> None:
        """Nothing to keep."""
