"""Folders of pictures in place of a video file: frames from one, frames to one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path

import cv2
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, Source, VideoInfo, to_bytes, to_float, to_packed
from rtstyle.media.geometry import fit, square_size, stretch
from rtstyle.media.image_colors import to_srgb
from rtstyle.media.image_file import read_image
from rtstyle.media.image_formats import READABLE, is_readable_name
from rtstyle.media.output import Claim, check_output, discard, make_parent, partial_path
from rtstyle.media.picture import Picture

RATE = 25  # frames a second, unless told
_SLOWEST, _FASTEST = 0.01, 1000


class FrameFolderSource(Source):
    """The pictures of a folder as the frames of a video, ``frame_2.png`` before ``frame_10.png``.

    All are made the first one's size and sRGB; 16 bits a sample become 8, and alpha is laid on black.
    Pictures in folders inside it are left alone.

    Args:
        rate: frames a second.
        size: as `geometry.parse_size` returns it; the first picture's if None.
        start, end: seconds; the frames from the one up to, and without, the other. Times begin at 0 again.

    Attributes:
        info: see `VideoInfo`.
        notes: what was changed on the way, complete when iteration ends.

    Raises RtstyleError for a folder without a picture, for a span without one, and for one that cannot be
    read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: Fraction | float = RATE,
        size: tuple[int | None, int] | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
    ) -> None:
        path = Path(path)
        if not _SLOWEST <= rate <= _FASTEST:
            raise RtstyleError(f"{float(rate):g} frames a second; allowed are {_SLOWEST:g} to {_FASTEST:g}")
        self._rate = Fraction(rate).limit_denominator(100_000)
        found = sorted(pictures_in(path), key=_by_number)
        if not found:
            raise RtstyleError(f"{path}: holds no picture ({', '.join(READABLE)})")
        first = ceil((start or 0) * self._rate)
        self._files = found[first : None if end is None else ceil(end * self._rate)]
        if not self._files:
            seconds = float(len(found) / self._rate)
            raise RtstyleError(
                f"{path}: no frame lies between the asked start and end; it lasts {seconds:g} s"
            )
        height, width = read_image(self._files[0]).image.shape[1:]
        if size is not None:
            width, height, _ = fit(size, width, height, Fraction(1))
        self.info = VideoInfo(width, height, self._rate, len(self._files), 1 / self._rate)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        sizes, notes = set(), set[str]()
        for number, file in enumerate(self._files):
            picture = read_image(file)
            sizes.add(picture.image.shape)
            notes.update(picture.notes)
            if picture.image.dtype != torch.uint8:
                notes.add("16 bits a sample became 8")
            if picture.alpha is not None:
                notes.add("transparent pictures: composited on black")
            yield Frame(self._fitted(_plain(picture)), number / self._rate)
        if len(sizes) > 1:
            same = f"{self.info.width}x{self.info.height}"
            notes.add(f"pictures of {len(sizes)} sizes; all are made {same}, other shapes on black")
        self.notes += sorted(notes)

    def close(self) -> None:
        """Nothing is open between two frames."""

    def _fitted(self, image: Tensor) -> Tensor:
        """A picture at the size of the first, its shape kept: on black where that is another."""
        height, width = image.shape[1:]
        if (width, height) == (self.info.width, self.info.height):
            return image
        scale = min(self.info.width / width, self.info.height / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        fitted = cv2.resize(
            to_packed(image), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        sides, ends = self.info.width - size[0], self.info.height - size[1]
        if sides + ends > 1:  # one may come of rounding
            bars = (ends // 2, ends - ends // 2, sides // 2, sides - sides // 2)
            fitted = cv2.copyMakeBorder(fitted, *bars, cv2.BORDER_CONSTANT)
        elif sides or ends:
            fitted = cv2.copyMakeBorder(fitted, 0, ends, 0, sides, cv2.BORDER_REPLICATE)
        return torch.from_numpy(fitted).permute(2, 0, 1)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures right in a folder, by extension; hidden files are skipped."""
    files = (path for path in folder.iterdir() if is_readable_name(path) and path.is_file())
    return [path for path in files if not path.name.startswith(".")]


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sorts names as people count: runs of digits as numbers."""
    parts = re.findall(r"\d+|\D+", path.stem)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def _plain(picture: Picture) -> Tensor:
    """8-bit samples (3, H, W) in sRGB, transparency laid on black."""
    image = picture.image if picture.image.dtype == torch.uint8 else to_bytes(to_float(picture.image))
    if picture.icc is not None:
        image = to_srgb(image, picture.icc)
    return image if picture.alpha is None else to_bytes(to_float(image) * to_float(picture.alpha))


class FrameFolderSink(Sink):
    """Writes ``000001.png``, ``000002.png`` ... under ``NAME.partial`` until `close` renames the folder.

    Args:
        shape: width over height of a pixel; others than 1 are made square.

    Raises:
        RtstyleError: the folder exists and `overwrite` is not set, or it holds anything but such PNGs.
    """

    def __init__(self, path: str | Path, *, shape: Fraction = Fraction(1), overwrite: bool = False) -> None:
        self.path, self._pixel_shape = Path(path), shape
        self.notes = ["a folder of pictures holds no times, sound or subtitles: left out"]
        check_output(self.path, overwrite=overwrite)
        self._partial = partial_path(self.path)
        for folder in (self.path, self._partial):
            if folder.exists():
                _check_ours(folder)
        make_parent(self.path)
        if self._partial.exists():
            Claim(self._partial).release()
        discard(self._partial)
        self._partial.mkdir()
        self._claim = Claim(self._partial)
        self.size = (0, 0)  # width and height of the last picture
        self._written = 0
        self._open = True

    def write(self, frame: Frame) -> None:
        self._written += 1
        name = self._partial / f"{self._written:06}.png"
        # Level 1: 5 times faster than the default, files 10-15 % larger.
        image = self._squared(frame.image)
        self.size = (image.shape[2], image.shape[1])
        picture = cv2.cvtColor(to_packed(image), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(name), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise RtstyleError(f"{name}: cannot be written; is the disk full?")

    def _squared(self, image: Tensor) -> Tensor:
        """The picture with square pixels, said once."""
        if self._pixel_shape == 1:
            return image
        width, height = square_size(image.shape[2], image.shape[1], self._pixel_shape)
        if self._written == 1:
            self.notes.append(f"pictures have square pixels: they are made {width}x{height}")
        return stretch(image, (width, height))

    def close(self) -> None:
        """Give the folder its final name; without a frame there is none."""
        if not self._written:
            self.abandon()
        if self._open:
            self._open = False
            try:
                if self.path.exists():
                    discard(self.path)
                self._partial.replace(self.path)
            finally:
                self._claim.release()

    def abandon(self) -> None:
        """Leave what was written under its partial name."""
        if self._open:
            self._open = False
            if not self._written:
                discard(self._partial)
            self._claim.release()


def _check_ours(folder: Path) -> None:
    """Never replace a folder that holds a user's own files."""
    if not folder.is_dir():
        raise RtstyleError(f"{folder}: is a file; a folder of PNGs cannot take its place")
    strangers = [p.name for p in folder.iterdir() if not re.fullmatch(r"\d{6}\.png", p.name)]
    if strangers:
        raise RtstyleError(f"{folder}: holds other files ({strangers[0]}); name an empty or new folder")
