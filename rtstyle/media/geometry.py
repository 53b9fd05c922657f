"""Which way is up, and how large: display matrices, and the sizes a user may ask for."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction

import torch

from rtstyle.errors import RtstyleError


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pixels are shown: transposed first, then each axis reversed or not."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @staticmethod
    def of_display_matrix(matrix: bytes) -> Orientation:
        """From nine int32: a stored pixel (x, y) is shown at (a*x + c*y, b*x + d*y), as ISO 14496-12 says.

        Angles other than quarter turns are taken as the nearest one.
        """
        a, b, _, c, d, *_ = struct.unpack("<9i", matrix[:36])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return Orientation(False, flip_x=a < 0, flip_y=d < 0)
        return Orientation(True, flip_x=c < 0, flip_y=b < 0)

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Turn and mirror an image (C, H, W); contiguous."""
        if self.transpose:
            image = image.transpose(1, 2)
        axes = [axis for axis, flipped in ((1, self.flip_y), (2, self.flip_x)) if flipped]
        return (image.flip(axes) if axes else image).contiguous()

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as shown of a stored (width, height), and the other way round."""
        return (height, width) if self.transpose else (width, height)


def parse_size(text: str) -> tuple[int | None, int]:
    """``1280x720`` or a height alone, ``720``: (width or None, height) in pixels."""
    match = re.fullmatch(r"(?:(-?\d+)[xX×])?(-?\d+)p?", text.strip())
    if not match:
        raise RtstyleError(
            f"size {text!r} is not understood; write WIDTHxHEIGHT (1280x720) or a height (720)"
        )
    width, height = (int(group) if group else None for group in match.groups())
    assert height is not None
    if height < 16 or (width is not None and width < 16) or max(width or 0, height) > 16384:
        raise RtstyleError(f"size {text!r} is out of range; each side must be 16 to 16384 pixels")
    return width, height


def fit(
    wanted: tuple[int | None, int], width: int, height: int, aspect: Fraction
) -> tuple[int, int, Fraction]:
    """The size to make, and the sample aspect ratio that keeps the picture's shape.

    Args:
        wanted: as `parse_size` returns it; a missing width follows from the height (rounded to even).
        width, height, aspect: the upright input and its sample aspect ratio.
    """
    new_width, new_height = wanted
    if new_width is None:
        new_width = max(16, 2 * round(width * new_height / height / 2))
    reshaped = aspect * Fraction(width * new_height, height * new_width)
    for usual in (aspect, Fraction(1)):
        # A few pixels of rounding (640x360 for 853x480) are not worth an odd pixel shape.
        if abs(reshaped / usual - 1) < Fraction(1, 100):
            return new_width, new_height, usual
    return new_width, new_height, reshaped


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The size with square pixels that shows the same picture; no side shrinks."""
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def stretch(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """An image (3, H, W) of bytes made (width, height); the same one where it is so already."""
    width, height = size
    if image.shape[1:] == (height, width):
        return image
    values = torch.nn.functional.interpolate(
        image[None].float(), size=(height, width), mode="bicubic", antialias=True
    )
    return values[0].round_().clamp_(0, 255).byte()


def pad(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Repeat the last column and row of an image (3, H, W) where (width, height) is one more."""
    width, height = size
    if image.shape[2] < width:
        image = torch.cat([image, image[:, :, -1:]], dim=2)
    if image.shape[1] < height:
        image = torch.cat([image, image[:, -1:]], dim=1)
    return image
