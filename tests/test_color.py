"""Colours in and out, against the formulas of H.273 computed apart from the library that is used."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from rtstyle.media.color import (
    BT601,
    BT709,
    FULL,
    LIMITED,
    RGB,
    ColorTags,
    FromRgb,
    ToRgb,
    tags_for_output,
    tags_of,
)
from rtstyle.media.palette import ToPalette
from tests.charts import GRAYS, chart, patch_error, to_rgb, to_yuv
from tests.media import Clip, as_frame, convert, read

LAYOUTS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).copy())


def array(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def tagged(matrix: int = 2, full: bool | None = None, primaries: int = 2, transfer: int = 2):
    def setup(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = matrix, primaries, transfer
        if full is not None:
            context.color_range = FULL if full else LIMITED

    return setup


def stored(path: Path, frame: av.VideoFrame, codec: str = "ffv1", setup=None, **options: str) -> Path:
    clip = Clip(1, codec=codec, options=options, pixel_format=frame.format.name, setup=setup or tagged())
    clip.size, clip.pictures = (64, 64), [frame]
    return clip.make(path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("matrix", (BT601, BT709, 9))
def test_a_chart_survives_reading_and_writing(matrix: int, full: bool, layout: str, tmp_path: Path) -> None:
    frame = to_yuv(chart(), matrix, full, layout)
    source = stored(tmp_path / "in.mkv", frame, setup=tagged(matrix, full, 1, 1))
    frames, _ = read(source)
    assert patch_error(array(frames[0].image), chart()) < 2
    convert(source, tmp_path / "out.mp4", crf=1)
    with av.open(str(tmp_path / "out.mp4")) as container:
        written = next(container.decode(video=0))
    assert patch_error(to_rgb(written, matrix, full), chart()) < 3
    assert tags_of(written) == ColorTags(matrix, FULL if full else LIMITED, 1, 1)


@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".mkv"))
def test_tags_come_through_unchanged(suffix: str, tmp_path: Path) -> None:
    frame = to_yuv(chart(), 5, False, "yuv420p")
    clip = tagged(5, False, 5, 6)
    source = stored(tmp_path / f"in{suffix}", frame, "libx264", clip, preset="ultrafast", qp="0")
    convert(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert tags_of(next(container.decode(video=0))) == ColorTags(5, LIMITED, 5, 6)


@pytest.mark.parametrize(("height", "matrix"), ((576, BT601), (720, BT709)))
def test_untagged_video_is_601_below_720_lines(height: int, matrix: int) -> None:
    assert tags_of(av.VideoFrame(64, height, "yuv420p")) == ColorTags(matrix, LIMITED)
    assert tags_of(av.VideoFrame(64, height, "yuvj420p")) == ColorTags(matrix, FULL)
    frame = to_yuv(chart().repeat(height // 64, 0)[:height], matrix, False, "yuv420p")
    frame.colorspace, frame.color_range = 2, 0
    image = array(ToRgb()(frame, tags_of(frame)))
    assert np.abs(image[8 : 8 + 4] - chart()[0].astype(float)).mean() < 3


@pytest.mark.parametrize("layout", ("gray", "gray10le", "gray16le"))
def test_gray_is_gray(layout: str, tmp_path: Path) -> None:
    source = stored(tmp_path / "in.mkv", as_frame(chart(GRAYS), layout))
    frames, _ = read(source)
    assert patch_error(array(frames[0].image), chart(GRAYS)) <= 1
    convert(source, tmp_path / "out.mp4", crf=1)
    back, _ = read(tmp_path / "out.mp4")
    assert patch_error(array(back[0].image), chart(GRAYS)) < 3


def test_gray_of_limited_range_is_stretched(tmp_path: Path) -> None:
    frame = to_yuv(chart(GRAYS), BT601, False, "gray")
    frames, _ = read(stored(tmp_path / "in.mkv", frame, setup=tagged(full=False)))
    assert patch_error(array(frames[0].image), chart(GRAYS)) <= 1


@pytest.mark.parametrize(
    ("codec", "layout", "suffix"),
    (
        ("png", "rgb24", ".mov"),
        ("png", "rgb48be", ".mov"),
        ("ffv1", "rgb48le", ".mkv"),
        ("ffv1", "gbrp10le", ".mkv"),
        ("libx264rgb", "rgb24", ".mp4"),
        ("rawvideo", "bgr24", ".avi"),
    ),
)
def test_rgb_is_stored_as_yuv_and_comes_back(codec: str, layout: str, suffix: str, tmp_path: Path) -> None:
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    source = stored(tmp_path / f"in{suffix}", as_frame(chart(), layout), codec, **options)
    frames, _ = read(source)
    assert patch_error(array(frames[0].image), chart()) <= 1
    convert(source, tmp_path / "out.mp4", crf=1)
    back, _ = read(tmp_path / "out.mp4")
    assert patch_error(array(back[0].image), chart()) < 3


@pytest.mark.parametrize(("codec", "suffix"), (("png", ".mov"), ("gif", ".gif")))
def test_a_palette_is_looked_up(codec: str, suffix: str, tmp_path: Path) -> None:
    source = stored(tmp_path / f"in{suffix}", ToPalette(64, 64)(tensor(chart())), codec)
    frames, _ = read(source)
    assert patch_error(array(frames[0].image), chart()) == 0


def test_a_gif_of_few_colours_is_exact(tmp_path: Path) -> None:
    convert(stored(tmp_path / "in.mkv", as_frame(chart(), "bgr0")), tmp_path / "out.gif")
    frames, _ = read(tmp_path / "out.gif")
    assert patch_error(array(frames[0].image), chart()) == 0


@pytest.mark.parametrize(
    ("codec", "layout", "suffix", "options"),
    (
        ("png", "rgba", ".mov", {}),
        ("png", "rgba64be", ".mov", {}),
        ("prores_ks", "yuva444p10le", ".mov", {}),
        ("libvpx-vp9", "yuva420p", ".webm", {"lossless": "1", "auto-alt-ref": "0"}),
        ("libvpx", "yuva420p", ".webm", {"crf": "4", "b": "10000000", "auto-alt-ref": "0"}),
    ),
)
def test_alpha_is_composited_on_black_and_said(
    codec: str, layout: str, suffix: str, options: dict[str, str], tmp_path: Path
) -> None:
    half = np.dstack([chart(), np.full((64, 64), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(half, "rgba").reformat(format=layout)
    frames, notes = read(stored(tmp_path / f"in{suffix}", frame, codec, **options))
    assert patch_error(array(frames[0].image), chart() * (128 / 255)) < 3
    assert notes == ["transparent input: composited on black"]


@pytest.mark.parametrize("matrix", (8, 10, 12, 14, 15))
def test_a_matrix_that_cannot_be_applied_is_said(matrix: int, tmp_path: Path) -> None:
    frame = to_yuv(chart(), BT601, False, "yuv444p")
    source = stored(tmp_path / "in.mkv", frame, setup=tagged(matrix, False))
    frames, notes = read(source)
    assert notes == [f"colour matrix {matrix} (H.273) can't be read; taken as 6"]
    assert patch_error(array(frames[0].image), chart()) < 2
    convert(source, tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4")[1] == []


def test_hdr_becomes_709_and_rgb_gets_a_matrix() -> None:
    assert tags_for_output(ColorTags(9, LIMITED, 9, 16), 480) == ColorTags(BT709, LIMITED, 1, 1)
    assert tags_for_output(ColorTags(RGB, FULL, 1, 13), 480) == ColorTags(BT601, LIMITED, 1, 13)
    assert tags_for_output(ColorTags(9, FULL, 9, 14), 480) == ColorTags(9, FULL, 9, 14)


def test_known_colour_in_bytes() -> None:
    """(200, 30, 60) in BT.709 limited range, by hand: Y 75, Cb 124, Cr 201."""
    frame = FromRgb(ColorTags(BT709, LIMITED), "yuv444p")(torch.tensor([200, 30, 60]).byte().view(3, 1, 1))
    assert [bytes(plane)[0] for plane in frame.planes] == [75, 124, 201]
