"""``python -m rtstyle.training PICTURE --content DIR --out STYLE.safetensors``: train a painting's style."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch

from rtstyle.errors import RtstyleError
from rtstyle.styles import Style, load_style, save_style
from rtstyle.training.data import Photos, read_picture
from rtstyle.training.objective import load_backbones
from rtstyle.training.recipe import Recipe
from rtstyle.training.train import Step, train


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rtstyle.training", description=__doc__)
    parser.add_argument("picture", type=Path, help="the painting")
    parser.add_argument("--content", type=Path, required=True, help="folder of training photos")
    parser.add_argument("--out", type=Path, required=True, help="style file to write (.safetensors)")
    parser.add_argument("--title", default="", help="artwork, artist and year, for the card")
    parser.add_argument("--licence", default="", help="of the weights, for the card")
    parser.add_argument("--source", action="append", default=[], help="of picture or photos, for the card")
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument("--start", help="style (name or file) to go on from, of the same network")
    parser.add_argument(
        "--backbone-weights", action="append", default=[], type=_named_file, metavar="BACKBONE=FILE",
        help="a loss network: vgg19=... (else fetched), small_vgg19=... (else vgg19 does its part)",
    )  # fmt: skip
    parser.add_argument("--loss-network", default="", help="its name and licence, for the card")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="processor threads")
    for item in dataclasses.fields(Recipe):
        name = "--" + item.name.replace("_", "-")
        if item.default is dataclasses.MISSING:
            parser.add_argument(name, type=json.loads, metavar="JSON", help="default: see the recipe")
        elif isinstance(item.default, bool):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=item.default)
        else:
            parser.add_argument(
                name, type=type(item.default), default=item.default, help="default: %(default)s"
            )
    return parser


def _named_file(text: str) -> tuple[str, str]:
    """("vgg19", "weights.safetensors") from "vgg19=weights.safetensors"."""
    name, equals, file = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(
            f"{text!r} names no backbone; say vgg19={text} or small_vgg19={text}"
        )
    return name, file


def _origin(start: str, card: Style) -> str | dict[str, Any]:
    """What the card says of where a run went on from: a style's name, or an unnamed file's own recipe."""
    return card.recipe if start.endswith(".safetensors") else card.name


def _say(step: Step) -> None:
    if step.number % 50 and step.number != step.of and not step.skipped:
        return
    groups = {"content": 0.0, "style": 0.0, "variation": 0.0, "temporal": 0.0}
    for name, value in step.terms.items():
        groups[name.split()[0]] += value
    shown = "  ".join(f"{name} {value:.4f}" for name, value in groups.items())
    note = "  not finite, skipped" if step.skipped else ""
    print(f"{step.number}/{step.of}  {shown}  {step.seconds:.2f} s{note}", flush=True)


def main() -> None:
    given = vars(_parser().parse_args())
    names = [item.name for item in dataclasses.fields(Recipe)]
    recipe = Recipe(**{name: given[name] for name in names if given[name] is not None})
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    files = dict(given["backbone_weights"])
    if "small_vgg19" not in files:
        recipe = recipe.exact()
    photos = Photos(
        given["content"],
        crop=recipe.crop,
        batch=recipe.batch,
        seed=recipe.seed,
        on_skip=lambda path: print(f"{path}: not readable, left out", file=sys.stderr),
    )
    out: Path = given["out"]
    painting = read_picture(given["picture"], recipe.style_size)
    begun = load_style(given["start"]) if given["start"] else None
    network = train(
        recipe,
        photos,
        painting,
        load_backbones(list(dict.fromkeys([*recipe.style_layers, *recipe.content_layers])), files),
        load_backbones(list(recipe.content_layers), files),
        start=begun[1] if begun else None,
        checkpoint=out.with_suffix(".checkpoint"),
        device=given["device"],
        listener=_say,
    )
    card = Style(
        name=out.stem,
        title=given["title"],
        recipe=dataclasses.asdict(recipe) | ({"start": _origin(given["start"], begun[0])} if begun else {}),
        licence=given["licence"],
        sources=tuple(given["source"]),
        loss_network=given["loss_network"],
    )
    save_style(out, network, card, half=given["half"])


if __name__ == "__main__":
    try:
        main()
    except RtstyleError as error:
        sys.exit(f"error: {error}")
