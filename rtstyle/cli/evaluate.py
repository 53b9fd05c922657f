"""``rtstyle evaluate STYLE``: how near a style is to its painting, and how steady in video."""

from __future__ import annotations

import argparse
import sys
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.options import print_json, share, vgg19_file
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from rtstyle.networks import Network
    from rtstyle.style_file import Style
    from rtstyle.training.steadiness import Restyle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("style", help="name or file of the style to measure")
    parser.add_argument("--painting", type=Path, required=True, help="the picture it was trained on")
    parser.add_argument(
        "--photos", type=Path, required=True,
        help="folder of photos it was not trained on; of more than 100, some from all over it",
    )  # fmt: skip
    parser.add_argument("--size", type=int, default=480, help="shorter side of the photos in pixels (480)")
    parser.add_argument(
        "--clip", type=Path, action="append", default=[], help="a video to measure on, its first 80 frames"
    )
    parser.add_argument(
        "--flow", type=Path, action="append", default=[],
        help="a folder with two frames and their true flow (MPI-Sintel's or Middlebury's layout)",
    )  # fmt: skip
    parser.add_argument(
        "--beside", action="append", default=[], metavar="STYLE",
        help="another style of the same painting, say one trained without the temporal loss",
    )  # fmt: skip
    parser.add_argument(
        "--canvas", type=share, default=0.0, metavar="0..1", help="measure each on such a canvas as well (0)"
    )
    parser.add_argument(
        "--gatys", type=int, default=0, metavar="N",
        help="optimise the pixels of N photos at the style's own weights, to set beside it (0; minutes each)",
    )  # fmt: skip
    parser.add_argument(
        "--backbone-weights", type=vgg19_file, metavar="[vgg19=]FILE", help="VGG19's weights (fetched)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--json", action="store_true", help="print one object in place of the table")


def run(options: argparse.Namespace) -> int:
    import torch

    from rtstyle.engines import pick_device
    from rtstyle.perception.backbones import load_backbone
    from rtstyle.styles import load_style
    from rtstyle.training.data import list_pictures, read_picture
    from rtstyle.training.evaluate import (
        LAYERS,
        MOST_PHOTOS,
        free_name,
        gatys_optimum,
        load_scenes,
        nearness,
        steadiness,
    )

    device = pick_device(options.device)
    loaded = [(name, *load_style(name)) for name in (options.style, *options.beside)]
    card = loaded[0][1]
    if options.gatys < 0:
        raise RtstyleError(f"--gatys is {options.gatys}; allowed are whole numbers from 0 up")
    if options.size < 32:
        raise RtstyleError(f"--size is {options.size}; allowed are whole numbers from 32 up")
    weights = _own_weights(card) if options.gatys else {}
    size = card.recipe.get("style_size", options.size)
    paths = list_pictures(options.photos)
    scenes = load_scenes(options.flow, options.clip)
    backbone = load_backbone("vgg19", LAYERS, options.backbone_weights).to(device)
    painting = read_picture(options.painting, size).to(device)
    photos = []
    for path in paths[:: ceil(len(paths) / MOST_PHOTOS)]:
        try:
            photos.append(read_picture(path, options.size))
        except RtstyleError as error:
            print(f"rtstyle: left out: {error}", file=sys.stderr)
    if not photos:
        raise RtstyleError(f"{options.photos}: none of the photos there can be read")

    # Photos stay on the CPU and go to the device one at a time.
    def on_device(images: list[torch.Tensor]) -> Any:
        return (image.to(device) for image in images)

    near: dict[str, dict[str, float]] = {}
    steady: dict[str, dict[str, dict[str, float]]] = {}
    near["the photo itself"] = nearness(lambda image: image, on_device(photos), painting, backbone)
    for name, style, network in loaded:
        label = free_name(f"{style.name} ({name})" if style.name in near else style.name, near)
        for canvas in dict.fromkeys((0.0, options.canvas)):
            row = f"{label}, canvas {canvas:g}" if canvas else label
            restyle = _restyle(network, device, canvas)
            near[row] = nearness(restyle, on_device(photos), painting, backbone)
            steady[row] = steadiness(lambda image, r=restyle: r(image.to(device)).cpu(), photos, scenes)
    if options.gatys:
        few = photos[: options.gatys]
        some = "1 photo" if len(few) == 1 else f"{len(few)} photos"
        own = _restyle(loaded[0][2], device, 0.0)
        near[f"{card.name}, {some}"] = nearness(own, on_device(few), painting, backbone)
        shares = ":".join(f"{weight:g}" for weight in weights.values())
        near[f"Gatys at {shares}, {some}"] = gatys_optimum(on_device(few), painting, backbone, **weights)
    if options.json:
        print_json(
            {
                "style": card.name, "photos": len(photos), "size": options.size, "style_size": size,
                "nearness": near, "steadiness": steady,
            }
        )  # fmt: skip
    else:
        _print(card, len(photos), options.size, size, near, steady)
    return 0


def _own_weights(card: Style) -> dict[str, float]:
    """What a style was trained at, over all of its layers, as `gatys_optimum` takes it; of a fast one its
    teacher's. Raises RtstyleError for a style that says nothing of it."""
    from rtstyle.styles import load_style

    recipe = card.recipe
    if "style_weight" not in recipe and "teacher" in recipe:
        recipe = load_style(recipe["teacher"])[0].recipe
    kinds = ("style", "content")
    try:
        return {
            f"{kind}_weight": round(recipe[f"{kind}_weight"] * sum(recipe[f"{kind}_layers"].values()), 3)
            for kind in kinds
        }
    except KeyError:
        raise RtstyleError(
            f"--gatys takes a style's own weights, and the card of '{card.name}' has none"
        ) from None


def _restyle(network: Network, device: Any, canvas: float) -> Restyle:
    import torch

    from rtstyle.stylizers.canvas import on_float_canvas

    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return lambda image: network(on_float_canvas(image, canvas)).clamp(0, 1)


def _print(
    card: Style,
    photos: int,
    size: int,
    style_size: int,
    near: dict[str, dict[str, float]],
    steady: dict[str, dict[str, dict[str, float]]],
) -> None:
    print(f"{card.name}: {card.title}")
    print(f"{photos} photos of {size} pixels, painting of {style_size} (shorter sides)\n")
    heads = f"{'style':>8} {'content':>8} {'grid, of 255':>13} {'frame':>6} {'edge contrast':>14}"
    print(f"{'relative error to':32} {heads}")
    for name, row in near.items():
        errors = f"{row['style_error']:8.4f} {row['content_error']:8.4f} {row['grid']:13.2f}"
        # Optimised pixels are no network's, and have no edges.
        edges = f"{row['frame']:6.2f} {row['edge contrast']:14.2f}" if "frame" in row else ""
        print(f"  {name:30} {errors} {edges}".rstrip())
    names = list(steady)
    print(f"\n{'over time (lower is steadier)':32} {'input':>8} " + " ".join(f"{n[-26:]:>26}" for n in names))
    for figure, row in steady[names[0]].items():
        others = " ".join(f"{steady[name][figure]['styled']:26.4f}" for name in names)
        print(f"  {figure:30} {row['input']:8.4f} {others}")
