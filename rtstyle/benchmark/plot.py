"""Frames a second against pixels, both logarithmic: where cost is linear, a straight line down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from rtstyle.media.image_file import write_image
from rtstyle.media.picture import Picture

WIDTH, HEIGHT = 1000, 640  # pixels
FINE = 2  # drawn so many times larger, then reduced: smooth lines
MARGINS = (80, 60, 30, 80)  # left, top, right, bottom
LEGEND = 26  # a line's height
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#bcbd22")
PLAIN_COLOURS = ("#404040", "#a0a0a0")
LIVE = 30  # frames a second, drawn as a line

Point = tuple[float, float]  # pixels of a frame, frames a second


def draw_speeds(path: Path, sizes: Sequence[Mapping[str, Any]], title: str) -> None:
    """Write a picture: a line with dots for each style and engine, the video thick, its network alone thin.

    Args:
        sizes: as `measure_size` returns them; at least one.

    Raises RtstyleError when it cannot be written.
    """
    curves = _curves(sizes)
    high = HEIGHT + LEGEND * (-(-len(curves) // 2))
    canvas = Image.new("RGB", (WIDTH * FINE, high * FINE), "white")
    _Chart(ImageDraw.Draw(canvas), curves, sizes).draw(title)
    small = canvas.resize((WIDTH, high), Image.Resampling.BOX)
    write_image(path, Picture(torch.from_numpy(np.array(small)).permute(2, 0, 1)))


def _curves(sizes: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, list[Point]]]:
    """(style, engine) -> what is measured -> points by size; the plain network last."""
    curves: dict[tuple[str, str], dict[str, list[Point]]] = {}
    for size in sorted(sizes, key=lambda size: size["pixels"]):
        for run in size["runs"]:
            parts = curves.setdefault((run["style"], run["engine"]), {"video": [], "network": []})
            for what, points in parts.items():
                if what in run:
                    points.append((size["pixels"], run[what]["fps"]["median"]))
    return dict(sorted(curves.items(), key=lambda item: not item[1]["video"]))


class _Chart:
    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        curves: dict[tuple[str, str], dict[str, list[Point]]],
        sizes: Sequence[Mapping[str, Any]],
    ) -> None:
        self.pen, self.curves = draw, curves
        self.font = ImageFont.load_default(14 * FINE)
        points = [point for parts in curves.values() for each in parts.values() for point in each]
        self.ticks = {size["pixels"]: f"{size['width']}x{size['height']}" for size in sizes}
        self.across = _range([pixels for pixels, _ in points])
        self.up = _range([fps for _, fps in points])
        left, top, right, bottom = (margin * FINE for margin in MARGINS)
        self.box = (left, top, WIDTH * FINE - right, HEIGHT * FINE - bottom)

    def place(self, pixels: float, fps: float) -> Point:
        left, top, right, bottom = self.box
        across, up = (
            (math.log10(value) - low) / (high - low)
            for value, (low, high) in ((pixels, self.across), (fps, self.up))
        )
        return left + across * (right - left), bottom - up * (bottom - top)

    def draw(self, title: str) -> None:
        left, top, right, bottom = self.box
        self.text((left + right) / 2, top / 2, title, "mm")
        for fps in _ticks(*self.up):
            y = self.place(1, fps)[1]
            self.pen.line((left, y, right, y), fill="#e0e0e0", width=FINE)
            self.text(left - 8 * FINE, y, f"{fps:g}", "rm")
        if self.up[0] < math.log10(LIVE) < self.up[1]:
            y = self.place(1, LIVE)[1]
            self.pen.line((left, y, right, y), fill="#808080", width=FINE)
            self.text(right - 8 * FINE, y - 4 * FINE, f"{LIVE} frames a second", "rd")
        for pixels, name in self.ticks.items():
            x = self.place(pixels, LIVE)[0]
            self.pen.line((x, top, x, bottom), fill="#f0f0f0", width=FINE)
            self.text(x, bottom + 8 * FINE, name, "ma")
        self.pen.rectangle(self.box, outline="#808080", width=FINE)
        said = "frames a second against pixels of a frame; thick: video, file to file; thin: network alone"
        self.text((left + right) / 2, bottom + 46 * FINE, said, "mm")
        colours = iter(COLOURS * len(self.curves))
        greys = iter(PLAIN_COLOURS * len(self.curves))
        for number, ((style, engine), parts) in enumerate(self.curves.items()):
            colour = next(colours if parts["video"] else greys)
            for what, points in parts.items():
                self.curve(points, colour, 3 * FINE if what == "video" else FINE)
            x = left + number % 2 * (right - left) / 2
            y = bottom + (70 + LEGEND * (number // 2)) * FINE
            self.pen.line((x, y, x + 24 * FINE, y), fill=colour, width=3 * FINE)
            self.text(x + 32 * FINE, y, f"{style}, {engine}", "lm")

    def curve(self, points: list[Point], colour: str, width: int) -> None:
        places = [self.place(*point) for point in points]
        if len(places) > 1:
            self.pen.line(places, fill=colour, width=width, joint="curve")
        for x, y in places:
            dot = width + FINE
            self.pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=colour)

    def text(self, x: float, y: float, said: str, anchor: str) -> None:
        self.pen.text((x, y), said, fill="#404040", font=self.font, anchor=anchor)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Powers of ten around the values."""
    return math.log10(min(values)) - 0.15, math.log10(max(values)) + 0.15


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two powers."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [value for value in every if low <= math.log10(value) <= high]
