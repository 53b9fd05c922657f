"""Frames that took minutes are kept until the video is complete: a run that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.output import discard, make_parent, writing
from rtstyle.media.picture import Picture
from rtstyle.stylizers.carried import Maker, Steady

_SETTINGS = "settings.json"


class Kept:
    """A `Maker` whose results are kept in a folder, and taken from there where they are.

    16-bit PNGs, numbered; the first run gives out what it kept, so that a later one is the same to the bit.

    Args:
        make: makes what is not there.
        folder: made when first used. `discard` removes it when all is done.
        settings: all that shapes the results, JSON-ready.

    Attributes:
        found: results that were there, so far.

    Raises RtstyleError when the folder is from a run with other settings, or holds none of ours.
    """

    def __init__(self, make: Maker, folder: Path, settings: Mapping[str, Any]) -> None:
        self._make, self._folder = make, folder
        self._settings = json.loads(json.dumps(settings))
        self._number = self.found = 0
        if folder.exists():
            self._check()

    def __call__(self, photo: Tensor, start: Tensor, steady: Steady | None) -> Tensor:
        path = self._folder / f"{self._number:06}.png"
        self._number += 1
        if path.exists():
            image = read_image(path).image
            if image.shape != photo.shape:
                raise RtstyleError(f"{path}: of another size than the frame; remove the folder to begin anew")
            self.found += 1
        else:
            image = to_bytes(self._make(photo, start, steady), torch.uint16)
            self._begin()
            write_image(path, Picture(image))
        return to_float(image).to(photo.device)

    def discard(self) -> None:
        """Remove what was kept."""
        discard(self._folder)

    def _begin(self) -> None:
        settings = self._folder / _SETTINGS
        if not settings.exists():
            make_parent(settings)
            with writing(settings):
                settings.write_text(json.dumps(self._settings, indent=1) + "\n")

    def _check(self) -> None:
        try:
            there = json.loads((self._folder / _SETTINGS).read_text())
        except (OSError, ValueError):
            raise RtstyleError(
                f"{self._folder}: is in the way: frames of this run would be kept there; remove or rename it"
            ) from None
        if there != self._settings:
            keys = sorted(there.keys() | self._settings.keys())
            other = next(key for key in keys if there.get(key) != self._settings.get(key))
            raise RtstyleError(
                f"{self._folder}: holds frames of a stopped run with {other} {there.get(other)}, not"
                f" {self._settings.get(other)}; use the same options to go on, or remove it to begin anew"
            )
