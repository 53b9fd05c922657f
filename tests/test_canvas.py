"""Grain under the picture: the same everywhere it is laid, strokes where the photo is bare, steady."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from rtstyle.api import stylize_image
from rtstyle.cli import main
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, to_float
from rtstyle.stylizers.canvas import on_canvas, on_float_canvas
from rtstyle.stylizers.loading import load_stylizer


def wall(height: int = 96, width: int = 160) -> torch.Tensor:
    """uint8 (3, H, W): a bare wall in even light that falls off, with a dark door."""
    light = torch.linspace(190, 120, width).expand(3, height, width).clone()
    light[:, height // 3 :, 20:50] = 30
    return light.to(torch.uint8)


def bare(image: torch.Tensor) -> torch.Tensor:
    """How much there is on the wall, away from the door: deviation of what is finer than 16 pixels."""
    part = to_float(image)[:, 8:-8, 72:-8].mean(0, keepdim=True)
    return (part - F.avg_pool2d(part, 17, 1, 8, count_include_pad=False)).std()


@pytest.mark.parametrize("dtype", (torch.uint8, torch.uint16))
def test_the_grain_is_the_same_in_integers_and_floats(dtype: torch.dtype) -> None:
    image = wall() if dtype == torch.uint8 else (wall().int() * 257).to(torch.uint16)
    laid = on_canvas(image, 0.5)
    assert laid.shape == image.shape and laid.dtype == dtype
    step = 1 / (255 if dtype == torch.uint8 else 65535)
    assert (to_float(laid) - on_float_canvas(to_float(image), 0.5)).abs().max() <= 0.51 * step
    assert on_canvas(image, 0.0) is image


@pytest.mark.parametrize("dtype", (torch.uint8, torch.uint16))
def test_a_large_picture_needs_little_more_than_its_copy(dtype: torch.dtype) -> None:
    image = torch.full((1500, 2500, 3), 99, dtype=torch.int32).to(dtype).permute(2, 0, 1)
    on_canvas(image[:, :8, :8], 0.5)  # what is made once
    tracemalloc.start()
    laid = on_canvas(image, 0.5)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert laid.nbytes < most < laid.nbytes + 60_000_000 // (1 if dtype == torch.uint16 else 4)
    assert torch.equal(laid[:, :400, :400], laid[:, 1024:1424, 1024:1424])


def test_the_grain_is_even_and_has_no_seam() -> None:
    gray = torch.full((1, 1500, 2300), 0.5)
    grain = (on_float_canvas(gray, 1.0) - 0.5)[0]
    assert float(grain.std()) == pytest.approx(0.04, rel=0.02) and abs(float(grain.mean())) < 1e-3
    assert torch.equal(grain[:400, :400], grain[1024:1424, 1024:1424])
    steps = [grain.diff(dim=0).abs().mean(1)[1023], grain.diff(dim=1).abs().mean(0)[1023]]
    usual = float(grain.diff(dim=0).abs().mean())
    assert all(float(step) == pytest.approx(usual, rel=0.15) for step in steps)
    assert torch.equal(grain[:300, :300], (on_float_canvas(torch.full((300, 300), 0.5), 1.0) - 0.5))


@pytest.mark.parametrize("style", ("starry_night_fast", "mosaic_ducks_fast"))
def test_a_bare_wall_gets_strokes_and_stays_as_steady(style: str) -> None:
    stylizer = load_stylizer(style, engine="eager")
    noise = torch.Generator().manual_seed(0)
    frames = [
        (wall().float() + 2.5 * torch.randn(wall().shape, generator=noise)).clamp(0, 255).to(torch.uint8)
        for _ in range(4)
    ]

    def flicker(canvas: float) -> float:
        stylizer.canvas = canvas
        return float(torch.stack([to_float(stylizer(Frame(image)).image) for image in frames]).std(0).mean())

    before = bare(stylizer(Frame(wall())).image), flicker(0.0)
    after = bare(stylizer(Frame(wall())).image), flicker(0.5)
    assert flicker(0.5) == after[1]  # the same for every frame, and in every run
    assert bare(stylizer(Frame(wall())).image) > 2 * before[0]
    assert after[1] < 1.2 * before[1]


def test_it_is_what_the_network_sees_and_strokes_are_as_broad_as_asked() -> None:
    stylizer = load_stylizer("starry_night_fast", engine="eager", canvas=0.5)
    seen = stylizer.engine(on_canvas(wall(), 0.5))
    assert torch.equal(stylizer(Frame(wall())).image, seen)
    broad = load_stylizer("starry_night_fast", engine="eager", canvas=0.5, strokes=2)
    assert broad(Frame(wall())).image.shape == (3, 96, 160)


@pytest.mark.parametrize("canvas", (-0.1, 1.1, float("nan")))
def test_an_amount_that_is_none_is_refused(canvas: float) -> None:
    with pytest.raises(RtstyleError, match=r"canvas is .*; allowed is 0 \(none\) to 1 \(coarse\)"):
        load_stylizer("starry_night_fast", engine="eager", canvas=canvas)


def test_still_pictures_get_half_unless_told(tmp_path: Path) -> None:
    Image.fromarray(wall().permute(1, 2, 0).numpy()).save(tmp_path / "in.png")
    made = {}
    for name, given in (("default", []), ("half", ["--canvas", "0.5"]), ("none", ["--canvas", "0"])):
        asked = [str(tmp_path / "in.png"), str(tmp_path / f"{name}.png"), "--style", "starry_night_fast"]
        assert main(["image", *asked, "--engine", "eager", "--quiet", *given]) == 0
        made[name] = np.asarray(Image.open(tmp_path / f"{name}.png"))
    assert np.array_equal(made["default"], made["half"])
    assert not np.array_equal(made["default"], made["none"])
    stylize_image(tmp_path / "in.png", tmp_path / "api.png", style="starry_night_fast", engine="eager")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "api.png")), made["default"])
