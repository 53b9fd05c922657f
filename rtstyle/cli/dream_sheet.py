"""``rtstyle dream --sweep``: one labelled grid of dreams, what each setting does."""

from __future__ import annotations

import argparse
from itertools import product
from math import prod
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from tqdm import tqdm

from rtstyle.cli.dream_inputs import Inputs, finished, load_dream, read_inputs, size_of
from rtstyle.cli.options import print_json, say, shows_progress
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import Picture, write_image

CELL = 320  # pixels of a dream's longer side, unless told
MOST = 100  # dreams in one sheet
_FONT, _GAP = 16, 6  # pixels

_KINDS = {"layers": str, "steps": int, "octaves": int, "rate": float}
_SINGULAR = {"steps": "step", "octaves": "octave"}


def sheet(options: argparse.Namespace, device: torch.device) -> int:
    """Write the grid: the setting with most values across, all others down."""
    axes = parse_sweep(options.sweep)
    inputs = read_inputs(options, device, longest=CELL)
    across = max(axes, key=lambda name: len(axes[name]))
    down = {name: values for name, values in axes.items() if name != across}
    columns = [{across: value} for value in axes[across]]
    rows = [dict(zip(down, values, strict=True)) for values in product(*down.values())]
    cells: list[Image.Image] = []
    begin = perf_counter()
    total = len(rows) * len(columns)
    with tqdm(total=total, unit="dream", disable=not shows_progress(options), leave=False) as bar:
        for row, column in product(rows, columns):
            cells.append(_drawn(_dreamt(options, inputs, device, row | column)))
            bar.update()
    drawing = labelled(cells, [_label(row) for row in rows], [_label(column) for column in columns])
    picture = Picture(torch.from_numpy(np.array(drawing)).permute(2, 0, 1).contiguous())
    written = write_image(options.output, picture)
    seconds = perf_counter() - begin
    say(options, written, options.output.name)
    say(options, [f"{options.output}: {len(rows)}x{len(columns)} dreams, {seconds:.0f} s"])
    if options.json:
        print_json({"output": str(options.output), "sweep": axes, "seconds": round(seconds, 2)})
    return 0


def parse_sweep(parts: list[str]) -> dict[str, list[Any]]:
    """{"steps": [2, 5]} from ["steps=2,5"]. Raises RtstyleError for what cannot be swept."""
    axes: dict[str, list[Any]] = {}
    for part in parts:
        name, _, text = part.partition("=")
        if name not in _KINDS:
            raise RtstyleError(f"--sweep {part}: sweeps over {', '.join(_KINDS)}, as in steps=2,5,10")
        try:
            axes[name] = [_KINDS[name](value) for value in text.split(",")]
        except ValueError:
            axes[name] = []
        if not all(axes[name]) or not axes[name] or (name != "layers" and min(axes[name]) <= 0):
            raise RtstyleError(f"--sweep {part}: its values are numbers above 0 with commas between")
    count = prod(map(len, axes.values()))
    if count > MOST:
        raise RtstyleError(f"--sweep asks for {count} dreams; one sheet holds {MOST} at most")
    return axes


def labelled(cells: list[Image.Image], rows: list[str], columns: list[str]) -> Image.Image:
    """Pictures of one size in a grid, row by row, each row named on its left and each column above."""
    font = ImageFont.load_default(_FONT)
    ruler = ImageDraw.Draw(cells[0])
    left = max(
        (int(ruler.textlength(line, font=font)) for row in rows for line in row.split("\n")), default=0
    )
    left += 2 * _GAP if left else 0
    top = _FONT + 2 * _GAP
    width, height = cells[0].width + _GAP, cells[0].height + _GAP
    canvas = Image.new("RGB", (left + len(columns) * width, top + len(rows) * height), "white")
    draw = ImageDraw.Draw(canvas)
    for number, column in enumerate(columns):
        draw.text((left + number * width + width // 2, top // 2), column, "black", font, anchor="mm")
    for number, row in enumerate(rows):
        place = (_GAP, top + number * height + cells[0].height // 2)
        draw.multiline_text(place, row, "black", font, anchor="lm")
    for number, cell in enumerate(cells):
        canvas.paste(cell, (left + number % len(columns) * width, top + number // len(columns) * height))
    return canvas


def _dreamt(
    options: argparse.Namespace, inputs: Inputs, device: torch.device, cell: dict[str, Any]
) -> Tensor:
    """One dream of the sheet, (3, H, W) uint8."""
    chosen = dict(cell)
    if "layers" in chosen:
        chosen["layers"] = chosen["layers"].replace("+", ",")
    dream, _, notes = load_dream(options, device, size_of(inputs.photo), **chosen)
    say(options, notes)
    random = torch.Generator().manual_seed(options.seed)
    image = finished(options, inputs, dream(inputs.photo, random, mask=inputs.mask)).image
    return to_bytes(to_float(image))


def _drawn(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def _label(cell: dict[str, Any]) -> str:
    """``relu3_3``, ``5 steps``, ``rate 0.02``; one line each."""
    lines = []
    for name, value in cell.items():
        if name in _SINGULAR:
            lines.append(f"{value} {name if value != 1 else _SINGULAR[name]}")
        else:
            lines.append(f"rate {value:g}" if name == "rate" else value)
    return "\n".join(lines)
