"""Training photos: random crops of the pictures in a folder, and the painting."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
CLOSEST = 0.6  # smallest source square, in crops: enlarged photos stand for the smooth areas of video


def list_pictures(folder: Path) -> list[Path]:
    """The picture files in a folder and below, sorted. Raises RtstyleError when there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise RtstyleError(f"{folder}: no pictures there ({', '.join(sorted(EXTENSIONS))})")
    return found


def read_picture(path: Path, shorter_side: int | None = None) -> Tensor:
    """A picture as float32 (3, H, W) in [0, 1], resized to a shorter side in pixels if one is given.

    Raises RtstyleError when the file does not decode.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise RtstyleError(f"{path}: not a readable picture")
    if shorter_side is not None:
        scale = shorter_side / min(picture.shape[:2])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return torch.from_numpy(picture).permute(2, 0, 1).float().div_(255)


class Photos:
    """Batches of random square crops; ``photos[step]`` is the same in every run of one seed."""

    def __init__(
        self,
        folder: Path,
        *,
        crop: int,
        batch: int,
        seed: int,
        on_skip: Callable[[Path], None] = lambda path: None,
    ) -> None:
        """``crop``: pixels; ``on_skip`` hears of each file that does not decode, once."""
        self.paths = list_pictures(folder)
        self.crop, self.batch, self.seed, self.on_skip = crop, batch, seed, on_skip
        self._broken: set[Path] = set()
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def __getitem__(self, step: int) -> Tensor:
        """The batch of that step, float32 (batch, 3, crop, crop) in [0, 1]."""
        random = np.random.default_rng([self.seed, step])
        return torch.stack([self._crop(step * self.batch + place, random) for place in range(self.batch)])

    def _crop(self, place: int, random: np.random.Generator) -> Tensor:
        """A crop of the ``place``-th photo of the endless shuffled row, or of the next that decodes."""
        for offset in range(len(self.paths)):
            path = self._path(place + offset)
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            if picture is not None:
                break
            if path not in self._broken:
                self._broken.add(path)
                self.on_skip(path)
        else:
            raise RtstyleError(f"none of the {len(self.paths)} photos is readable")
        height, width = picture.shape[:2]
        longest = min(height, width)
        side = int(random.integers(min(round(CLOSEST * self.crop), longest), longest + 1))
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        square = picture[top : top + side, left : left + side]
        if random.random() < 0.5:
            square = square[:, ::-1]
        shape = (self.crop, self.crop)
        square = cv2.resize(
            square, shape, interpolation=cv2.INTER_AREA if side > self.crop else cv2.INTER_CUBIC
        )
        return torch.from_numpy(square.copy()).permute(2, 0, 1).float().div_(255)

    def _path(self, place: int) -> Path:
        epoch, index = divmod(place, len(self.paths))
        if self._epoch != epoch:
            order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.paths))
            self._epoch, self._order = epoch, order
        return self.paths[self._order[index]]
