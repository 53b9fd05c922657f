"""Options that the commands share which optimise pixels, and the values they take."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rtstyle.cli.options import checked
from rtstyle.stylizers.defaults import BACKBONES

BACKBONE = "vgg19"  # that measures, unless told
_WEIGHTS = "weights files (fetched)"


def add_backbone_options(
    group: Any,
    default: str,
    *,
    weights: str = _WEIGHTS,
    either: Any = None,
) -> None:
    """``weights``: help of their option; ``either``: the group of --backbone where it excludes others."""
    (either or group).add_argument(
        "--backbone", choices=BACKBONES, default=default, metavar="NAME",
        help=f"{', '.join(BACKBONES)} ({default})",
    )  # fmt: skip
    group.add_argument(
        "--backbone-weights", type=named_file, nargs="+", action="extend", default=[], metavar="NAME=FILE",
        help=weights,
    )  # fmt: skip
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")


def add_measuring_options(group: Any) -> None:
    lacking = "style layers that vgg19's lacks are taken from small_vgg19's"
    add_backbone_options(group, BACKBONE, weights=f"{_WEIGHTS}; {lacking}")
    group.add_argument(
        "--pooling", choices=("max", "average"), default="max",
        help="of the VGGs: as they were trained, or with a little less grain (max)",
    )  # fmt: skip


def check_weights(options: argparse.Namespace, names: list[str], layers: Iterable[str]) -> None:
    """Refuse, before any work, weights that are not there, and weights that nothing would read.

    ``names``: the backbones asked for; ``layers``: those asked for, of these or of others by their full name.
    """
    from rtstyle.perception.backbones import check_files
    from rtstyle.stylizers.gatys_layers import UNDERSTUDIES, full_name

    others = [full_name(names[0], layer).partition(".")[0] for layer in layers]
    spare = [UNDERSTUDIES[name] for name in names if name in UNDERSTUDIES]
    choose = "--compare" if len(names) > 1 else "--backbone"
    check_files(dict(options.backbone_weights), list(dict.fromkeys([*names, *others])), choose, spare=spare)


def positive(text: str) -> float:
    return checked(text, float, "a number from 0 up", lambda value: 0 <= value < math.inf)


def add_number(
    group: Any, flag: str, default: float, meaning: str, kind: Callable[[str], float] = positive
) -> None:
    group.add_argument(flag, type=kind, default=default, metavar="N", help=f"{meaning} ({default:g})")


def above_zero(text: str) -> float:
    return checked(text, float, "a number above 0", lambda value: 0 < value < math.inf)


def finite(text: str) -> float:
    return checked(text, float, "a number", math.isfinite)


def whole(text: str) -> int:
    return checked(text, int, "a whole number from 1 up", lambda value: value >= 1)


def numbers(text: str) -> list[float]:
    values = [positive(part) for part in text.split(",")]
    if not sum(values):
        raise argparse.ArgumentTypeError(f"{text!r}: one weight at least is above 0")
    return values


def sides(text: str) -> list[int]:
    sides = [
        checked(part, int, "a longer side in pixels", lambda value: value >= 0) for part in text.split(",")
    ]
    return [side for side in sides if side]


def layer_weights(text: str) -> dict[str, float]:
    """{"relu4_1": 0.5} from "relu4_1=0.5"; the weight is 1 where none is given."""
    if ":" in text:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a layer's weight comes after '=', as in {text.replace(':', '=')}"
        )
    pairs = (part.partition("=") for part in text.split(","))
    return {layer.strip(): positive(weight) if equals else 1.0 for layer, equals, weight in pairs}


def backbone_names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in BACKBONES:
            raise argparse.ArgumentTypeError(f"no backbone named {name!r}; there are: {', '.join(BACKBONES)}")
    return names


def named_file(text: str) -> tuple[str, Path]:
    """("vgg19", Path("weights.safetensors")) from "vgg19=weights.safetensors"."""
    name, equals, file = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} names no backbone; it is NAME=FILE, as vgg19=weights.pth")
    return backbone_names(name)[0], Path(file)
