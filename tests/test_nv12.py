"""4:2:0 in plain PyTorch: against the formulas, and against what swscale makes of the same samples."""

import av
import numpy as np
import pytest
import torch

from rtstyle.media.color import BT601, BT709, FULL, LIMITED, ColorTags, FromRgb, ToRgb
from rtstyle.media.download import Download
from rtstyle.media.nv12 import planes, to_rgb, to_yuv420p
from rtstyle.media.nvdec import surface_to_rgb
from tests.charts import GRAYS, chart, patch_error
from tests.charts import to_rgb as chart_to_rgb
from tests.charts import to_yuv as chart_to_yuv

MATRICES = (BT601, BT709, 9)


def surface(frame: av.VideoFrame, bits: int) -> av.VideoFrame:
    """The same samples in NV12 or P010, shuffled without a conversion of colours."""
    deep = bits > 8
    kind = np.dtype("<u2" if deep else np.uint8)
    samples = [
        np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]
    samples = [plane << (16 - bits) for plane in samples] if deep else samples
    luma, chroma = samples[0], np.stack(samples[1:], 2)
    made = av.VideoFrame(frame.width, frame.height, "p010le" if deep else "nv12")
    for target, rows in zip(made.planes, (luma, chroma.reshape(len(chroma), -1)), strict=True):
        padded = np.zeros((target.height, target.line_size), np.uint8)
        data = np.ascontiguousarray(rows).view(np.uint8)
        padded[:, : data.shape[1]] = data
        target.update(padded)
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    return made


def array(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def noise(height: int = 48, width: int = 64) -> torch.Tensor:
    """A picture smooth enough for 4:2:0 to hold its colours."""
    small = torch.rand(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")[0].mul(255).byte()


@pytest.mark.parametrize("bits", (8, 10))
@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_chart_is_read_by_the_formulas(matrix: int, full: bool, bits: int) -> None:
    layout = "yuv420p" if bits == 8 else "yuv420p10le"
    frame = surface(chart_to_yuv(chart(), matrix, full, layout), bits)
    tags = ColorTags(matrix, FULL if full else LIMITED)
    image = surface_to_rgb(frame, tags, bits)
    assert (image.dtype, image.shape) == (torch.uint8, (3, 64, 64))
    assert patch_error(array(image), chart()) < 2
    assert patch_error(array(image), array(ToRgb()(frame, tags))) <= 1


@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_chart_is_written_by_the_formulas(matrix: int, full: bool) -> None:
    image = torch.from_numpy(chart().transpose(2, 0, 1).copy())
    frame = Download(matrix, full)(image)
    assert (frame.format.name, frame.width, frame.height) == ("yuv420p", 64, 64)
    assert patch_error(chart_to_rgb(frame, matrix, full), chart()) < 2


@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("matrix", (1, 4, 5, 6, 7, 9))
def test_pictures_are_as_swscale_makes_them(matrix: int, full: bool) -> None:
    """Chroma lies where swscale has it: between patches, and at the edges of the picture."""
    image, tags = noise(), ColorTags(matrix, FULL if full else LIMITED)
    frame = FromRgb(tags, "yuv420p")(image)
    ours = [plane.int() for plane in planes(to_yuv420p(image, matrix, full), 48, 64)]
    for plane, mine in zip(frame.planes, ours, strict=True):
        apart = (torch.from_dlpack(plane).int() - mine).abs()
        assert apart.max() <= 3
        assert apart.float().mean() < 0.75  # swscale rounds full-range chroma down
    nv12 = surface(frame, 8)
    apart = (surface_to_rgb(nv12, tags, 8).int() - ToRgb()(nv12, tags).int()).abs()
    assert apart.max() <= 1
    assert apart.float().mean() < 0.05


def test_grays_and_primaries_by_hand() -> None:
    """BT.709 limited: black 16, white 235, no chroma; red is Y 63, Cb 102, Cr 240 (219 Kr + 16, 224 / 2)."""
    for level, luma in ((0, 16), (128, 126), (255, 235)):
        gray = torch.full((3, 4, 4), level, dtype=torch.uint8)
        assert to_yuv420p(gray, BT709, False).tolist() == [luma] * 16 + [128] * 8
    red = torch.zeros(3, 2, 2, dtype=torch.uint8)
    red[0] = 255
    packed = to_yuv420p(red, BT709, False)
    assert packed.tolist() == [63] * 4 + [102, 240]
    back = to_rgb(packed[:4].view(2, 2), packed[4:].view(1, 1, 2), BT709, False)
    assert (back.int() - red.int()).abs().max() <= 1


def test_full_range_blue_does_not_wrap_round() -> None:
    """Its Cb is 255.5: one more than a byte holds when rounded."""
    blue = torch.zeros(3, 2, 2, dtype=torch.uint8)
    blue[2] = 255
    assert to_yuv420p(blue, BT709, True).tolist()[4] == 255


def test_grays_have_no_colour() -> None:
    """Over all levels: the sum of the three weights is one."""
    image = torch.from_numpy(chart(GRAYS).transpose(2, 0, 1).copy())
    for matrix in MATRICES:
        luma, blue, red = planes(to_yuv420p(image, matrix, False), 64, 64)
        assert (blue == 128).all() and (red == 128).all()
        back = to_rgb(luma, torch.stack([blue, red], 2), matrix, False)
        assert (back.int() - image.int()).abs().max() <= 1
        assert torch.equal(back[0], back[1]) and torch.equal(back[0], back[2])


def test_chroma_at_the_left_by_hand() -> None:
    """Every other column is a sample, those between are means; rows are as in the middle."""
    luma = torch.full((4, 6), 128, dtype=torch.uint8)
    red = torch.tensor([[128, 168, 148]] * 2, dtype=torch.uint8)
    chroma = torch.stack([torch.full_like(red, 128), red], 2)
    seen = to_rgb(luma, chroma, BT709, True, left=True)[0]
    expected = [round(128 + 1.5748 * away) for away in (0, 20, 40, 30, 20, 20)]
    assert seen.tolist() == [expected] * 4
    chroma[1] = 128
    rows = to_rgb(luma, chroma, BT709, True, left=True)[0, :, 2]
    assert rows.tolist() == [round(128 + 1.5748 * 40 * share) for share in (1, 0.75, 0.25, 0)]


def test_ten_bits_use_all_of_them() -> None:
    """Four samples of 10 bits that are one of 8: the mean of what they become lies between two levels."""
    luma = (torch.arange(400, 404) << 6).to(torch.uint16).repeat(4, 1)
    chroma = torch.full((2, 2, 2), 512 << 6, dtype=torch.int32).to(torch.uint16)
    seen = to_rgb(luma, chroma, BT709, False, bits=10)
    assert seen[1, 0].tolist() == [round((v / 4 - 16) * 255 / 219) for v in (400, 401, 402, 403)]


def test_a_picture_outlives_the_frame_it_was_made_of() -> None:
    tags = ColorTags(BT709, LIMITED)
    nv12 = surface(FromRgb(tags, "yuv420p")(noise()), 8)
    luma, chroma = (torch.utils.dlpack.from_dlpack(plane.__dlpack__()) for plane in nv12.planes)
    before = luma.clone(), chroma.clone()
    del nv12
    others = [av.VideoFrame(64, 48, "nv12") for _ in range(8)]  # would get its memory
    assert torch.equal(luma, before[0]) and torch.equal(chroma, before[1])
    assert len(others) == 8
    assert luma.shape == (48, 64) and chroma.shape == (24, 32, 2)


def test_a_fetched_frame_keeps_its_memory() -> None:
    image = noise()
    download = Download(BT709, False)
    frame = download(image)
    before = [bytes(plane) for plane in frame.planes]
    for _ in range(4):
        download(255 - image)
    assert [bytes(plane) for plane in frame.planes] == before
