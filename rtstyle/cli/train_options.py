"""What can be told `rtstyle train`: its flags, and the settings they make, over those of a recipe file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rtstyle.cli.gatys_options import whole
from rtstyle.cli.options import add_report_options

# Flags that set a number of the recipe, and what they are.
_NUMBERS = {
    "style_weight": "how much the painting counts",
    "content_weight": "how much the photo counts",
    "temporal_weight": "how much steadiness in video counts",
    "style_size": "shorter side of the painting in pixels; smaller gives finer strokes",
    "steps": "of training; 750 on a processor without bfloat16, 6000 with --full",
    "batch": "photos a step, over all processes; a quarter in the last steps",
    "crop": "side of a photo's crop in pixels; twice that in the last steps",
    "seed": "of all that is random",
}
_BACKBONES = ("vgg19", "vgg16", "small_vgg19")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rtstyle.training.recipe import Recipe

    parser.add_argument(
        "picture", type=Path, metavar="PICTURE|RECIPE.toml", help="the style picture, or a run as a TOML file"
    )
    parser.add_argument("--content", type=Path, metavar="DIR", help="folder of training photos")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="folder of clips to be steady on as well")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="style file to write (the picture's name.safetensors)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing style, preview and plot"
    )
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    group = parser.add_argument_group("where it begins")
    begin = group.add_mutually_exclusive_group()
    begin.add_argument(
        "--start", metavar="NAME|FILE", help="style to go on from (the mean of the shipped ones)"
    )
    begin.add_argument("--full", action="store_true", help="from random weights: much longer")
    group.add_argument("--network", help="johnson or swift (the start's)")
    group = parser.add_argument_group("recipe", "the rest of it can be set in a recipe file")
    defaults = Recipe()
    for name, meaning in _NUMBERS.items():
        value = getattr(defaults, name)
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, type=type(value), metavar="N", help=f"{meaning} ({value:g})")
    group.add_argument("--loss-network", choices=("vgg19", "vgg16"), help="what measures style (vgg19)")
    group.add_argument(
        "--backbone-weights", type=_named_file, nargs="+", action="extend", default=[], metavar="NAME=FILE",
        help="weights of vgg19, vgg16 and small_vgg19 (fetched; with a file of vgg19's alone, or"
        " --loss-network, that network does small_vgg19's part, which takes longer)",
    )  # fmt: skip
    group = parser.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument("--threads", type=whole, metavar="N", help="processor threads (all cores)")
    add_report_options(parser)
    parser.add_argument("--preview", type=Path, metavar="FILE", help="sheet of pictures (OUT.preview.png)")
    parser.add_argument(
        "--preview-photo", type=Path, action="append", default=[], metavar="FILE",
        help="what to show there, say a face; twice for two (a training photo and a drawn face)",
    )  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="curves of the terms (OUT.plot.png)")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard's files there")


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Those of the recipe file, where one is given, and over them those of the flags."""
    from rtstyle.training.recipe_file import read_recipe_file

    is_recipe = options.picture.suffix.lower() == ".toml"
    settings: dict[str, Any] = (
        read_recipe_file(options.picture) if is_recipe else {"picture": options.picture}
    )
    for name in ("content", "clips", "start", "network", "loss_network", *_NUMBERS):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    if options.full:
        settings |= {"full": True, "start": ""}
    elif options.start:
        settings["full"] = False
    weights: dict[str, str] = settings.get("backbone_weights", {})
    if options.loss_network:  # those of the network it takes the place of have no use
        weights = {
            name: file for name, file in weights.items() if name in (options.loss_network, "small_vgg19")
        }
    settings["backbone_weights"] = weights | dict(options.backbone_weights)
    return settings


def _named_file(text: str) -> tuple[str, str]:
    """("vgg19", "weights.safetensors") from "vgg19=weights.safetensors"."""
    name, equals, file = text.partition("=")
    if not equals or name not in _BACKBONES:
        allowed = ", ".join(f"{name}=FILE" for name in _BACKBONES)
        raise argparse.ArgumentTypeError(f"{text!r} names no loss network; allowed are {allowed}")
    return name, file
