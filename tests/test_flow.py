"""Flow and warp against shifts whose answer is known."""

import struct
from pathlib import Path

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.perception.flow import dis_flow_and_visible, inside, read_flo, warp


def texture(height: int = 96, width: int = 128) -> torch.Tensor:
    """Smooth random shading, float (3, H, W) in [0, 1]: DIS needs gradients everywhere."""
    coarse = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return smooth[0].clamp(0, 1)


def constant(x: float, y: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width).clone()


def test_whole_pixels_are_moved_exactly() -> None:
    image = torch.rand(1, 3, 10, 12)
    moved = warp(image, constant(2, 1, 10, 12))
    torch.testing.assert_close(moved[..., :9, :10], image[..., 1:, 2:])
    torch.testing.assert_close(moved[..., :9, 11], image[..., 1:, 11])  # beyond the edge: its last pixels


def test_no_flow_changes_nothing() -> None:
    image = torch.rand(2, 3, 7, 9)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 7, 9)), image)


def test_inside_is_where_the_source_is_in_the_picture() -> None:
    seen = inside(constant(2, 0, 5, 6))
    assert seen.shape == (1, 1, 5, 6)
    assert seen[0, 0, :, :4].all() and not seen[0, 0, :, 4:].any()


def test_dis_finds_a_known_shift() -> None:
    earlier = texture()
    later = warp(earlier[None], constant(3, -2, 96, 128))[0]
    flow = dis_flow_and_visible(later, earlier)[0][..., 12:-12, 12:-12]
    assert (flow - torch.tensor([3.0, -2.0]).view(1, 2, 1, 1)).abs().mean() < 0.25


def test_pictures_too_small_for_it_are_refused() -> None:
    dis_flow_and_visible(texture(12, 12), texture(12, 12))
    with pytest.raises(RtstyleError, match="11x12 pixels are too small for optical flow; it takes 12 a side"):
        dis_flow_and_visible(texture(12, 11), texture(12, 11))


def test_what_was_covered_is_not_visible() -> None:
    """A square moves right over a still background: the strip it uncovers was never seen."""
    ground, square = texture(), texture().flip(-1)[:, 20:60, 20:60]
    earlier, later = ground.clone(), ground.clone()
    earlier[:, 30:70, 30:70] = square
    later[:, 30:70, 42:82] = square
    _, visible = dis_flow_and_visible(later, earlier)
    assert visible[0, 0, 34:66, 31:40].float().mean() < 0.5
    assert visible[0, 0, 5:25, 5:120].float().mean() > 0.8


def test_flo_files_are_read_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flo"
    rows = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    path.write_bytes(struct.pack("<fii12f", 202021.25, 3, 2, *rows))
    flow = read_flo(path)
    assert flow.shape == (1, 2, 2, 3)
    assert flow[0, :, 1, 0].tolist() == [6.0, 7.0]
    path.write_bytes(struct.pack("<fii11f", 202021.25, 3, 2, *rows[:-1]))
    with pytest.raises(RtstyleError, match="too short for a flow of 3x2"):
        read_flo(path)
    path.write_bytes(b"not a flow at all")
    with pytest.raises(RtstyleError, match=r"not a \.flo file"):
        read_flo(path)
