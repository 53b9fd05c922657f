"""Which way is up, and how large."""

import struct
from fractions import Fraction

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.media.geometry import Orientation, fit, parse_size

ONE = 1 << 16
# The eight ways to lay down a sheet: display matrix (a, b, c, d) and where the corners (TL TR BL BR) go.
# ISO 14496-12: a stored point (x, y) is shown at (a x + c y, b x + d y), y downwards.
SHEETS = {
    "upright": ((1, 0, 0, 1), "abcd"),
    "mirrored": ((-1, 0, 0, 1), "badc"),
    "upside down mirrored": ((1, 0, 0, -1), "cdab"),
    "half turn": ((-1, 0, 0, -1), "dcba"),
    "quarter turn clockwise": ((0, 1, -1, 0), "cadb"),
    "quarter turn back": ((0, -1, 1, 0), "bdac"),
    "transposed": ((0, 1, 1, 0), "acbd"),
    "transposed half turn": ((0, -1, -1, 0), "dbca"),
}


def display_matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("<9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("name", SHEETS)
def test_display_matrices_turn_the_picture(name: str) -> None:
    entries, corners = SHEETS[name]
    stored = torch.tensor([[ord("a"), 0, ord("b")], [ord("c"), 0, ord("d")]]).byte().expand(3, 2, 3)
    orientation = Orientation.of_display_matrix(display_matrix(*entries))
    shown = orientation.apply(stored)
    assert "".join(chr(shown[0, y, x]) for y in (0, -1) for x in (0, -1)) == corners
    assert (shown.shape[2], shown.shape[1]) == orientation.size(3, 2)
    assert shown.is_contiguous()


def test_odd_angles_are_taken_as_the_nearest_quarter() -> None:
    matrix = struct.pack("<9i", 60000, -9000, 0, 9000, 60000, 0, 0, 0, 1 << 30)
    assert Orientation.of_display_matrix(matrix) == Orientation()


@pytest.mark.parametrize(
    ("text", "size"),
    (("1280x720", (1280, 720)), ("720", (None, 720)), ("720p", (None, 720)), ("16X16", (16, 16))),
)
def test_sizes_are_read(text: str, size: tuple[int | None, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ("", "0", "15", "x720", "1280x", "20000", "15x100", "-720", "1e3", "7.5"))
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(RtstyleError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("wanted", "given", "made"),
    (
        ((None, 360), (1280, 720, 1), (640, 360, 1)),
        ((None, 361), (1280, 720, 1), (642, 361, 1)),
        ((640, 360), (1280, 720, 1), (640, 360, 1)),
        ((640, 480), (1280, 720, 1), (640, 480, Fraction(4, 3))),
        ((853, 480), (1280, 720, 1), (853, 480, 1)),
        ((None, 288), (720, 576, Fraction(64, 45)), (360, 288, Fraction(64, 45))),
        ((1024, 576), (720, 576, Fraction(64, 45)), (1024, 576, 1)),
        ((None, 16), (64, 4096, 1), (16, 16, Fraction(1, 64))),
    ),
)
def test_the_shape_of_the_picture_is_kept(wanted: tuple, given: tuple, made: tuple) -> None:
    width, height, aspect = given
    assert fit(wanted, width, height, Fraction(aspect)) == made
