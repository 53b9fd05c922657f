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
from rtstyle.style_file import Style, save_style
from rtstyle.styles import load_style
from rtstyle.training.quantise import attempts

SMALL = {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "styles"))
    monkeypatch.chdir(tmp_path)
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
    source = tmp_path / "styles" / "mine.safetensors"
    held, before = source.read_bytes(), load_style("mine")[1].state_dict()
    assert main(["quantise", "mine", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    card, network = load_style(tmp_path / "mine.safetensors")
    assert told["file"] == "mine.safetensors" and source.read_bytes() == held, "a copy is written, here"
    assert {
        name: card.int8[name] for name in ("psnr", "worst_psnr", "style_error", "flicker")
    }.items() <= told.items()
    assert (told["photos"], told["of"], len(card.int8["ranges"])) == (4, 11, told["convolutions"])
    assert told["worst_psnr"] <= told["psnr"] <= 55
    assert all(torch.equal(each, before[key]) for key, each in network.state_dict().items())


def test_another_file_may_be_named_and_none_is_replaced_unasked(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "other.safetensors"
    assert main(["quantise", "mine", *options[:-1], "--out", str(out)]) == 0
    assert load_style(out)[0].int8 and not load_style("mine")[0].int8
    assert f"written to {out}: " in capsys.readouterr().out
    source = tmp_path / "styles" / "mine.safetensors"
    held = source.read_bytes()
    for again in (out, source):
        assert main(["quantise", str(again), *options, "--out", str(again)]) == 1
        assert f"{again}: exists already; use --overwrite" in capsys.readouterr().err
    assert source.read_bytes() == held
    assert main(["quantise", str(source), *options, "--out", str(source), "--overwrite"]) == 0
    assert load_style("mine")[0].int8


def test_what_is_tried_goes_down_to_float32() -> None:
    ranges = {name: (torch.ones(1), False) for name in "abcd"}
    alone = dict.fromkeys(
        ranges, 1.01
    )  # each adds 0.0201 to the square, of which 1.05² - 1 = 0.1025 is allowed
    tried = [("".join(reduced.ranges), reduced.bfloat16) for reduced in attempts(ranges, alone, 1.03)]
    # With bfloat16 1.05² - 1.03² = 0.0416 is left: two convolutions.
    assert tried == [
        ("ab", True),
        ("a", True),
        ("", True),
        ("abcd", False),
        ("ab", False),
        ("a", False),
        ("", False),
    ]
    tried = [("".join(reduced.ranges), reduced.bfloat16) for reduced in attempts(ranges, alone, 1.06)]
    assert tried[:2] == [("", True), ("abcd", False)]
    assert not any(reduced.bfloat16 for reduced in attempts(ranges, alone, None))


def test_a_convolution_whose_rounding_shows_is_left_in_float32(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtstyle.training.quantise.CLEAR", 1000.0)
    assert main(["quantise", "mine", *options]) == 0
    assert json.loads(capsys.readouterr().out)["convolutions"] == 0


def test_what_is_steady_but_not_as_near_is_followed_by_less(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtstyle.training.quantise.CLEAR", 0.0)
    monkeypatch.setattr("rtstyle.training.quantise.MOST_FLICKER", 1000.0)
    asked: list[float] = []

    def never(figures: dict[str, float]) -> bool:
        asked.append(figures["psnr"])
        return False

    monkeypatch.setattr("rtstyle.training.quantise.passes", never)
    monkeypatch.setattr("rtstyle.engines.reduced.MOST_FLICKER", 1000.0)
    assert main(["quantise", "mine", *options]) == 0
    assert json.loads(capsys.readouterr().out)["convolutions"] == 0
    assert len(asked) > 2 and asked[-1] == max(asked)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--size", "31"], "--size is 31; allowed are whole numbers from 32 up"),
        (["--out", "new.st"], "a style is saved as NAME.safetensors; got 'new.st'"),
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
    def locked(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", locked)
    assert main(["quantise", "mine", *options]) == 1
    assert "mine.safetensors: cannot be written (Permission denied)" in capsys.readouterr().err


def test_bfloat16_that_was_not_measured_is_not_noted(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtstyle.engines.openvino.has_bfloat16", lambda: False)
    assert main(["quantise", "mine", *options]) == 0
    assert json.loads(capsys.readouterr().out)["bfloat16"] is False
    assert load_style("mine.safetensors")[0].int8["bfloat16"] is False


def test_too_few_photos_are_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "7.png").unlink()
    assert main(["quantise", "mine", *options]) == 1
    assert "7 photos are too few; give 8 or more" in capsys.readouterr().err
    (tmp_path / "photos" / "7.png").write_text("no picture")
    assert main(["quantise", "mine", *options]) == 1
    said = capsys.readouterr().err
    assert "left out: " in said and "7.png" in said and "7 photos are too few" in said
