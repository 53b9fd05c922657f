"""Training photos: random crops of the pictures in a folder, and the painting."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import read_image
from rtstyle.media.image_formats import READABLE, find_images

CLOSEST = 0.6  # smallest source square, in crops: enlarged photos stand for the smooth areas of video
NARROWEST = 16  # longer side of a painting over its shorter: by VGG19 at 600 pixels that is 4 GB
FEW = 100  # photos, below which a style learns these alone
SMALLEST = 32  # pixels; a photo with a shorter side is an icon, not a scene


def check_folder(folder: Path) -> None:
    """Raise RtstyleError for what is no folder."""
    if not folder.is_dir():
        raise RtstyleError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")


def list_pictures(folder: Path) -> list[Path]:
    """The picture files in a folder and below, sorted. Raises RtstyleError when there is none."""
    check_folder(folder)
    found = find_images(folder)
    if not found:
        raise RtstyleError(f"{folder}: no pictures there ({', '.join(sorted(READABLE))})")
    return found


def read_picture(path: Path, shorter_side: int | None = None) -> Tensor:
    """A picture as float32 (3, H, W) in [0, 1], resized to a shorter side in pixels if one is given.

    What is transparent is white. Raises RtstyleError when the file does not decode.
    """
    picture = to_float(read_image(path).as_seen().image)
    return picture if shorter_side is None else _resized(picture, shorter_side)


def _resized(picture: Tensor, shorter_side: int) -> Tensor:
    scale = shorter_side / min(picture.shape[1:])
    size = (round(picture.shape[2] * scale), round(picture.shape[1] * scale))
    rows = picture.permute(1, 2, 0).numpy()
    rows = cv2.resize(rows, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return torch.from_numpy(rows).permute(2, 0, 1).contiguous().clamp_(0, 1)


def read_painting(path: Path, shorter_side: int) -> Tensor:
    """The picture a style is learned from, as `read_picture`.

    Raises RtstyleError for one that is too small, too narrow or of one colour alone, too.
    """
    picture = read_picture(path)
    height, width = picture.shape[1:]
    if min(height, width) < SMALLEST:
        raise RtstyleError(f"{path}: is {width}x{height} pixels; a style needs {SMALLEST} or more a side")
    if max(height, width) > NARROWEST * min(height, width):
        raise RtstyleError(
            f"{path}: is {width}x{height} pixels, over {NARROWEST} times as long as wide; cut a part out"
        )
    painting = _resized(picture, shorter_side)
    if float(painting.std(dim=(1, 2)).max()) < 1 / 255:
        raise RtstyleError(f"{path}: is of one colour; there is no style to learn")
    return painting


class Photos:
    """An endless shuffled row of random square crops.

    ``photos.crop_at(place)`` depends on the seed and the place alone, so threads and processes may take
    places in any order. ``photos[step]`` is a whole batch.
    """

    def __init__(
        self, folder: Path, *, crop: int, batch: int, seed: int, without: Iterable[Path] = ()
    ) -> None:
        """``crop``: pixels; ``without``: pictures to pass over where they lie in the folder, as a run's own
        preview. Raises RtstyleError for a folder with fewer pictures than a batch."""
        others = {path.resolve() for path in without}
        self.paths = [path for path in list_pictures(folder) if path.resolve() not in others]
        if len(self.paths) < batch:
            raise RtstyleError(
                f"{folder}: holds {len(self.paths)} pictures, fewer than the {batch} of a batch; "
                "some hundreds are needed for a good style"
            )
        self.crop, self.batch, self.seed = crop, batch, seed
        self.skipped: dict[Path, str] = {}  # photos met so far that cannot be used, and why
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))  # epoch, its shuffling

    def __getitem__(self, step: int) -> Tensor:
        """The batch of that step, float32 (batch, 3, crop, crop) in [0, 1]."""
        places = range(step * self.batch, (step + 1) * self.batch)
        return torch.stack([self.crop_at(place) for place in places])

    def crop_at(self, place: int, crop: int | None = None) -> Tensor:
        """A crop (3, crop, crop) of the ``place``-th photo of the row, or of the next that can be used.

        ``crop``: another side than usual. Raises RtstyleError when no photo can be used.
        """
        crop = crop or self.crop
        picture = self.photo_at(place)
        random = np.random.default_rng([self.seed, place, 0])
        height, width = picture.shape[:2]
        longest = min(height, width)
        side = int(random.integers(min(round(CLOSEST * crop), longest), longest + 1))
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        square = picture[top : top + side, left : left + side]
        if random.random() < 0.5:
            square = square[:, ::-1]
        how = cv2.INTER_AREA if side > crop else cv2.INTER_CUBIC
        square = cv2.resize(square, (crop, crop), interpolation=how)
        return torch.from_numpy(square.copy()).permute(2, 0, 1).float().div_(255)

    def picture_at(self, place: int) -> Tensor:
        """The same photo whole, (3, H, W) in [0, 1]."""
        return to_float(torch.from_numpy(self.photo_at(place)).permute(2, 0, 1))

    def photo_at(self, place: int) -> np.ndarray:
        """The first usable photo from a place of the row on, uint8 (H, W, 3)."""
        for offset in range(len(self.paths)):
            path = self._path(place + offset)
            if path in self.skipped:
                continue
            try:
                image = read_image(path).on_white().image
            except RtstyleError as error:
                self.skipped[path] = str(error)
                continue
            if min(image.shape[1:]) < SMALLEST:
                self.skipped[path] = f"{path}: only {image.shape[2]}x{image.shape[1]} pixels"
                continue
            small = image if image.dtype == torch.uint8 else to_bytes(to_float(image))
            return np.ascontiguousarray(small.permute(1, 2, 0).numpy())
        reason = next(iter(self.skipped.values()))
        raise RtstyleError(f"none of the {len(self.paths)} photos can be used; the first: {reason}")

    def _path(self, place: int) -> Path:
        epoch, index = divmod(place, len(self.paths))
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.paths))
            self._order = epoch, order  # one assignment: threads may be at work on two epochs
        return self.paths[order[index]]
