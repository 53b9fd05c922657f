"""Which part of a file is used, and how its clock maps to the output's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import av
from av.container import InputContainer

from rtstyle.errors import RtstyleError
from rtstyle.media.containers import start_of
from rtstyle.media.timing import say_time

# Seconds from a part's start to its first frame beyond which they are no mere frame's interval: what stood
# on the screen before is then the part's first picture.
_STILL = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file; seconds on the file's clock."""

    start: Fraction | None = None  # None: from the first frame
    end: Fraction | None = None  # None: to the last frame; this instant itself is left out
    origin: Fraction = Fraction(0)  # what becomes zero in the output
    # Where the frames' reader was sent to, to find the start; None: the beginning.
    read_from: Fraction | None = None
    follows: bool = False  # a segment behind another, to which belongs what is shown as this one begins

    def holds(self, time: Fraction) -> bool:
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)

    def begins_before(self, first: Fraction) -> bool:
        """Whether this part begins with what stands on the screen already, its first own frame being late."""
        return self.start is not None and not self.follows and first > self.start + _STILL


def asked_span(
    container: InputContainer, name: str, start: Fraction | None, end: Fraction | None, time_base: Fraction
) -> Span:
    """The part between two times counted from the beginning of a file; its start is the output's zero.

    Args:
        time_base: of the picture, seconds; the origin lies on its grid, at the start or less than a
            tick before it, so that every time stays a whole number of ticks.
    """
    if start is None and end is None:
        return Span()
    if end is not None and end <= (start or 0):
        raise RtstyleError(f"end {say_time(end)} is not after start {say_time(start or 0)}")
    length = Fraction(container.duration or 0, av.time_base)
    if start and length and start >= length:
        raise RtstyleError(f"start {say_time(start)} lies beyond the end of {name} ({say_time(length)})")
    begin = start_of(container)
    first = begin + (start or 0)
    origin = floor(first / time_base) * time_base
    return Span(first if start else None, None if end is None else begin + end, origin)


class AskedFrames:
    """The frames of a part, from when until when each is shown: where known, and within the part.

    A screen recording or slides may show one picture for long: what stands there as the part begins is its
    first, from then on.

    Args:
        frames: of the file, each with its time in seconds; they may begin before the part and end after it.

    Attributes:
        whole: whether the file was read to its end.
    """

    def __init__(self, span: Span, frames: Iterable[tuple[Fraction, av.VideoFrame]]) -> None:
        self._span, self._frames = span, frames
        self.whole = False

    def __iter__(self) -> Iterator[tuple[Fraction, av.VideoFrame, Fraction | None]]:
        start, end = self._span.start, self._span.end
        before: tuple[av.VideoFrame, Fraction | None] | None = None
        held: tuple[Fraction, av.VideoFrame] | None = None  # until it is known when the next one comes
        until = None
        for time, frame in self._frames:
            if start is not None and time < start:
                before = frame, _until(time, frame, end)
                continue
            if start is not None and before is not None and self._span.begins_before(time):
                held = start, before[0]
            before = None
            if held is not None:
                yield *held, time if end is None else min(time, end)
                held = None
            if end is not None and time >= end:
                return
            until = _until(time, frame, end)
            if end is None:
                yield time, frame, until
            else:  # what a container says of a frame's length is often a guess
                held = time, frame
        self.whole = True
        if held is not None:
            yield *held, until
        elif start is not None and before is not None and not self._span.follows:
            frame, until = before
            if until is not None and until > start:
                yield start, frame, until


def _until(time: Fraction, frame: av.VideoFrame, end: Fraction | None) -> Fraction | None:
    """Until when a frame is shown, and the end at most; None where the file does not say."""
    length = frame.duration * Fraction(frame.time_base or 0)
    until = time + length if length else None
    return until if until is None or end is None else min(until, end)
