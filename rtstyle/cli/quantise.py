"""``rtstyle quantise STYLE``: what of a style can be computed in 8 bits, measured and noted on its card."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rtstyle.cli.options import print_json, vgg19_file
from rtstyle.cli.outputs import check_style
from rtstyle.errors import RtstyleError

LEAST = 8  # photos: half give the ranges, half are measured on
MOST = 48
SMALLEST = 32  # pixels of a photo's shorter side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("style", help="name or file of the style")
    parser.add_argument(
        "--photos", type=Path, required=True,
        help=f"folder of {LEAST} photos or more, such as the style is for: every other one is measured on",
    )  # fmt: skip
    parser.add_argument("--painting", type=Path, required=True, help="the picture it was trained on")
    parser.add_argument("--size", type=int, default=480, help="shorter side of the photos in pixels (480)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="style file to write (STYLE.safetensors)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing style")
    parser.add_argument(
        "--backbone-weights", type=vgg19_file, metavar="[vgg19=]FILE", help="VGG19's weights (fetched)"
    )
    parser.add_argument("--json", action="store_true", help="print one object in place of the table")


def run(options: argparse.Namespace) -> int:
    from torch import nn

    from rtstyle.engines.reduced import as_card, passes
    from rtstyle.perception.backbones import load_backbone
    from rtstyle.style_file import SUFFIX, rewrite_card
    from rtstyle.styles import find_style, load_style, style_name
    from rtstyle.training.data import list_pictures, read_picture
    from rtstyle.training.evaluate import LAYERS
    from rtstyle.training.quantise import quantise

    if options.size < SMALLEST:
        raise RtstyleError(f"--size is {options.size}; allowed are whole numbers from {SMALLEST} up")
    card, network = load_style(options.style)
    photos = _readable(list_pictures(options.photos), options.size)
    if len(photos) < LEAST:
        raise RtstyleError(f"{options.photos}: {len(photos)} photos are too few; give {LEAST} or more")
    # Never unasked into the folder the style came from: that may be this program's own.
    target = options.out or Path(f"{style_name(options.style)}{SUFFIX}")
    check_style(target, overwrite=options.overwrite)
    backbone = load_backbone("vgg19", LAYERS, options.backbone_weights)
    painting = read_picture(options.painting, card.recipe.get("style_size") or options.size)
    reduced, figures = quantise(network, photos, options.size, painting, backbone)
    noted = replace(card, int8={**figures, **as_card(reduced)})
    rewrite_card(find_style(options.style), target, noted)
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    _report(options, {
        "style": card.name, "file": str(target), **figures, "convolutions": len(reduced.ranges),
        "of": convolutions, "passed": passes(figures), "bfloat16": reduced.bfloat16,
    })  # fmt: skip
    return 0


def _readable(paths: Sequence[Path], size: int) -> list[Path]:
    """The first `MOST` that can be read; those before that cannot are named. Later would be too late."""
    from rtstyle.training.data import read_picture

    found: list[Path] = []
    for path in paths:
        try:
            read_picture(path, size)
        except RtstyleError as error:
            print(f"rtstyle: left out: {error}", file=sys.stderr)
            continue
        found.append(path)
        if len(found) == MOST:
            break
    return found


def _report(options: argparse.Namespace, done: dict[str, Any]) -> None:
    from rtstyle.engines.reduced import LEAST_PSNR, MOST_FLICKER, MOST_STYLE_ERROR
    from rtstyle.styles import own_folder

    if options.json:
        print_json(done)
        return
    counts = f"{done['convolutions']} of {done['of']}"
    rest = "bfloat16" if done["bfloat16"] else "float32"
    print(f"{done['style']}: {counts} convolutions in 8 bits, the rest in {rest}")
    print(f"against float32, on {done['photos']} photos the ranges are not from:")
    print(f"  nearness     {done['psnr']:.1f} dB (worst {done['worst_psnr']:.1f}), from {LEAST_PSNR:.0f} on")
    print(f"  style error  x {done['style_error']:.3f}, allowed up to {MOST_STYLE_ERROR}")
    print(f"  flicker      x {done['flicker']:.3f}, allowed up to {MOST_FLICKER}")
    if done["passed"]:
        print(f"written to {done['file']}: --style {done['file']} runs so")
        print(f"put it into {own_folder()} and its name alone will do")
    else:
        print(f"written to {done['file']}: not as good so, it stays in float32")
