"""What ``rtstyle dream`` dreams on and with: photo or noise, mask, guide, backbone; read and checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.address import why_missing
from rtstyle.media.encoders import is_video_name
from rtstyle.media.image_file import read_image
from rtstyle.media.image_formats import is_picture, is_readable_name
from rtstyle.media.picture import Picture
from rtstyle.perception.colors import with_colors_of
from rtstyle.perception.masks import find_regions
from rtstyle.stylizers.activations import Activations
from rtstyle.stylizers.deepdream import DeepDream
from rtstyle.stylizers.defaults import DREAM_SIZE, MOVING_DREAM_SIZE
from rtstyle.stylizers.dream_layers import load_dreaming, parse_targets
from rtstyle.stylizers.dream_memory import check_memory
from rtstyle.stylizers.gatys import fit as fit_size
from rtstyle.stylizers.octaves import Size, resized

NOISE = "noise"
_GUIDE = 256  # pixels of a guide's longer side: about what the networks were trained on
_GRAIN = 0.1  # deviation of noise, around gray
_MISSHAPEN = 1.05  # most by which a panorama is wider or narrower than it should be


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a dream of a picture begins with."""

    picture: Picture  # as read
    photo: Tensor  # (3, H, W) in [0, 1]
    mask: Tensor | None  # (1, H, W), 1 where it dreams


def is_still(name: str, to_picture: bool) -> bool:
    """Whether the input is a picture or noise; a GIF is one where the output is a picture.

    Raises RtstyleError where there is no such file.
    """
    if name == NOISE:
        return True
    if not Path(name).is_file():
        kind = "a folder" if Path(name).is_dir() else why_missing(Path(name))
        raise RtstyleError(f"{name}: {kind}; the input is a picture, a video, or '{NOISE}'")
    return is_readable_name(name) or ((to_picture or not is_video_name(Path(name))) and is_picture(name))


def read_inputs(
    options: argparse.Namespace, device: torch.device, longest: int = DREAM_SIZE, alone: bool = True
) -> Inputs:
    """The photo at the size asked for, or at most ``longest`` pixels a side; raises RtstyleError.

    ``alone``: the result is a file like the photo's, with its colour profile and transparency. What goes into
    a sheet or a video has none: the photo is taken as a viewer shows it.
    """
    if options.input == NOISE:
        side = options.size or MOVING_DREAM_SIZE
        random = torch.Generator().manual_seed(options.seed)
        photo = (0.5 + _GRAIN * torch.randn((3, side, side), generator=random)).clamp(0, 1)
        picture = Picture(to_bytes(photo))
    else:
        picture = read_image(options.input) if alone else read_image(options.input).as_seen()
        photo = to_float(picture.image)
        if options.panorama:
            _check_panorama(photo, options.input)
        photo = resized(photo, fit(photo, options.size, longest), options.panorama).clamp(0, 1)
    size = size_of(photo)
    mask = None if options.mask is None else read_mask(options.mask, size).to(device)
    return Inputs(picture, photo.to(device), mask)


def _check_panorama(photo: Tensor, name: str) -> None:
    height, width = size_of(photo)
    if not 1 / _MISSHAPEN <= width / (2 * height) <= _MISSHAPEN:
        raise RtstyleError(
            f"{name} is {width}x{height}; a panorama all around (360 by 180 degrees) is twice as wide as high"
        )


def read_mask(file: Path, size: Size) -> Tensor:
    """(1, H, W): 0 where its darkest flat colour is."""
    image = to_bytes(to_float(read_image(file).as_seen().image))
    return 1 - find_regions(image, size, name=str(file))[0]


def fit(photo: Tensor, asked: int | None, longest: int) -> Size:
    """The size (H, W) with ``asked`` pixels on the longer side, or with ``longest`` at most."""
    size = size_of(photo)
    return fit_size(size, asked or min(longest, max(size)))


def size_of(image: Tensor) -> Size:
    """Height and width of (C, H, W)."""
    return image.shape[1], image.shape[2]


def load_activations(
    options: argparse.Namespace, device: torch.device, size: Size, layers: str | None
) -> tuple[Activations, list[str]]:
    """What is to rise: ``layers``, as ``--layers`` takes them, or the backbone's defaults; and notes.

    Raises RtstyleError also where memory will not do for a dream of ``size``.
    """
    backbone, targets, notes = load_dreaming(
        options.backbone,
        dict(options.backbone_weights).get(options.backbone),
        parse_targets(layers) if layers else None,
        device,
    )
    check_memory(backbone, size, options.tile, device)
    guide = None
    if options.guide is not None:
        guide = to_float(read_image(options.guide).as_seen().image)
        guide = resized(guide, fit(guide, _GUIDE, _GUIDE)).clamp(0, 1).to(device)
    return Activations(backbone, targets, guide, options.tile), notes


def make_dream(options: argparse.Namespace, activations: Activations, **others: Any) -> DeepDream:
    """The method as the options have it; ``others``: its steps, octaves and rate, in place of theirs."""
    settings = {"steps": options.steps, "octaves": options.octaves, "rate": options.rate}
    return DeepDream(
        activations, ratio=options.octave_ratio, panorama=options.panorama, **(settings | others)
    )


def shown(options: argparse.Namespace, photo: Tensor, result: Tensor) -> Tensor:
    """The result (3, H, W) with the colours and the strength asked for."""
    if options.colors == "photo":
        result = with_colors_of(result, photo)
    return torch.lerp(photo, result, options.strength)


def finished(options: argparse.Namespace, inputs: Inputs, result: Tensor) -> Picture:
    """The result with the colours and the strength asked for, and what the photo's file carried."""
    result = shown(options, inputs.photo.cpu(), result.cpu())
    picture = inputs.picture.with_image(to_bytes(result, inputs.picture.image.dtype))
    return replace(picture, sphere=picture.sphere or {}) if options.panorama else picture
