"""``rtstyle quantise``: what it measures is noted on the card, the weights stay."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'rtstyle[openvino]'")

from rtstyle.cli import main
from rtstyle.networks import build
from rtstyle.styles import Style, load_style, save_style

SMALL = {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "styles"))
    torch.manual_seed(0)
    save_style(tmp_path / "styles" / "mine.safetensors", build("swift", SMALL), Style("mine"), half=True)
    random = np.random.default_rng(1)
    (tmp_path / "photos").mkdir()
    for number in range(8):
        coarse = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), cv2.resize(coarse, (60, 48)))
    cv2.imwrite(str(tmp_path / "painting.png"), random.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    weights, channels = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 16):  # VGG19's to relu3_4, four channels wide
        weights[f"features.{index}.weight"] = torch.randn(4, channels, 3, 3)
        weights[f"features.{index}.bias"] = torch.zeros(4)
        channels = 4
    save_file(weights, tmp_path / "vgg19.safetensors")
    photos, painting, vgg = (str(tmp_path / name) for name in ("photos", "painting.png", "vgg19.safetensors"))
    return ["--photos", photos, "--painting", painting, "--backbone-weights", vgg, "--size", "48", "--json"]


def test_figures_and_ranges_are_noted_on_the_card(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_style("mine")[1].state_dict()
    assert main(["quantise", "mine", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    card, network = load_style("mine")
    assert told["file"] == str(tmp_path / "styles" / "mine.safetensors")
    assert {
        name: card.int8[name] for name in ("psnr", "worst_psnr", "style_error", "flicker")
    }.items() <= told.items()
    assert (told["photos"], told["of"], len(card.int8["ranges"])) == (4, 11, told["convolutions"])
    assert told["worst_psnr"] <= told["psnr"] <= 55
    assert all(torch.equal(each, before[key]) for key, each in network.state_dict().items())


def test_another_file_may_be_named(options: list[str], tmp_path: Path) -> None:
    out = tmp_path / "other.safetensors"
    assert main(["quantise", "mine", *options, "--out", str(out)]) == 0
    assert load_style(out)[0].int8 and not load_style("mine")[0].int8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--size", "31"], "--size is 31; allowed are whole numbers from 32 up"),
        (["--out", "new.st"], "new.st: a style is a .safetensors file; name it new.safetensors"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_measured(
    options: list[str], given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantise", "mine", *options, *given]) == 1
    assert capsys.readouterr().err == f"rtstyle: {said}\n"


def test_a_folder_that_is_locked_is_refused_before_anything_is_measured(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert main(["quantise", "mine", *options]) == 1
    assert "nothing can be written there; name another file with --out" in capsys.readouterr().err


def test_bfloat16_that_was_not_measured_is_not_noted(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtstyle.engines.openvino.has_bfloat16", lambda: False)
    assert main(["quantise", "mine", *options]) == 0
    assert json.loads(capsys.readouterr().out)["bfloat16"] is False
    assert load_style("mine")[0].int8["bfloat16"] is False


def test_too_few_photos_are_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "7.png").unlink()
    assert main(["quantise", "mine", *options]) == 1
    assert "7 photos are too few; give 8 or more" in capsys.readouterr().err
