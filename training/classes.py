"""Pictures of several classes: a folder with one sub-folder each, split into training and validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.training.data import list_pictures, read_picture

LEAST = 5  # pictures of a class
VALIDATION = 0.2  # share of each class
_ROOM = 1.15  # shorter side kept, over a crop's: what crops choose from
_SMALLEST = 0.6  # side of a random crop's square, over the shorter side


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """All pictures of all classes, in memory (some 150 kB each for crops of 192 pixels)."""

    names: tuple[str, ...]
    pictures: tuple[Tensor, ...]  # uint8 (3, h, w), each of its own size
    labels: tuple[int, ...]
    skipped: tuple[str, ...]  # why files were left out, a line each


def read_classes(folder: Path, crop: int) -> Classes:
    """The pictures of a folder, its sub-folders being the classes, shrunk for crops of that many pixels.

    Raises RtstyleError for fewer than two classes, and for one with too few pictures that can be read.
    """
    if not folder.is_dir():
        raise RtstyleError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    parts = sorted(part for part in folder.iterdir() if part.is_dir() and not part.name.startswith("."))
    if len(parts) < 2:
        found = f"one sub-folder only, '{parts[0].name}'" if parts else "no sub-folders"
        raise RtstyleError(f"{folder}: holds {found}; give one for each class, two at least")
    pictures: list[Tensor] = []
    labels: list[int] = []
    skipped: list[str] = []
    for label, part in enumerate(parts):
        for path in list_pictures(part):
            try:
                pictures.append(to_bytes(read_picture(path, round(_ROOM * crop))))
                labels.append(label)
            except RtstyleError as error:
                skipped.append(str(error))
        if labels.count(label) < LEAST:
            raise RtstyleError(
                f"{part}: {labels.count(label)} pictures that can be read; {LEAST} of each class are the "
                "least, and some tens are needed to learn much"
            )
    return Classes(tuple(part.name for part in parts), tuple(pictures), tuple(labels), tuple(skipped))


def split(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    """Places of the pictures for training and for validation: the same share of each class."""
    random = torch.Generator().manual_seed(seed)
    training: list[int] = []
    validation: list[int] = []
    for label in sorted(set(labels)):
        own = [place for place, each in enumerate(labels) if each == label]
        order = torch.randperm(len(own), generator=random).tolist()
        count = max(1, round(VALIDATION * len(own)))
        validation += [own[place] for place in order[:count]]
        training += [own[place] for place in order[count:]]
    return training, validation


def random_crop(picture: Tensor, side: int, random: torch.Generator) -> Tensor:
    """A random square of a uint8 picture, half of them mirrored, as float32 (3, side, side) in [0, 1]."""
    height, width = picture.shape[1:]
    share = _SMALLEST + (1 - _SMALLEST) * float(torch.rand((), generator=random))
    square = round(share * min(height, width))
    top, left = (
        int(torch.randint(0, longest - square + 1, (), generator=random)) for longest in (height, width)
    )
    part = _sized(picture[:, top : top + square, left : left + square], side)
    return part.flip(2) if torch.rand((), generator=random) < 0.5 else part


def middle_crop(picture: Tensor, side: int) -> Tensor:
    """The square in the middle of a uint8 picture, as float32 (3, side, side) in [0, 1]."""
    height, width = picture.shape[1:]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return _sized(picture[:, top : top + square, left : left + square], side)


def _sized(square: Tensor, side: int) -> Tensor:
    return F.interpolate(to_float(square)[None], (side, side), mode="bilinear", antialias=True)[0]
