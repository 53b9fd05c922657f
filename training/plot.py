"""The terms of a training run as curves over its steps: a listener that draws a PNG."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from rtstyle.media.image_file import write_image
from rtstyle.media.picture import Picture
from rtstyle.training.train import Step

SIZE = (1000, 600)  # pixels
FINE = 2  # drawn so many times larger, then reduced: smooth lines
MARGINS = (80, 50, 30, 60)  # left, top, right, bottom
COLOURS = {
    "content": "#1f77b4",
    "style": "#d62728",
    "variation": "#7f7f7f",
    "grid": "#9467bd",
    "edge": "#ff7f0e",
    "temporal": "#2ca02c",
}
TOTAL = "objective", "#000000"
MEMORY = 0.95  # of the moving mean that is drawn


class LossPlot:
    """Hears every step; ``draw`` shows each term's moving mean, on a logarithmic axis."""

    def __init__(self, path: Path, memory: float = MEMORY) -> None:
        """``memory``: of the moving mean that is drawn; 0 draws the terms themselves."""
        self.path, self.memory = path, memory
        self._heard: dict[int, dict[str, float]] = {}  # a step done again after going back replaces its first

    def __call__(self, step: Step) -> None:
        if not step.skipped:
            self.add(step.number, step.groups())

    def add(self, number: int, groups: Mapping[str, float]) -> None:
        """The weighted terms of one step, by group; their sum is drawn as well."""
        self._heard[number] = {**groups, TOTAL[0]: sum(groups.values())}

    def draw(self) -> None:
        """Write the PNG, complete or not at all; nothing when no step was heard.

        Raises RtstyleError when it cannot be written.
        """
        curves = {name: points for name in (*COLOURS, TOTAL[0]) if (points := self._curve(name))}
        if not curves:
            return
        canvas = Image.new("RGB", (SIZE[0] * FINE, SIZE[1] * FINE), "white")
        _Axes(curves).draw(ImageDraw.Draw(canvas))
        save_drawing(self.path, canvas.resize(SIZE, Image.Resampling.BOX))

    def _curve(self, name: str) -> list[tuple[int, float]]:
        """(step, moving mean) of one term, where it is above 0."""
        points: list[tuple[int, float]] = []
        mean = 0.0
        for number, groups in sorted(self._heard.items()):
            value = groups.get(name, 0.0)
            mean = self.memory * mean + (1 - self.memory) * value if points else value
            if mean > 0:
                points.append((number, mean))
        return points


class _Axes:
    """Places of steps and values on the canvas."""

    def __init__(self, curves: dict[str, list[tuple[int, float]]]) -> None:
        self.curves = curves
        steps = [step for points in curves.values() for step, _ in points]
        values = [value for points in curves.values() for _, value in points]
        self.first, self.last = min(steps), max(max(steps), min(steps) + 1)
        self.low, self.high = math.log10(min(values)) - 0.1, math.log10(max(values)) + 0.1
        left, top, right, bottom = (margin * FINE for margin in MARGINS)
        self.box = (left, top, SIZE[0] * FINE - right, SIZE[1] * FINE - bottom)

    def place(self, step: float, value: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        across = (step - self.first) / (self.last - self.first)
        up = (math.log10(value) - self.low) / (self.high - self.low)
        return left + across * (right - left), bottom - up * (bottom - top)

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        left, top, right, bottom = self.box
        font = ImageFont.load_default(14 * FINE)
        for value in self._values():
            y = self.place(self.first, value)[1]
            draw.line((left, y, right, y), fill="#e0e0e0", width=FINE)
            draw.text((left - 8 * FINE, y), f"{value:g}", fill="#404040", font=font, anchor="rm")
        for step in self._steps():
            x = self.place(step, 10**self.low)[0]
            draw.line((x, top, x, bottom), fill="#f0f0f0", width=FINE)
            draw.text((x, bottom + 8 * FINE), str(step), fill="#404040", font=font, anchor="ma")
        draw.rectangle(self.box, outline="#808080", width=FINE)
        draw.text(((left + right) / 2, bottom + 44 * FINE), "step", fill="#404040", font=font, anchor="mm")
        x = float(left)
        for name, points in self.curves.items():
            colour = TOTAL[1] if name == TOTAL[0] else COLOURS[name]
            draw.line([self.place(*point) for point in points], fill=colour, width=2 * FINE, joint="curve")
            draw.line((x, top / 2, x + 24 * FINE, top / 2), fill=colour, width=3 * FINE)
            label = f"{name} {points[-1][1]:.3g}"
            draw.text((x + 30 * FINE, top / 2), label, fill="#202020", font=font, anchor="lm")
            x += 50 * FINE + draw.textlength(label, font=font)

    def _values(self) -> list[float]:
        """1, 2 and 5 times the powers of ten between the ends; powers alone where that is many."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        factors = (1, 2, 5) if self.high - self.low < 3 else (1,)
        every = [factor * 10.0**power for power in powers for factor in factors]
        return [value for value in every if self.low <= math.log10(value) <= self.high]

    def _steps(self) -> list[int]:
        """About six round numbers."""
        raw = (self.last - self.first) / 6
        power = 10 ** math.floor(math.log10(max(raw, 1)))
        unit = max(1, round(next(f * power for f in (1, 2, 5, 10) if f * power >= raw)))
        return list(range(-(-self.first // unit) * unit, self.last + 1, unit))


def save_drawing(path: Path, drawing: Image.Image) -> None:
    """Write an RGB picture, complete or not at all. Raises RtstyleError when it cannot be written."""
    write_image(path, Picture(torch.from_numpy(np.array(drawing)).permute(2, 0, 1)))
