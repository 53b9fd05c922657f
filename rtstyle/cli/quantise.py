"""``rtstyle quantise STYLE``: what of a style can be computed in 8 bits, measured and noted on its card."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.options import print_json
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch

    from rtstyle.engines import Engine
    from rtstyle.training.steadiness import Restyle

LEAST = 8  # photos: half give the ranges, half are measured on
MOST = 48
SMALLEST = 32  # pixels of a photo's shorter side
CHOOSING = 4  # photos, at half the size, on which the flicker of each convolution is measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("style", help="name or file of the style")
    parser.add_argument(
        "--photos", type=Path, required=True,
        help=f"folder of {LEAST} photos or more, such as the style is for: every other one is measured on",
    )  # fmt: skip
    parser.add_argument("--painting", type=Path, required=True, help="the picture it was trained on")
    parser.add_argument("--size", type=int, default=480, help="shorter side of the photos in pixels (480)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there, not into the style's own file")
    parser.add_argument("--backbone-weights", type=Path, help="VGG19's file; without one it is fetched")
    parser.add_argument("--json", action="store_true", help="print one object in place of the table")


def run(options: argparse.Namespace) -> int:
    from rtstyle.engines import load_engine
    from rtstyle.engines.reduced import MOST_FLICKER, Reduced, as_card, choose, measure_ranges, passes
    from rtstyle.perception.backbones import load_backbone
    from rtstyle.styles import find_style, load_style, rewrite_card
    from rtstyle.training.data import list_pictures, read_picture
    from rtstyle.training.evaluate import LAYERS, STEADY_PHOTOS, nearness
    from rtstyle.training.steadiness import flicker_ratio

    paths = list_pictures(options.photos)[:MOST]
    if len(paths) < LEAST:
        raise RtstyleError(f"{options.photos}: {len(paths)} photos are too few; give {LEAST} or more")
    card, network = load_style(options.style)
    source = find_style(options.style)
    target = options.out or source
    _check(options.size, target)
    exact = _restyle(load_engine(network, "openvino", "cpu"))
    from rtstyle.engines.openvino import has_bfloat16  # known to be installed by now

    backbone = load_backbone("vgg19", LAYERS, options.backbone_weights)
    painting = read_picture(options.painting, card.recipe.get("style_size") or options.size)

    def rounded(reduced: Reduced) -> Restyle:
        return _restyle(load_engine(network, "int8", "cpu", reduced))

    ranges = measure_ranges(network, (read_picture(path, options.size) for path in paths[::2]))
    small = [read_picture(path, options.size // 2) for path in paths[: 2 * CHOOSING : 2]]
    own = flicker_ratio(small, exact)
    alone = {
        name: flicker_ratio(small, rounded(Reduced({name: ranges[name]}, False))) / own for name in ranges
    }
    bfloat16 = has_bfloat16()  # what cannot be measured here is not allowed anywhere
    start = flicker_ratio(small, rounded(Reduced({}, bfloat16))) / own
    chosen = choose(alone, start)

    held_out = [read_picture(path, options.size) for path in paths[1::2]]
    steady = held_out[:STEADY_PHOTOS]
    own = flicker_ratio(steady, exact)
    while True:  # fewer and fewer convolutions in 8 bits, as long as they flicker too much here
        reduced = Reduced({name: ranges[name] for name in chosen}, bfloat16)
        ways = [exact, rounded(reduced)]
        flicker = flicker_ratio(steady, ways[1]) / own
        if flicker <= MOST_FLICKER:
            break
        if chosen:
            chosen = chosen[: len(chosen) // 2]
        elif bfloat16:  # by itself too much: then 8 bits where they are free, and float32
            bfloat16, chosen = False, choose(alone, 1.0)
        else:
            break
    errors = [nearness(way, held_out, painting, backbone)["style_error"] for way in ways]
    near = [_psnr(ways[0](photo[None]), ways[1](photo[None])) for photo in held_out]
    figures: dict[str, Any] = {
        "psnr": round(sum(near) / len(near), 2),
        "worst_psnr": round(min(near), 2),
        "style_error": round(errors[1] / errors[0], 4),
        "flicker": round(flicker, 4),
        "photos": len(held_out),
    }
    rewrite_card(source, target, replace(card, int8={**figures, **as_card(reduced)}))
    counts = {"convolutions": len(reduced.ranges), "of": len(ranges), "passed": passes(figures)}
    counts["bfloat16"] = bfloat16
    _report(options, {"style": card.name, "file": str(target), **figures, **counts})
    return 0


def _check(size: int, target: Path) -> None:
    """Refuse a size and a file that cannot work before minutes are spent."""
    from rtstyle.styles import SUFFIX

    if size < SMALLEST:
        raise RtstyleError(f"--size is {size}; allowed are whole numbers from {SMALLEST} up")
    if target.suffix != SUFFIX:
        raise RtstyleError(f"{target}: a style is a {SUFFIX} file; name it {target.stem}{SUFFIX}")
    if target.parent.exists() and not os.access(target.parent, os.W_OK):
        raise RtstyleError(f"{target}: nothing can be written there; name another file with --out")


def _restyle(engine: Engine) -> Restyle:
    """Float pictures (B, 3, H, W) through an engine of bytes."""
    import torch

    from rtstyle.frame import to_bytes, to_float

    return lambda images: torch.stack([to_float(engine(to_bytes(image))) for image in images])


def _psnr(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Peak signal to noise in dB; of equal pictures what half a step of 8 bits gives."""
    return float(-10 * (found - wanted).square().mean().clamp(min=(0.5 / 255) ** 2).log10())


def _report(options: argparse.Namespace, done: dict[str, Any]) -> None:
    from rtstyle.engines.reduced import LEAST_PSNR, MOST_FLICKER, MOST_STYLE_ERROR

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
    verdict = "runs so from now on" if done["passed"] else "is not as good so; it stays in float32"
    print(f"{done['style']} {verdict}: {done['file']}")
