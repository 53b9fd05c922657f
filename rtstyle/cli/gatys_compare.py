"""``rtstyle gatys --compare``: the same painting by several backbones, as a labelled sheet and a table."""

from __future__ import annotations

import argparse
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from rtstyle.cli.gatys_inputs import Inputs
from rtstyle.cli.gatys_report import groups
from rtstyle.cli.gatys_settings import load, settings
from rtstyle.cli.options import print_json, say, shows_progress
from rtstyle.cli.outputs import keeping_cells
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import write_image
from rtstyle.media.picture import Picture
from rtstyle.media.sheet import draw_sheet, framed
from rtstyle.perception.losses import total_variation
from rtstyle.stylizers.gatys import Progress, ScaleStep, paint
from rtstyle.stylizers.gatys_layers import Measuring
from rtstyle.stylizers.gatys_memory import check_memory
from rtstyle.stylizers.octaves import resized

TITLES = ("backbone", "s", "variation", "content", "style")


def compare(options: argparse.Namespace, inputs: Inputs, device: torch.device) -> int:
    """Losses are each backbone's own: they compare runs of one, not backbones with each other."""
    if options.content_layers or options.style_layers:
        raise RtstyleError("--compare takes each backbone's default layers; leave out --content/style-layers")
    # All of them before any work: one that cannot be had is said at once.
    measurings = {name: load(options, name, device) for name in options.compare}
    size = inputs.plan.sizes[-1]
    for measuring in measurings.values():
        check_memory(measuring.backbone, size, device)
    cells = [("photo", to_bytes(resized(inputs.photo, size).cpu()))]
    paintings = [painting for style in inputs.styles for painting in style.paintings]
    for path, painting in zip(options.styles, paintings, strict=True):
        cells.append((path.stem, framed(to_bytes(painting.cpu()), *size)))
    rows: list[dict[str, Any]] = []
    with keeping_cells(options, [cells], given=len(cells)):
        for name, measuring in measurings.items():
            say(options, measuring.notes)
            row, finished = _paint(options, inputs, name, measuring)
            rows.append(row)
            label = f"{name}: {row['seconds']:.0f} s\ncontent {row['content']:.3f}, style {row['style']:.3f}"
            cells.append((label, finished))
    write_image(options.output, Picture(draw_sheet([cells])))
    if options.json:
        print_json({"output": str(options.output), "backbones": rows})
        return 0
    print(f"{TITLES[0]:16}" + "".join(f"{title:>11}" for title in TITLES[1:]))
    for row in rows:
        name, seconds, *figures = row.values()
        print(f"{name:16}{seconds:11.1f}" + "".join(f"{figure:11.4f}" for figure in figures))
    say(options, [str(options.output)])
    return 0


def _paint(
    options: argparse.Namespace, inputs: Inputs, name: str, measuring: Measuring
) -> tuple[dict[str, Any], Tensor]:
    """Its figures, and the painting, uint8 (3, H, W)."""
    progress, begin = Progress(), perf_counter()
    total = sum(inputs.plan.steps)
    with tqdm(total=total, desc=name, disable=not shows_progress(options), leave=False) as bar:
        result = paint(
            inputs.photo, inputs.styles, measuring.backbone, inputs.plan,
            **settings(options, measuring),
            content_mask=inputs.content_mask, kept=inputs.kept, init=inputs.init,
            listener=partial(_advance, bar),
            progress=progress,
        )  # fmt: skip
    seconds = perf_counter() - begin
    finished = to_float(inputs.finished(result).image)
    sums = groups(progress.terms[-1][1] if progress.terms else {})
    row = {
        "backbone": name, "seconds": round(seconds, 2),
        "total_variation": round(float(total_variation(finished[None])), 6),
        "content": round(sums["content"], 6), "style": round(sums["style"], 6),
    }  # fmt: skip
    return row, to_bytes(finished)


def _advance(bar: tqdm, heard: ScaleStep) -> None:
    bar.update()
