"""HDR to SDR: the transfer curves by their published points, and what a viewer expects of the result."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtstyle.media.tonemap import HLG, PQ, tone_map
from tests.charts import to_yuv
from tests.media import Clip, convert, read


def grays(signals: list[float]) -> torch.Tensor:
    levels = (torch.tensor(signals, dtype=torch.float64) * 65535).round().int().to(torch.uint16)
    return levels.view(1, 1, -1).repeat(3, 1, 1)


@pytest.mark.parametrize("transfer", (PQ, HLG))
def test_brighter_stays_brighter_and_gray_stays_gray(transfer: int) -> None:
    shown = tone_map(grays(np.linspace(0, 1, 256).tolist()), transfer).int()
    assert (shown[0].diff() >= 0).all()
    assert (shown[0] == shown[1]).all() and (shown[0] == shown[2]).all()
    assert shown[0, 0, 0] == 0 and shown[0, 0, -1] == 255


@pytest.mark.parametrize(("transfer", "white"), ((PQ, 0.58), (HLG, 0.75)))
def test_reference_white_is_bright_with_room_above(transfer: int, white: float) -> None:
    """BT.2408: a white page is 58 % of PQ and 75 % of HLG; highlights up to 1000 cd/m2 stay apart from it."""
    peak = {PQ: 0.7518, HLG: 1.0}[transfer]  # the signal of 1000 cd/m2
    page, between, highlight = tone_map(grays([white, (white + peak) / 2, peak]), transfer)[0, 0].tolist()
    assert 220 <= page <= 245
    assert page < between < highlight and highlight >= 253


def test_mid_tones_are_neither_clipped_nor_lifted() -> None:
    """18 % gray under a 203 cd/m2 white is 36.5 cd/m2, PQ 0.411; a BT.1886 display shows 18 % at 125."""
    assert abs(int(tone_map(grays([0.411]), PQ)[0, 0, 0]) - 125) <= 2


def test_a_709_colour_in_a_2020_stream_comes_back() -> None:
    """Pure BT.709 red at 100 cd/m2, in BT.2020 light (BT.2087) and PQ by hand, is red again."""
    light = np.array([0.6274, 0.0691, 0.0164]) * 100 / 10000
    root = light ** (2610 / 16384)
    signal = ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    samples = torch.tensor((signal * 65535).round().astype(np.int32)).to(torch.uint16).view(3, 1, 1)
    red, green, blue = tone_map(samples, PQ)[:, 0, 0].tolist()
    assert red == pytest.approx(255 * (100 / 203) ** (1 / 2.4), abs=2)
    assert max(green, blue) <= 12


@pytest.mark.parametrize("transfer", (PQ, HLG))
def test_a_file_is_mapped_tagged_and_said(transfer: int, tmp_path: Path) -> None:
    def setup(stream: object) -> None:
        context = stream.codec_context  # type: ignore[attr-defined]
        context.colorspace, context.color_range, context.color_primaries = 9, 1, 9
        context.color_trc = transfer

    gray = np.full((64, 64, 3), 148, np.uint8)  # PQ 0.58
    clip = Clip(2, size=(64, 64), pixel_format="yuv420p10le", setup=setup)
    clip.pictures = [to_yuv(gray, 9, False, "yuv420p10le") for _ in range(2)]
    source = clip.make(tmp_path / "in.mp4")
    done = convert(source, tmp_path / "out.mp4")
    name = "PQ" if transfer == PQ else "HLG"
    assert done.notes == [f"HDR ({name}) input: tone-mapped to standard range, BT.709"]
    frames, notes = read(tmp_path / "out.mp4")
    assert notes == []
    expected = int(tone_map(grays([148 / 255]), transfer)[0, 0, 0])
    assert abs(frames[0].image.float().mean() - expected) < 3


def test_only_hdr_curves_are_taken() -> None:
    with pytest.raises(ValueError, match="not HDR"):
        tone_map(grays([0.5]), 1)
