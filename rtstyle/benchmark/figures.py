"""From timed runs to figures: medians and spreads, the slowest stage, cost against pixels."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rtstyle.live.stats import percentiles


@dataclass(slots=True)
class Sample:
    """One timed run."""

    frames: int
    seconds: float
    latencies: list[float] = field(default_factory=list)  # seconds, one a frame; empty where frames overlap
    joules: float | None = None
    busy: float | None = None  # share of all cores' time that was used
    note: str = ""  # what a reader of the figure has to know

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds a frame = fixed + per_pixel x pixels."""

    fixed: float  # seconds
    per_pixel: float  # seconds
    deviation: float  # largest |measured / line - 1| of all sizes
    growth: float  # seconds per pixel at the largest size over those at the smallest; linear without fixed: 1


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest of at least one value."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def summary(samples: Sequence[Sample], single: Sequence[Sample] | None = None) -> dict[str, Any]:
    """frames and fps (a `spread` over the rounds), latency_ms (p50, p95, p99) and of how many frames that is.

    Args:
        single: the runs that latency is from, where frames overlap in `samples`.
    """
    latencies = [seconds for each in single or samples for seconds in each.latencies]
    return {
        "frames": sum(each.frames for each in samples),
        "fps": spread([each.fps for each in samples]),
        "latency_frames": len(latencies),
        "latency_ms": percentiles(latencies),
    }


def times(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """How many times faster: the median over the rounds of the ratio within each, which other work on the
    machine disturbs less than either."""
    return statistics.median(own.fps / other.fps for own, other in zip(ours, theirs, strict=True))


def slowest_of(fps: Mapping[str, float]) -> str:
    """The stage with the lowest fps."""
    return min(fps, key=fps.__getitem__)


def one_by_one(fps: Mapping[str, float]) -> float:
    """fps if each frame went through the stages one after another: 1 / sum(1 / fps)."""
    return 1 / sum(1 / each for each in fps.values())


def fit_line(pixels: Sequence[int], seconds: Sequence[float]) -> Line:
    """The line through times of two sizes or more that has the least squared relative error.

    Relative, or the largest size would decide alone.
    """
    size, time = np.array(pixels, float), np.array(seconds, float)
    rows = np.stack([1 / time, size / time], axis=1)
    scale = np.linalg.norm(rows, axis=0)  # the columns differ by a factor of a million
    (fixed, per_pixel), *_ = np.linalg.lstsq(rows / scale, np.ones(len(time)), rcond=None)
    fixed, per_pixel = fixed / scale[0], per_pixel / scale[1]
    deviation = np.abs(time / (fixed + per_pixel * size) - 1).max()
    small, large = size.argmin(), size.argmax()
    growth = (time[large] / size[large]) / (time[small] / size[small])
    return Line(float(fixed), float(per_pixel), float(deviation), float(growth))


def linear_fits(sizes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each style and engine measured at two sizes or more: what a frame costs, fixed and per pixel.

    Args:
        sizes: as `measure_size` returns them.

    Returns:
        [{style, engine, what ("network" or "video"), sizes, fixed_ms, ns_per_pixel, deviation, growth}], see
        `Line`; through two sizes there is always a line without deviation.
    """
    points: dict[tuple[str, str, str], list[tuple[int, float]]] = defaultdict(list)
    for size in sizes:
        for run in size["runs"]:
            for what in ("network", "video"):
                if what in run:
                    name = (run["style"], run["engine"], what)
                    points[name].append((size["pixels"], 1 / run[what]["fps"]["median"]))
    found = []
    for (style, engine, what), measured in points.items():
        if len(dict(measured)) > 1:  # of one size alone nobody can tell what is fixed
            line = fit_line(*zip(*measured, strict=True))
            found.append(
                {
                    "style": style, "engine": engine, "what": what, "sizes": len(measured),
                    "fixed_ms": 1e3 * line.fixed,
                    "ns_per_pixel": 1e9 * line.per_pixel, "deviation": line.deviation, "growth": line.growth,
                }
            )  # fmt: skip
    return found


def rounded(value: Any) -> Any:
    """Every float within dicts and lists to four significant digits: more is noise."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
