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

from rtstyle.cli.dream_inputs import load_activations, make_dream, read_inputs, shown, size_of
from rtstyle.cli.options import print_json, say, shows_progress
from rtstyle.cli.outputs import keeping_cells
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes
from rtstyle.media.image_file import write_image
from rtstyle.media.picture import Picture
from rtstyle.media.sheet import draw_sheet
from rtstyle.stylizers.activations import Activations

CELL = 320  # pixels of a dream's longer side, unless told
MOST = 100  # dreams in one sheet

_KINDS = {"layers": str, "steps": int, "octaves": int, "rate": float}
_SINGULAR = {"steps": "step", "octaves": "octave"}


def sheet(options: argparse.Namespace, device: torch.device) -> int:
    """Write the grid: the setting with most values across, all others down."""
    axes = parse_sweep(options.sweep)
    inputs = read_inputs(options, device, longest=CELL, alone=False)
    say(options, inputs.picture.notes, options.input)
    size = size_of(inputs.photo)
    across = max(axes, key=lambda name: len(axes[name]))
    down = {name: values for name, values in axes.items() if name != across}
    columns = [{across: value} for value in axes[across]]
    rows = [dict(zip(down, values, strict=True)) for values in product(*down.values())]
    found: dict[str | None, Activations] = {}  # of all layers, first: one that cannot dream is said at once
    notes: list[str] = []
    for layers in axes.get("layers", [options.layers]):
        joined = layers and layers.replace("+", ",")  # as ``--layers`` takes them
        found[layers], more = load_activations(options, device, size, joined)
        notes += more
    say(options, notes)
    cells: list[list[tuple[str, Tensor]]] = []
    begin = perf_counter()
    total = len(rows) * len(columns)
    with (
        tqdm(total=total, unit="dream", disable=not shows_progress(options), leave=False) as bar,
        keeping_cells(options, cells),
    ):
        for row in rows:
            cells.append([])
            for column in columns:
                cell = row | column
                others = {name: value for name, value in cell.items() if name != "layers"}
                dream = make_dream(options, found[cell.get("layers", options.layers)], **others)
                random = torch.Generator().manual_seed(options.seed)
                result = dream(inputs.photo, random, mask=inputs.mask)
                label = _label(cell, len(dream.sizes(size)))
                cells[-1].append((label, to_bytes(shown(options, inputs.photo, result).cpu())))
                bar.update()
    written = write_image(options.output, Picture(draw_sheet(cells)))
    seconds = perf_counter() - begin
    say(options, written, options.output.name)
    say(options, [f"{options.output}: {len(rows)}x{len(columns)} dreams, {seconds:.0f} s"])
    if options.json:
        facts = {"output": str(options.output), "sweep": axes, "seconds": round(seconds, 2)}
        print_json({**facts, "notes": [*inputs.picture.notes, *notes, *written]})
    return 0


def parse_sweep(parts: list[str]) -> dict[str, list[Any]]:
    """{"steps": [2, 5]} from ["steps=2,5"]. Raises RtstyleError for what cannot be swept."""
    axes: dict[str, list[Any]] = {}
    for part in parts:
        name, _, text = part.partition("=")
        if name not in _KINDS:
            raise RtstyleError(f"--sweep {part}: sweeps over {', '.join(_KINDS)}, as in steps=2,5,10")
        if name in axes:
            raise RtstyleError(
                f"--sweep {part}: {name} come twice; put all values together, as {name}=2,5,10"
            )
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


def _label(cell: dict[str, Any], octaves: int) -> str:
    """``relu3_3, 1 octave, 5 steps``, or ``rate 0.02``; ``octaves``: those that the layers can see."""
    parts = []
    for name, value in cell.items():
        if name in _SINGULAR:
            parts.append(f"{value} {name if value != 1 else _SINGULAR[name]}")
        else:
            parts.append(f"rate {value:g}" if name == "rate" else value)
        if name == "octaves" and octaves < value:
            parts[-1] += f" ({octaves} fit)"
    return ", ".join(parts)
