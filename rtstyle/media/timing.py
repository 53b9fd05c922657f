"""Presentation times that always grow: missing and unordered stamps are mended, good ones never touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, TypeVar

from av.packet import Packet

from rtstyle.errors import RtstyleError

Item = TypeVar("Item")

# Frames held while waiting for the next good stamp. Past this the clock itself has jumped.
_PATIENCE = 8
# Seconds; further ahead of all streams, or behind its own, a packet is on another clock.
_AHEAD, _BEHIND = 10, 1


class SteadyClock:
    """Takes the jumps out of a broadcast's clock: packets after one are moved to follow without a gap.

    Clocks jump at a splice, and when a recorder restarts. Fed with every packet of a file in order, this
    moves all streams by the same amount, so that two readers of a file (one of the picture, one of the
    rest) stay in step.

    Args:
        closes_gaps: a clock ahead by more than any stream's pause has jumped too.

    Attributes:
        jumps: how many there were.
    """

    def __init__(self, closes_gaps: bool = True) -> None:
        self.jumps = 0
        self._closes_gaps = closes_gaps
        self._shift = Fraction(0)
        # By stream: where its next packet is expected, and where the last one was.
        self._next: dict[int, tuple[Fraction, Fraction | None]] = {}
        self._latest: Fraction | None = None

    def __call__(self, packet: Packet) -> None:
        """Correct the stamps of one packet in place."""
        if packet.dts is None or packet.stream.type not in ("video", "audio"):
            self._move(packet)
            return
        base = Fraction(packet.time_base)
        time = packet.dts * base + self._shift
        expected, before = self._next.get(packet.stream_index, (None, None))
        behind = expected is not None and time < expected - _BEHIND
        if behind and before is not None and abs(time - before) < _BEHIND:
            behind = False  # the clock is back where it was: only the packet before this one was wrong
        ahead = self._closes_gaps and self._latest is not None and time > self._latest + _AHEAD
        if behind or ahead:
            follow = expected if expected is not None else self._latest or time
            self._shift += follow - time
            self.jumps += 1
            time = follow
        self._next[packet.stream_index] = (time + (packet.duration or 0) * base, expected)
        self._latest = max(self._latest or time, time)
        self._move(packet)

    def _move(self, packet: Packet) -> None:
        if self._shift:
            ticks = round(self._shift / Fraction(packet.time_base))
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks


class TimeRepair(Generic[Item]):
    """Gives each item a time later than the one before.

    A stamp that is missing or not later than its forerunner is spaced evenly between its good
    neighbours. When stamps stay behind (a clock was set back), the rest of the stream is moved on to
    follow without a gap.

    Args:
        interval: seconds between frames, for stamps that have no good neighbour.
        time_base: every mended time is a multiple of it, seconds.
    """

    def __init__(self, interval: Fraction, time_base: Fraction) -> None:
        self._interval = max(interval, time_base)
        self._base = time_base
        self._last: Fraction | None = None
        self._shift = Fraction(0)
        self.mended = 0

    def __call__(self, stamped: Iterable[tuple[Fraction | None, Item]]) -> Iterator[tuple[Fraction, Item]]:
        waiting: list[tuple[Fraction | None, Item]] = []
        for stamp, item in _without_spikes(stamped):
            time = None if stamp is None else stamp + self._shift
            if time is not None and self._fits(time, len(waiting)):
                yield from self._spread(waiting, until=time)
                waiting = []
                self._last = time
                yield time, item
            else:
                waiting.append((time, item))
                if len(waiting) > _PATIENCE:
                    yield from self._restart(waiting)
                    waiting = []
        yield from self._spread(waiting, until=None)

    def _fits(self, time: Fraction, between: int) -> bool:
        """Whether `between` mended times and then `time` can follow the last one."""
        return self._last is None or time >= self._last + (between + 1) * self._base

    def _spread(
        self, waiting: list[tuple[Fraction | None, Item]], until: Fraction | None
    ) -> Iterator[tuple[Fraction, Item]]:
        """Times for the held items: evenly up to `until`, or a usual interval apart."""
        if not waiting:
            return
        if self._last is None:  # nothing good came before: count back from what follows, or from zero
            start = -self._interval if until is None else until - (len(waiting) + 1) * self._interval
        else:
            start = self._last
        step = self._interval if until is None else (until - start) / (len(waiting) + 1)
        self.mended += len(waiting)
        for place, (_, item) in enumerate(waiting, 1):
            ticks = (start + place * step) / self._base
            self._last = max(round(ticks), self._next_tick()) * self._base
            yield self._last, item

    def _next_tick(self) -> int:
        return -(2**62) if self._last is None else int(self._last / self._base) + 1

    def _restart(self, waiting: list[tuple[Fraction | None, Item]]) -> Iterator[tuple[Fraction, Item]]:
        """The clock jumped: place the held items a usual interval apart and move all that follow likewise."""
        old = waiting[-1][0]
        yield from self._spread(waiting, until=None)
        if old is not None and self._last is not None:
            self._shift += self._last - old


def _without_spikes(
    stamped: Iterable[tuple[Fraction | None, Item]],
) -> Iterator[tuple[Fraction | None, Item]]:
    """Take away a stamp that alone runs ahead: not earlier than its follower, which fits what came before."""
    before: Fraction | None = None
    held: tuple[Fraction | None, Item] | None = None
    for stamp, item in stamped:
        if held is not None:
            time = held[0]
            if (
                time is not None
                and stamp is not None
                and stamp <= time
                and (before is None or stamp > before)
            ):
                time = None
            before = before if time is None else time
            yield time, held[1]
        held = (stamp, item)
    if held is not None:
        yield held


def parse_time(text: str) -> Fraction:
    """``90``, ``90.5``, ``1:30.5`` or ``0:01:30.5`` to exact seconds."""
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?", text.strip())
    if not match:
        raise RtstyleError(f"time {text!r} is not understood; write seconds (90.5) or [H:]MM:SS (1:30.5)")
    hours, minutes, seconds = (Fraction(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def say_time(seconds: Fraction | float) -> str:
    """Seconds for people: ``4.2 s``, ``3:05``, ``1:02:03``."""
    if seconds < 60:
        return f"{float(seconds):.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
