"""Loss and accuracy of backbones in training, epoch by epoch, as one picture."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from rtstyle.training.backbone import Epoch
from rtstyle.training.plot import FINE, save_drawing

SIZE = (1200, 520)  # pixels
_COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 60, 20, 50  # margins of a panel
_LINES = 5  # across a panel, about
_Series = list[tuple[str, str, int | None, list[float]]]  # name, colour, best epoch (training: none), values


def draw_epochs(path: Path, runs: Mapping[str, Sequence[Epoch]]) -> None:
    """Write the PNG: loss on the left, accuracy on the right; whole lines validation, dotted ones training.

    The best epoch, whose weights are kept, is ringed and has its value told.

    ``runs``: {backbone: its epochs from 0}. Raises RtstyleError when it cannot be written.
    """
    losses: _Series = []
    accuracies: _Series = []
    for (name, epochs), colour in zip(runs.items(), _COLOURS * len(runs), strict=False):
        best = max(range(len(epochs)), key=lambda at: epochs[at].rank)
        losses.append((name, colour, best, [epoch.validation_loss for epoch in epochs]))
        losses.append((name, colour, None, [epoch.loss for epoch in epochs]))
        accuracies.append((name, colour, best, [100 * epoch.validation_accuracy for epoch in epochs]))
        accuracies.append((name, colour, None, [100 * epoch.accuracy for epoch in epochs]))
    canvas = Image.new("RGB", (SIZE[0] * FINE, SIZE[1] * FINE), "white")
    draw = ImageDraw.Draw(canvas)
    half = SIZE[0] // 2
    most = max(value for *_, values in losses for value in values)
    _panel(draw, (0, half), "loss", losses, (0.0, 1.05 * most or 1.0))
    least = min(value for *_, values in accuracies for value in values)
    _panel(draw, (half, SIZE[0]), "accuracy, %", accuracies, (10 * (max(least - 1, 0) // 10), 101.0))
    save_drawing(path, canvas.resize(SIZE, Image.Resampling.BOX))


def _panel(
    draw: ImageDraw.ImageDraw, span: tuple[int, int], title: str, lines: _Series, ends: tuple[float, float]
) -> None:
    """One pair of axes between two columns of the picture; ``ends``: the lowest and the highest value."""
    left, right = (span[0] + _LEFT) * FINE, (span[1] - _RIGHT) * FINE
    top, bottom = _TOP * FINE, (SIZE[1] - _BOTTOM) * FINE
    font = ImageFont.load_default(14 * FINE)
    last = max(1, *(len(values) - 1 for *_, values in lines))

    def place(epoch: float, value: float) -> tuple[float, float]:
        up = (value - ends[0]) / (ends[1] - ends[0])
        return left + (right - left) * epoch / last, bottom - (bottom - top) * up

    unit = _unit((ends[1] - ends[0]) / _LINES)
    value = unit * -(-ends[0] // unit)
    while value <= ends[1]:
        y = place(0, value)[1]
        draw.line((left, y, right, y), fill="#e0e0e0", width=FINE)
        draw.text((left - 8 * FINE, y), f"{value:.3g}", fill="#404040", font=font, anchor="rm")
        value += unit
    for epoch in range(0, last + 1, max(1, round(_unit(last / _LINES)))):
        x = place(epoch, ends[0])[0]
        draw.text((x, bottom + 8 * FINE), str(epoch), fill="#404040", font=font, anchor="ma")
    draw.rectangle((left, top, right, bottom), outline="#808080", width=FINE)
    middle = (left + right) / 2
    below = "epoch (0: head alone); ringed: kept; dotted: in training"
    draw.text((middle, bottom + 38 * FINE), below, fill="#202020", font=font, anchor="mm")
    draw.text((left, top / 4), title, fill="#202020", font=font, anchor="lm")
    x = float(left)
    for name, colour, best, values in lines:
        points = [place(*point) for point in enumerate(values)]
        if best is None:
            _dots(draw, points, colour)
            continue
        draw.line(points, fill=colour, width=2 * FINE, joint="curve")
        for across, down in points:
            draw.circle((across, down), 3 * FINE, fill=colour)
        draw.circle(points[best], 7 * FINE, outline=colour, width=2 * FINE)
        draw.line((x, top * 0.7, x + 24 * FINE, top * 0.7), fill=colour, width=3 * FINE)
        label = f"{name} {values[best]:.3g}"
        draw.text((x + 30 * FINE, top * 0.7), label, fill="#202020", font=font, anchor="lm")
        x += 50 * FINE + draw.textlength(label, font=font)


def _dots(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: str) -> None:
    for (x, y), (to_x, to_y) in pairwise(points):
        count = max(1, round(((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5 / (7 * FINE)))
        for step in range(count):
            place = (x + (to_x - x) * step / count, y + (to_y - y) * step / count)
            draw.circle(place, 1.2 * FINE, fill=colour)


def _unit(raw: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** len(str(int(raw))) if raw >= 1 else 1.0
    while power > raw:
        power /= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
