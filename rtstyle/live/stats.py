"""What a live run does, in figures: frames a second, frames dropped, milliseconds from capture on."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import Any

WINDOW = 5.0  # seconds that `recent` looks back

_PARTS = (50, 95, 99)

# Buckets of 2 % from 10 microseconds up: a run of any length in the memory of one, exact to 1 %.
_FIRST, _GROWTH, _BUCKETS = 1e-5, math.log(1.02), 900


class Series:
    """Durations in seconds: percentiles of the whole run, and of the last `WINDOW` seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.most = 0.0
        self._buckets = [0] * _BUCKETS
        self._recent: deque[tuple[float, float]] = deque()

    def add(self, seconds: float, now: float) -> None:
        place = math.log(max(seconds, _FIRST) / _FIRST) / _GROWTH
        self._buckets[min(int(place), _BUCKETS - 1)] += 1
        self.count += 1
        self.most = max(self.most, seconds)
        self._recent.append((now, seconds))
        self._forget(now)

    def whole(self) -> dict[str, float]:
        """Milliseconds: p50, p95, p99 (each to 1 %) and max."""
        return {**{f"p{part}": self._percentile(part) for part in _PARTS}, "max": _ms(self.most)}

    def recent(self, now: float) -> dict[str, float]:
        """The same of the last seconds, exact."""
        self._forget(now)
        values = [seconds for _, seconds in self._recent] or [0.0]
        return {**percentiles(values), "max": _ms(max(values))}

    def _percentile(self, part: int) -> float:
        if not self.count:
            return 0.0
        left = _rank(part, self.count)
        place = 0
        while (left := left - self._buckets[place]) > 0:
            place += 1
        return _ms(min(_FIRST * math.exp((place + 0.5) * _GROWTH), self.most))

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()


class Stats:
    """Counted by the threads of a live run, read by any.

    Latency is from the capture of a frame until its restyled picture is handed to the outputs;
    until an output has shown it: see the output's own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin: float | None = None  # when the first frame was done: loading and compiling are no speed
        self._before = 0  # frames the source gave before that one
        self._end: float | None = None
        self.latency = Series()
        self._stages: dict[str, Series] = {}
        self._outputs: dict[str, Series] = {}
        self._dropped: dict[str, int] = {}  # by the outputs
        self._seen = self._restyled = 0
        self._counts: deque[tuple[float, int, int]] = deque()  # (now, seen, restyled) after each frame

    def frame(self, latency: float, seen: int, stages: dict[str, float]) -> None:
        """Count one restyled frame; with the first of them the seconds begin.

        Args:
            latency: seconds since its capture.
            seen: frames the source has given so far, the dropped among them; those before the first restyled
                one are not counted.
            stages: seconds spent on it, by stage.
        """
        with self._lock:
            now = monotonic()
            if self._begin is None:
                self._begin, self._before = now, seen - 1
            seen -= self._before
            self._seen, self._restyled = seen, self._restyled + 1
            self.latency.add(latency, now)
            for name, seconds in stages.items():
                self._stages.setdefault(name, Series()).add(seconds, now)
            self._counts.append((now, seen, self._restyled))
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._counts and self._counts[0][0] < now - WINDOW:
            self._counts.popleft()

    def shown(self, output: str, seconds: float) -> None:
        """Count one frame shown by an output, so many seconds after its capture."""
        with self._lock:
            self._outputs.setdefault(output, Series()).add(seconds, monotonic())

    def dropped(self, output: str, frames: int) -> None:
        """Count frames that an output has missed."""
        with self._lock:
            self._dropped[output] = self._dropped.get(output, 0) + frames

    def end(self) -> None:
        """The run is over: seconds count no further."""
        self._end = self._end or monotonic()

    def _seconds(self) -> float:
        return (self._end or monotonic()) - self._begin if self._begin is not None else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The whole run, JSON-ready: seconds, frames_in, frames_out, dropped, fps_in, fps_out (1/s),
        latency_ms {p50, p95, p99, max}, stages_ms {stage: same}, outputs {name: shown, dropped, latency_ms}.
        """
        with self._lock:
            seconds = self._seconds()
            return {
                "seconds": round(seconds, 3),
                "frames_in": self._seen,
                "frames_out": self._restyled,
                "dropped": self._seen - self._restyled,
                "fps_in": round((self._seen - 1) / seconds, 2) if seconds else 0.0,
                "fps_out": round((self._restyled - 1) / seconds, 2) if seconds else 0.0,
                "latency_ms": self.latency.whole(),
                "stages_ms": {name: series.whole() for name, series in self._stages.items()},
                "outputs": {
                    name: {
                        "shown": series.count,
                        "dropped": self._dropped.get(name, 0),
                        "latency_ms": series.whole(),
                    }
                    for name, series in self._outputs.items()
                },
            }

    def recent(self) -> dict[str, Any]:
        """The last 5 seconds, under the keys of `as_dict`; `dropped` counts these seconds, `outputs` too."""
        with self._lock:
            now = monotonic()
            self._forget(now)
            seconds = seen = restyled = 0.0
            if len(self._counts) > 1:
                (first, *before), (_, *after) = self._counts[0], self._counts[-1]
                seconds = now - first
                seen, restyled = after[0] - before[0], after[1] - before[1]
            return {
                "seconds": round(self._seconds(), 3),
                "frames_in": self._seen,
                "frames_out": self._restyled,
                "dropped": int(seen - restyled),
                "fps_in": round(seen / seconds, 2) if seconds else 0.0,
                "fps_out": round(restyled / seconds, 2) if seconds else 0.0,
                "latency_ms": self.latency.recent(now),
                "stages_ms": {name: series.recent(now) for name, series in self._stages.items()},
                "outputs": {
                    name: {"dropped": self._dropped.get(name, 0), "latency_ms": series.recent(now)}
                    for name, series in self._outputs.items()
                },
            }


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Milliseconds p50, p95 and p99 of durations, exact; of none, an empty dict."""
    ordered = sorted(seconds)
    return {f"p{part}": _ms(ordered[_rank(part, len(ordered)) - 1]) for part in _PARTS if ordered}


def _rank(part: int, count: int) -> int:
    """The nearest-rank percentile's place among `count` sorted values, from 1."""
    return max(1, math.ceil(part * count / 100))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
