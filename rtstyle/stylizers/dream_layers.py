"""Which layers dream, from which weights; what was taken in place of what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import DEFAULTS, Backbone, layers_of, load_backbone
from rtstyle.stylizers.activations import Target
from rtstyle.stylizers.gatys_layers import reach

_TARGET = re.compile(r"(?P<layer>[^:=]+)(:(?P<channel>\d+))?(=(?P<weight>\d+\.?\d*|\.\d+))?")


def parse_targets(text: str) -> tuple[Target, ...]:
    """Targets from ``LAYER[:CHANNEL][=WEIGHT],...``, as ``Mixed_5d,Mixed_6b:17=0.5``.

    Raises RtstyleError for anything else, and for a weight of 0.
    """
    targets = []
    for part in text.split(","):
        found = _TARGET.fullmatch(part.strip())
        if found is None or not float(found["weight"] or 1):
            raise RtstyleError(
                f"layers '{text}': '{part.strip()}' is not LAYER, LAYER:CHANNEL or LAYER=WEIGHT (a channel is"
                " a whole number from 0, a weight is above 0), as in relu4_3,relu5_1:17=0.5"
            )
        channel = found["channel"]
        weight = float(found["weight"] or 1)
        targets.append(Target(found["layer"], None if channel is None else int(channel), weight))
    return tuple(targets)


def load_dreaming(
    name: str,
    file: Path | None = None,
    targets: Sequence[Target] | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Backbone, tuple[Target, ...], list[str]]:
    """The backbone ``name`` with the layers that dream, the targets, and notes of what stands in for what.

    Without targets, the backbone's defaults for dreams as far as the file goes, else the deepest layer it
    holds. Raises RtstyleError for a layer asked for that is unknown or beyond the file, and for what
    `load_backbone` refuses.
    """
    layers_of(name)
    if file is not None and not file.is_file():
        raise RtstyleError(f"{name}: no weights file at '{file}'")
    notes: list[str] = []
    if targets is None:
        wanted = DEFAULTS[name].dream
        layers, notes = _held(name, file, wanted)
        targets = [Target(layer) for layer in layers]
    backbone = load_backbone(name, dict.fromkeys(target.layer for target in targets), file)
    # Channels last is 5 to 20 % faster on processors.
    backbone.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return backbone, tuple(targets), notes


def _held(name: str, file: Path | None, wanted: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Those of the layers that the file holds, else the deepest it does; and a note where any is missing."""
    if file is None:
        return wanted, []
    try:
        load_backbone(name, wanted, file)
        return wanted, []
    except RtstyleError:
        held = reach(name, file)
    taken = tuple(layer for layer in wanted if layer in held) or (held[-1],)
    lacking = [layer for layer in wanted if layer not in held]
    return taken, [f"{', '.join(taken)} for {', '.join(lacking)}; the weights of {name} end with {held[-1]}"]
