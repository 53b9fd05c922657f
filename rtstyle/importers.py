"""Checkpoints of other projects as styles of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from rtstyle.errors import RtstyleError, why_unread
from rtstyle.networks import Network, build
from rtstyle.style_file import SUFFIX, Style, check_finite, check_name, check_tensors

# Statistics that older versions of InstanceNorm stored and never used.
_UNUSED = re.compile(r"in\d+\.(running_mean|running_var|num_batches_tracked)$")


def import_checkpoint(path: str | os.PathLike[str], name: str | None = None) -> tuple[Style, Network]:
    """A checkpoint of the pytorch/examples fast-neural-style family as a style of network `johnson`.

    Reads .pth and .model (zip and older pickles, weights only: no code runs) and .safetensors.
    The family maps pictures of 0-255 to 0-255, ours [0, 1] to [0, 1]; both scales are folded into
    the first and the last convolution, so the picture stays the same.
    Raises RtstyleError for any other layout.
    """
    path = Path(path)
    name = name or re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    check_name(name)
    weights = _read_checkpoint(path)
    shapes = {key: tuple(value.shape) for key, value in weights.items()}
    with torch.device("meta"):
        network = build("johnson", {})
    refusal = f"'{path}' is no checkpoint of the pytorch/examples fast-neural-style family"
    check_tensors(network, shapes, refusal)
    check_finite(weights, path)
    weights["conv1.conv2d.weight"] = weights["conv1.conv2d.weight"] * 255
    for last in ("deconv3.conv2d.weight", "deconv3.conv2d.bias"):
        weights[last] = weights[last] / 255
    network.load_state_dict(weights, assign=True)
    style = Style(
        name=name,
        title=name.replace("_", " ").capitalize(),
        network=network.name,
        config=dict(network.config),
        family=f"{name}-{sha256(path.read_bytes()).hexdigest()[:8]}",
        licence="unknown: ask the checkpoint's author",
        sources=(f"imported from {path.name} (pytorch/examples fast-neural-style family)",),
    )
    return style, network.eval()


def _read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a peer's file in float32, under the family's plain names."""
    if not path.is_file():
        raise RtstyleError(f"no checkpoint at '{path}'")
    try:
        if path.suffix == SUFFIX:
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises half a dozen unrelated types on damaged files
        raise RtstyleError(f"'{path}' cannot be read as weights: {why_unread(error)}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise RtstyleError(f"'{path}' holds no plain table of weights; save the network's state_dict")
    plain = {_plain_name(key): value.float() for key, value in content.items()}
    return {key: value for key, value in plain.items() if not _UNUSED.search(key)}


def _plain_name(key: str) -> str:
    """Without the prefix of data-parallel training, and norms as PyTorch names them since 2017."""
    key = key.removeprefix("module.")
    return re.sub(r"(in\d+)\.shift$", r"\1.bias", re.sub(r"(in\d+)\.scale$", r"\1.weight", key))
