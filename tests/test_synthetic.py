"""The drawn video: exact times, the same frames each time, things that move; and its tune with clicks."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Source
from rtstyle.media.drawing.painting import Motion, Sheet, ellipse, lay, polygon, stroke
from rtstyle.media.drawing.scene import Scene
from rtstyle.media.synthetic import SyntheticSource, synthetic_sound


def test_frames_have_the_shape_and_the_exact_times() -> None:
    source = SyntheticSource(64, 36, rate=Fraction(30000, 1001), seconds=0.5)
    assert isinstance(source, Source)
    with source:
        frames = list(source)
    assert len(frames) == source.info.length == 15
    assert [frame.time for frame in frames] == [Fraction(1001 * number, 30000) for number in range(15)]
    assert {(frame.image.dtype, tuple(frame.image.shape)) for frame in frames} == {(torch.uint8, (3, 36, 64))}


def test_frames_are_the_same_each_time_and_differ_by_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        return next(iter(SyntheticSource(96, 54, seed=seed))).image

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


@pytest.mark.parametrize("width, height", [(1, 1), (16, 16), (175, 143), (90, 160), (400, 30)])
def test_any_size_is_drawn(width: int, height: int) -> None:
    frame = next(iter(SyntheticSource(width, height)))
    assert frame.image.shape == (3, height, width)


def test_the_picture_is_full_of_things() -> None:
    """Whole range of brightness, strong colours, texture, and motion in every second."""
    scene = Scene(320, 180)
    first, second = (torch.from_numpy(scene.draw(seconds)).float() for seconds in (0.0, 0.5))
    assert first.quantile(0.01) < 40 and first.quantile(0.99) > 230
    assert (first.amax(0) - first.amin(0)).mean() > 40, "gray"
    assert first.diff(dim=2).abs().mean() > 5, "no texture"
    assert (first - second).abs().mean() > 2, "nothing moves"


def test_the_eyes_blink() -> None:
    """Open they show white; a blink is at its middle 1.89 s after the start."""
    scene = Scene(640, 360)

    def whites(seconds: float) -> int:
        return int((scene.portrait._features(seconds).rgba[10:45].min(axis=2) > 0.9).sum())

    assert whites(1.5) > 50
    assert whites(1.89) < 5


def test_nonsense_is_refused() -> None:
    for wrong in ({"width": 0}, {"rate": Fraction(0)}, {"seconds": -1}):
        with pytest.raises(RtstyleError, match="above 0"):
            SyntheticSource(**wrong)  # type: ignore[arg-type]


def test_shapes_cover_their_area() -> None:
    """Area by formula against painted coverage: an edge one pixel soft keeps it exact."""
    sheet = Sheet(0, 0, 40, 30, scale=4)
    shapes = {
        np.pi * 10 * 6: ellipse(sheet, 20, 15, 10, 6),
        20 * 4 + np.pi * 4: stroke(sheet, (10, 15), (30, 15), 4),
        12 * 8: polygon(sheet, (10, 10), (22, 10), (22, 18), (10, 18)),
    }
    for area, distance in shapes.items():
        sheet.rgba[:] = 0
        sheet.fill(distance, (1.0, 0.5, 0.0))
        assert sheet.rgba[:, :, 3].sum() / 16 == pytest.approx(area, rel=0.01)
        assert np.allclose(sheet.rgba[:, :, 1], 0.5 * sheet.rgba[:, :, 3])


def test_painting_a_part_paints_the_sheet() -> None:
    sheet = Sheet(0, 0, 40, 30, scale=2)
    part = sheet.part(5, 5, 25, 25)
    part.fill(ellipse(part, 15, 15, 5, 5), (1.0, 1.0, 1.0))
    whole = Sheet(0, 0, 40, 30, scale=2)
    whole.fill(ellipse(whole, 15, 15, 5, 5), (1.0, 1.0, 1.0))
    assert np.allclose(sheet.rgba, whole.rgba)


def test_a_sheet_is_laid_where_it_is_told() -> None:
    """A square of 4x4 pixels about (10, 10): at rest, moved, half a pixel off, turned, out of sight."""
    sheet = Sheet(8, 8, 12, 12, scale=1)
    sheet.fill(np.full((4, 4), -9.0), (1.0, 1.0, 1.0))

    def laid(motion: Motion) -> np.ndarray:
        picture = np.zeros((3, 20, 20), np.float32)
        lay(picture, sheet, motion)
        assert np.array_equal(picture[0], picture[2])
        return picture[0]

    expected = np.zeros((20, 20))
    expected[8:12, 8:12] = 1
    assert np.allclose(laid(Motion()), expected)
    assert np.allclose(laid(Motion(right=3, down=-2)), np.roll(expected, (-2, 3), (0, 1)))
    assert np.allclose(laid(Motion(right=0.5))[9], [*[0] * 8, 0.5, 1, 1, 1, 0.5, *[0] * 7])
    assert np.allclose(laid(Motion(turn=np.pi / 2, pivot=(10, 10))), expected, atol=1e-4)
    assert laid(Motion(right=500)).sum() == 0


@pytest.mark.parametrize("rate", [48000, 44100])
def test_the_sound_clicks_each_second(rate: int) -> None:
    sound = synthetic_sound(3.5, rate)
    assert (sound.dtype, sound.shape) == (np.int16, (2, round(3.5 * rate)))
    steps = np.abs(np.diff(sound.sum(axis=0, dtype=int), prepend=0))
    assert np.flatnonzero(steps > 30_000).tolist() == [0, rate, 2 * rate, 3 * rate]


def test_the_sound_is_more_than_clicks() -> None:
    between = synthetic_sound(2)[:, 10_000:40_000] / 32767
    assert np.sqrt((between**2).mean()) > 0.02
    assert not np.array_equal(between[0], between[1]), "both ears hear the same"
