"""The figures of a style, on networks whose figures are known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rtstyle.cli import main
from rtstyle.cli.evaluate import _own_weights
from rtstyle.errors import RtstyleError
from rtstyle.networks import build
from rtstyle.perception.backbones import TORCHVISION_DEVIATION, TORCHVISION_MEAN, Vgg
from rtstyle.style_file import Style, save_style
from rtstyle.training.edges import edge_error, edge_rows
from rtstyle.training.evaluate import LAYERS, gatys_optimum, load_scenes, nearness, steadiness
from rtstyle.training.steadiness import Pair, exposure_ratio, flicker_ratio, flow_pair, warped_error
from tests.media import Clip


def weights() -> dict[str, torch.Tensor]:
    """A VGG19 of four channels, to relu3_4."""
    random = torch.Generator().manual_seed(4)
    made, channels = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 16):
        made[f"features.{index}.weight"] = torch.randn(4, channels, 3, 3, generator=random)
        made[f"features.{index}.bias"] = torch.zeros(4)
        channels = 4
    return made


@pytest.fixture
def backbone() -> Vgg:
    return Vgg("vgg19", LAYERS, weights(), TORCHVISION_MEAN, TORCHVISION_DEVIATION)


@pytest.fixture
def photos() -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    coarse = torch.rand(2, 3, 8, 10, generator=random)
    return list(torch.nn.functional.interpolate(coarse, (40, 48), mode="bicubic").clamp(0, 1))


@pytest.fixture
def painting() -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(56), indexing="ij")
    stripe = ((rows + columns) // 4 % 2).float()
    return torch.stack([stripe, stripe, 1 - stripe])


def test_a_network_that_changes_nothing(
    backbone: Vgg, photos: list[torch.Tensor], painting: torch.Tensor
) -> None:
    found = nearness(lambda image: image, photos, painting, backbone)
    assert found["content_error"] == 0 and found["style_error"] > 0.01 and found["grid"] < 5
    rows = torch.zeros(1, 3, 40, 48)
    rows[..., ::4, :] = 8 / 255
    gridded = nearness(
        lambda image: rows[:, :, : image.shape[2], : image.shape[3]], photos, painting, backbone
    )["grid"]
    assert gridded == pytest.approx(12**0.5, abs=0.001), "8 in one row of four"
    assert nearness(lambda image: image, [painting], painting, backbone)["style_error"] == 0


def framed(image: torch.Tensor) -> torch.Tensor:
    """Its outermost four pixels less bright by 6 of 255, and the whole by what the picture is large."""
    shade = torch.full_like(image, -6 / 255)
    shade[..., 4:-4, 4:-4] = 0
    return image + shade + image.shape[2] / 1000


def test_a_frame_is_seen_and_nothing_else(
    backbone: Vgg, photos: list[torch.Tensor], painting: torch.Tensor
) -> None:
    large = [torch.nn.functional.interpolate(photo[None], scale_factor=4)[0] for photo in photos]
    inverted = nearness(lambda image: 1 - image, large, painting, backbone)
    assert (inverted["frame"], inverted["edge contrast"]) == (0, 1)
    found = nearness(framed, large, painting, backbone)
    assert found["frame"] == pytest.approx(3, abs=0.01), "half of eight"
    assert found["edge contrast"] == 1
    photo = large[0][None]
    alone, within = edge_rows(framed, photo, framed(photo))
    wanted = torch.tensor([-6 / 255] * 4 + [0.0] * (alone.shape[-1] - 4)).expand(4, 1, 3, -1)
    change = (alone - within)[0] - (alone - within)[0, ..., -1:]  # less what the size of the picture does
    torch.testing.assert_close(change, wanted, atol=1e-6, rtol=0)


def calm_at_the_edges(image: torch.Tensor) -> torch.Tensor:
    """Half the contrast on the outermost four pixels."""
    calm = 0.5 + (image - 0.5) / 2
    calm[..., 4:-4, 4:-4] = image[..., 4:-4, 4:-4]
    return calm


def test_a_dull_edge_is_seen_and_costs(
    backbone: Vgg, photos: list[torch.Tensor], painting: torch.Tensor
) -> None:
    large = [torch.nn.functional.interpolate(photo[None], scale_factor=4)[0] for photo in photos]
    found = nearness(calm_at_the_edges, large, painting, backbone)
    assert found["edge contrast"] == pytest.approx(0.75, abs=0.03), "half on half of eight"
    photo = torch.stack(large)
    assert edge_error(calm_at_the_edges, photo, calm_at_the_edges(photo)) > 1e-4
    assert edge_error(torch.nn.Identity(), photo, photo) == 0


def test_edges_learn_from_the_rest_alone() -> None:
    convolution = torch.nn.Conv2d(3, 3, 3, padding=1)
    photo = torch.rand(1, 3, 64, 64)
    output = convolution(photo)
    output.retain_grad()
    edge_error(convolution, photo, output).backward()
    assert output.grad is None
    assert convolution.weight.grad is not None and convolution.weight.grad.abs().sum() > 0


def test_optimised_pixels_beat_the_photo(
    backbone: Vgg, photos: list[torch.Tensor], painting: torch.Tensor
) -> None:
    photo = nearness(lambda image: image, photos, painting, backbone)
    floor = gatys_optimum(photos, painting, backbone, style_weight=10.0, content_weight=0.1, steps=30)
    assert floor["style_error"] < 0.5 * photo["style_error"]


def test_steadiness_of_the_input_itself(photos: list[torch.Tensor]) -> None:
    figures = steadiness(lambda image: image, photos, {})
    assert set(figures) == {"known motion", "flicker ratio", "exposure ratio"}
    for row in figures.values():
        assert row["styled"] == pytest.approx(row["input"], rel=1e-3)


def test_ratios_follow_the_gain(photos: list[torch.Tensor]) -> None:
    def doubled(image: torch.Tensor) -> torch.Tensor:
        return 2 * image

    def gray(image: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, 0.5)

    assert flicker_ratio(photos, doubled) == pytest.approx(2, rel=1e-4)
    assert exposure_ratio(photos, doubled) == pytest.approx(2, rel=1e-4)
    assert flicker_ratio(photos, gray) == exposure_ratio(photos, gray) == 0


def test_warped_error_counts_what_is_visible() -> None:
    target, source = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    source[..., 0] = 0.3
    visible = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    pair = Pair(target, source, torch.zeros(1, 2, 4, 4), visible)
    styled, own = warped_error([pair], lambda image: 2 * image)
    assert own == pytest.approx(0.15, rel=1e-5) and styled == pytest.approx(0.3, rel=1e-5)
    visible[..., 0] = False
    assert warped_error([pair], lambda image: image) == (0, 0)


def test_a_folder_without_flow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RtstyleError, match="holds no flow"):
        flow_pair(tmp_path)


def test_a_clip_of_one_frame_is_named(tmp_path: Path) -> None:
    path = Clip(frames=1).make(tmp_path / "one.mp4")
    with pytest.raises(RtstyleError, match=r"one\.mp4: holds no two neighbouring frames of one scene"):
        load_scenes([], [path])


def test_sintel_reads_as_published(assets: Path) -> None:
    """The clip's own error over visible pixels with the true flow, as known for this pair."""
    pair = flow_pair(assets / "flow" / "sintel_easy")
    assert warped_error([pair], lambda image: image)[1] == pytest.approx(0.0094, abs=0.0001)


def test_the_command_measures_and_compares(
    photos: list[torch.Tensor],
    painting: torch.Tensor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_file(weights(), tmp_path / "vgg.safetensors")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate([painting, *photos]):
        picture = (photo.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        cv2.imwrite(str((folder if number else tmp_path) / f"{number}.png"), picture)
    for name in ("one", "two"):
        torch.manual_seed(len(name) + ord(name[0]))
        network = build("swift", {"half": 4, "quarter": 8, "eighth": 8, "eighth_blocks": 1})
        recipe = {"style_weight": 8.0, "content_weight": 2.0}
        recipe |= {
            "style_layers": {"vgg19.relu1_1": 1.0, "vgg19.relu3_1": 4.0},
            "content_layers": {"a.b": 0.5},
        }
        save_style(tmp_path / f"{name}.safetensors", network, Style(name, title="Stripes", recipe=recipe))
    arguments = ["evaluate", str(tmp_path / "one.safetensors"), "--painting", str(tmp_path / "0.png")]
    arguments += ["--photos", str(folder), "--size", "40", "--device", "cpu", "--gatys", "1"]
    arguments += ["--beside", str(tmp_path / "two.safetensors")]
    arguments += ["--backbone-weights", str(tmp_path / "vgg.safetensors")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["nearness"]) == [
        "the photo itself",
        "one",
        "two",
        "one, 1 photo",
        "Gatys at 40:1, 1 photo",
    ]
    save_style(tmp_path / "bare.safetensors", network, Style("bare"))
    assert main(["evaluate", str(tmp_path / "bare.safetensors"), *arguments[2:]]) == 1
    assert "the card of 'bare' has none" in capsys.readouterr().err
    fast = Style("fast", recipe={"teacher": str(tmp_path / "one.safetensors")})
    assert _own_weights(fast) == {"style_weight": 40, "content_weight": 1}, "its teacher's"
    assert set(found["steadiness"]) == {"one", "two"} and found["photos"] == 2
    assert main([*arguments[:-4], "--canvas", "0.5", "--beside", *arguments[-3:]]) == 0
    table = capsys.readouterr().out
    assert "flicker ratio" in table and "one: Stripes" in table
    plain, laid = (line.split() for line in table.splitlines() if line.startswith("  two"))
    assert laid[1:3] == ["canvas", "0.5"] and laid[-2:] != plain[-2:]
