"""Broader and finer strokes: what size is restyled, what comes back, and that edges stay sharp."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import rtstyle
from rtstyle.cli import main
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, peak, to_packed
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.strokes import paint, painted_size, scaled
from tests.gpus import needs_gpu
from tests.test_feedforward import Inverse


class Seen:
    """A restyling that changes nothing and notes the sizes it was given."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, image: Tensor) -> Tensor:
        self.sizes.append(tuple(image.shape[1:]))
        return image


def scene(height: int, width: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """A soft ramp with sharp black bars of three pixels."""
    ramp = torch.linspace(0.3, 0.9, width).expand(3, height, width).clone()
    ramp[0] *= 0.7
    ramp[:, :, 8::12] = ramp[:, :, 9::12] = ramp[:, :, 10::12] = 0
    return (ramp * peak(dtype)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize(
    ("strokes", "size"), [(2.0, (30, 46)), (3.0, (20, 31)), (0.5, (118, 186)), (1.0, (59, 93))]
)
def test_another_size_is_restyled_and_the_own_comes_back(
    strokes: float, size: tuple[int, int], dtype: torch.dtype
) -> None:
    seen, image = Seen(), scene(59, 93, dtype)
    result = paint(seen, image, strokes)
    assert seen.sizes == [size]
    assert result.shape == image.shape and result.dtype == dtype
    near = (result.float() - image.float()).abs().mean() / peak(dtype)
    assert near < (0.1 if strokes > 1 else 0.02)


def test_the_sides_of_a_small_picture_stay_large_enough_for_a_network() -> None:
    assert painted_size(640, 40, 8) == (80, 16)
    assert painted_size(640, 12, 8) == (80, 12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_half_of_the_light_lost_on_the_way_is_laid_over_the_painting(dtype: torch.dtype) -> None:
    image, top = scene(64, 96, dtype), peak(dtype)

    def gray(picture: Tensor) -> Tensor:
        return torch.full_like(picture, top // 2)

    found = to_packed(paint(gray, image, 2)).astype(np.float64)
    light = cv2.cvtColor(to_packed(image), cv2.COLOR_RGB2GRAY)
    held = cv2.resize(cv2.resize(to_packed(image), (48, 32), interpolation=cv2.INTER_AREA), (96, 64),
                      interpolation=cv2.INTER_CUBIC)  # fmt: skip
    lost = light.astype(np.float64) - cv2.cvtColor(held, cv2.COLOR_RGB2GRAY)
    expected = np.clip(top // 2 + 0.5 * lost, 0, top)
    np.testing.assert_allclose(found, np.repeat(expected[..., None], 3, axis=2), atol=3 / 255 * top)
    assert found.std() > 0.04 * top  # the bars are there


def test_detail_makes_edges_sharper() -> None:
    image = scene(64, 96)
    plain = paint(lambda picture: picture, image, 2)
    small = cv2.resize(to_packed(image), (48, 32), interpolation=cv2.INTER_AREA)
    without = torch.from_numpy(cv2.resize(small, (96, 64), interpolation=cv2.INTER_CUBIC)).permute(2, 0, 1)

    def off(picture: Tensor) -> float:
        return float((picture.float() - image.float()).square().mean().sqrt())

    assert off(plain) < 0.6 * off(without)


def test_a_stylizer_restyles_smaller_and_needs_as_many_threads_as_that() -> None:
    asked: list[tuple[int, int]] = []

    class Engine(Inverse):
        def at_once(self, width: int, height: int) -> int:
            asked.append((width, height))
            return 1

    engine = Engine()
    stylizer = FeedForward(engine, strokes=2)
    assert stylizer.at_once(640, 480) == 1 and asked == [(320, 240)]
    result = stylizer(Frame(scene(40, 60))).image
    assert result.shape == (3, 40, 60)
    # The soft part is inverted: red, the darkest channel, becomes the brightest.
    assert result[0, :, 4].float().mean() > result[1, :, 4].float().mean()


@pytest.mark.parametrize(
    ("width", "height", "strokes"),
    [(48, 32, 1), (1280, 720, 1), (899, 2000, 1), (900, 2000, 2), (1920, 1080, 2), (3840, 2160, 4),
     (4032, 3024, 5), (20000, 20000, 16)],
)  # fmt: skip
def test_strokes_suit_the_size_unless_told_otherwise(width: int, height: int, strokes: float) -> None:
    assert FeedForward(Inverse()).strokes_at(width, height) == strokes
    assert FeedForward(Inverse(), strokes=3).strokes_at(width, height) == 3


def test_a_large_picture_is_painted_smaller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), np.zeros((900, 920, 3), np.uint8))
    for asked, strokes in ((), 2.0), (("--strokes", "auto"), 2.0), (("--strokes", "1"), 1.0):
        where = [str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--overwrite", "--json", "--quiet"]
        assert main(["image", *where, *asked]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert (summary["strokes"], summary["width"], summary["height"]) == (strokes, 920, 900)


@pytest.mark.parametrize("strokes", [0.2, 17, 0, -1, float("nan")])
def test_strokes_that_cannot_be_painted_are_refused(strokes: float) -> None:
    with pytest.raises(RtstyleError, match=r"strokes are .*0\.25 \(finer\) to 16"):
        FeedForward(Inverse(), strokes=strokes)


def test_the_command_line_and_python_paint_alike(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), cv2.cvtColor(to_packed(scene(96, 128)), cv2.COLOR_RGB2BGR))
    assert (
        main(["image", str(tmp_path / "in.png"), str(tmp_path / "a.png"), "--strokes", "2", "--quiet"]) == 0
    )
    rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "b.png", strokes=2)
    rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "c.png")
    first, second, third = (cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png", "c.png"))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first.astype(int) - third).mean() > 2


def test_wrong_strokes_on_the_command_line_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["image", "a.png", "b.png", "--strokes", "0"])
    assert stop.value.code == 2
    assert "'0' is not a number from 0.25 (finer) to 16 (broader), or auto" in capsys.readouterr().err


def test_scaling_keeps_colours_and_comes_back() -> None:
    image = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(3, 48, 64) * 100
    small = scaled(image, (32, 24))
    assert small.shape == (3, 24, 32)
    assert torch.equal(scaled(small, (64, 48)), image)
    assert scaled(image, (64, 48)) is image


@needs_gpu
@pytest.mark.parametrize("strokes", [0.5, 2.0, 3.0])
def test_a_gpu_paints_what_a_processor_does(strokes: float) -> None:
    image = scene(90, 120)
    there = paint(lambda picture: picture, image.cuda(), strokes)
    assert there.is_cuda and there.dtype == torch.uint8
    here = paint(lambda picture: picture, image, strokes)
    assert (there.cpu().float() - here.float()).abs().mean() < 4
