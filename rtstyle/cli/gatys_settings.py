"""The options of ``rtstyle gatys`` as `paint` takes them, and what of them makes two runs the same."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rtstyle.stylizers.gatys import Plan
from rtstyle.stylizers.gatys_layers import Measuring, load_measuring
from rtstyle.stylizers.gatys_regions import Style
from rtstyle.stylizers.gatys_state import digest


def load(options: argparse.Namespace, name: str, device: torch.device) -> Measuring:
    """The layers of one backbone, on the device."""
    files = dict(options.backbone_weights)
    layers = options.content_layers, options.style_layers
    return load_measuring(name, files, *layers, pooling=options.pooling, device=device)


def settings(options: argparse.Namespace, measuring: Measuring) -> dict[str, Any]:
    """The arguments of `paint` that are no pictures."""
    return {
        "content": {layer: options.content_weight * share for layer, share in measuring.content.items()},
        "style": {layer: options.style_weight * share for layer, share in measuring.style.items()},
        "variation": options.variation_weight,
        "statistic": options.style_loss,
        "style_scale": options.style_scale,
        "optimizer": options.optimizer,
        "seconds": options.seconds or math.inf,
        "tolerance": options.tolerance,
    }


def facts_of(
    options: argparse.Namespace,
    plan: Plan,
    styles: list[Style],
    measuring: Measuring,
    others: Sequence[Tensor | None],
) -> dict[str, str]:
    """What must be the same for a stopped run to go on, beside the photo; ``others``: masks, first image."""
    same = (
        "style_weight", "content_weight", "variation_weight", "style_weights", "style_scale", "style_loss",
        "colors", "steps", "optimizer", "init", "seed", "pooling",
    )  # fmt: skip
    facts = {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in same}
    facts["content layers"] = str(dict(measuring.content))
    facts["style layers"] = str(dict(measuring.style))
    facts["weights"] = digest(*measuring.backbone.state_dict().values())
    facts["scales"] = str(plan.sizes)
    facts["style"] = digest(*(painting for style in styles for painting in style.paintings))
    given = (*(style.mask for style in styles), *others)
    facts["masks or first image"] = digest(*(each for each in given if each is not None))
    return facts
