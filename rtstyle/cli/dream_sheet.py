"""``rtstyle dream --sweep``: one labelled grid of dreams, what each setting does."""

from __future__ import annotations

import argparse
from itertools import product
from math import prod
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from rtstyle.cli.dream_inputs import Inputs, finished, load_dream, read_inputs, size_of
from rtstyle.cli.options import print_json, say, shows_progress
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import Picture, write_image
from rtstyle.media.sheet import draw_sheet

CELL = 320  # pixels of a dream's longer side, unless told
MOST = 100  # dreams in one sheet

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
    for layers in axes.get("layers", ()):  # one that cannot dream is said at once
        load_dream(options, device, size_of(inputs.photo), _joined(layers))
    cells: list[list[tuple[str, Tensor]]] = []
    begin = perf_counter()
    total = len(rows) * len(columns)
    with tqdm(total=total, unit="dream", disable=not shows_progress(options), leave=False) as bar:
        for row in rows:
            cells.append([])
            for column in columns:
                cells[-1].append((_label(row | column), _dreamt(options, inputs, device, row | column)))
                bar.update()
    written = write_image(options.output, Picture(draw_sheet(cells)))
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


def _dreamt(
    options: argparse.Namespace, inputs: Inputs, device: torch.device, cell: dict[str, Any]
) -> Tensor:
    """One dream of the sheet, (3, H, W) uint8."""
    chosen = dict(cell)
    if "layers" in chosen:
        chosen["layers"] = _joined(chosen["layers"])
    dream, _, notes = load_dream(options, device, size_of(inputs.photo), **chosen)
    say(options, notes)
    random = torch.Generator().manual_seed(options.seed)
    image = finished(options, inputs, dream(inputs.photo, random, mask=inputs.mask)).image
    return to_bytes(to_float(image))


def _joined(layers: str) -> str:
    """Those that dream together, as ``--layers`` takes them."""
    return layers.replace("+", ",")


def _label(cell: dict[str, Any]) -> str:
    """``relu3_3``, ``5 steps``, ``rate 0.02``; one line each."""
    lines = []
    for name, value in cell.items():
        if name in _SINGULAR:
            lines.append(f"{value} {name if value != 1 else _SINGULAR[name]}")
        else:
            lines.append(f"rate {value:g}" if name == "rate" else value)
    return "\n".join(lines)
