"""The session's newest picture as JPEG: encoded at most once, and only when somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rtstyle.frame import Frame
from rtstyle.studio.jpeg import encode

_LOOK = 0.004  # seconds between looks for a new picture; half of it is the latency this adds

Latest = Callable[[int], tuple[int, Frame, Frame] | None]


@dataclass(frozen=True, slots=True)
class Picture:
    """One shown frame, ready to send."""

    number: int
    time: Fraction  # of its capture
    jpeg: bytes


class Pictures:
    """Pictures for any number of viewers, each at its own pace.

    Args:
        latest: gives number, original and shown of the newest frame above a number; None while there is none.
    """

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._encoding = asyncio.Lock()
        self._last: Picture | None = None

    async def after(self, number: int) -> Picture:
        """The newest picture, as soon as there is one with a number above this."""
        while (newest := self._latest(number)) is None:
            await asyncio.sleep(_LOOK)
        async with self._encoding:
            newest = self._latest(number) or newest  # a newer one may have come while another was encoded
            if self._last is None or self._last.number != newest[0]:
                jpeg = await asyncio.to_thread(encode, newest[2].image)
                self._last = Picture(newest[0], newest[2].time, jpeg)
            return self._last
