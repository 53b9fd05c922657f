"""``rtstyle gatys`` on drawn pictures with a tiny random VGG19: outputs, resuming, masks, bad input."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import rtstyle.cli.gatys_report
from rtstyle.cli import gatys_compare, gatys_inputs, main
from rtstyle.cli.outputs import alone_at
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.picture import Picture
from rtstyle.perception.backbones.vgg import PLANS
from rtstyle.stylizers import gatys_memory, gatys_video
from rtstyle.stylizers.gatys import make_plan
from rtstyle.stylizers.gatys_layers import load_measuring, reach
from rtstyle.training.plot import LossPlot
from tests.media import Clip, read
from tests.test_backbones import vgg_weights
from tests.test_image_file import wide_profile

SHORT = ["--size", "64", "--scales", "48", "--steps", "8"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: photo.png, a.png, b.png, mask.png, whole.safetensors, short.safetensors,
    and sixteen.safetensors, of VGG16."""
    random = np.random.default_rng(0)
    for name in ("photo", "a", "b"):
        coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        cv2.imwrite(
            str(tmp_path / f"{name}.png"), cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)
        )
    mask = np.zeros((48, 64, 3), np.uint8)
    mask[:, 32:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    dice = torch.Generator().manual_seed(0)
    weights, channels, index = {}, 3, 0
    for count in (2, 2, 4, 4, 1):
        for _ in range(count):
            weights[f"features.{index}.weight"] = torch.randn(4, channels, 3, 3, generator=dice) / 3
            weights[f"features.{index}.bias"] = torch.zeros(4)
            channels, index = 4, index + 2
        index += 1
    save_file(weights, tmp_path / "whole.safetensors")
    sixteen = vgg_weights({index: (4 if index else 3, 4) for index in PLANS["vgg16"].values()})
    save_file(sixteen, tmp_path / "sixteen.safetensors")
    short = {key: value for key, value in weights.items() if int(key.split(".")[1]) <= 16}
    save_file(short, tmp_path / "short.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gatys(*arguments: str, weights: str = "whole", short: bool = True) -> int:
    files = ["--backbone-weights", f"vgg19={weights}.safetensors"]
    return main(["gatys", *arguments, *files, *(SHORT if short else [])])


def pixels(path: str | Path) -> torch.Tensor:
    return read_image(path).image


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line an error is."""
    lines = [text for text in capsys.readouterr().err.splitlines() if text]
    assert lines[-1].startswith("rtstyle: ") and "Traceback" not in "".join(lines)
    return lines[-1]


def test_a_photo_becomes_a_painting_the_same_twice(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gatys("photo.png", "a.png", "new/out.png", "--plot", "plot.png", "--every", "4", "--json") == 0
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert (summary["width"], summary["height"], summary["steps"]) == (64, 48, 8)
    assert summary["total"] == pytest.approx(sum(summary["terms"].values()), abs=1e-4)
    assert "64x48" in told.err and "content" in told.err.splitlines()[0]
    assert sorted(path.name for path in (place / "new").iterdir()) == [
        "out.00004.png", "out.00008.png", "out.png"
    ]  # fmt: skip
    assert pixels("new/out.png").shape == (3, 48, 64) and pixels("plot.png").shape[1:] == (600, 1000)
    assert gatys("photo.png", "a.png", "again.png", "--quiet") == 0
    assert torch.equal(pixels("again.png"), pixels("new/out.png"))


def test_a_painting_outlives_its_curves(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = LossPlot.draw

    def taken(plot: LossPlot) -> None:
        (place / "curves.png").mkdir(exist_ok=True)  # somebody makes a folder of that name meanwhile
        draw(plot)

    monkeypatch.setattr(LossPlot, "draw", taken)
    assert gatys("photo.png", "a.png", "out.png", "--plot", "curves.png") == 0
    assert "cannot write picture 'curves.png'" in capsys.readouterr().err
    assert pixels("out.png").shape == (3, 48, 64)
    assert gatys("photo.png", "a.png", "other.png", "--plot", "curves.png") == 1
    assert "curves.png: is a folder; name a file in it" in capsys.readouterr().err


def test_the_table_has_a_row_every_fifty_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtstyle.cli.gatys_report, "ROW", 3)
    assert gatys("photo.png", "a.png", "out.png") == 0
    rows = [text.split() for text in capsys.readouterr().err.splitlines()]
    assert [row[0] for row in rows if row[0].isdecimal()] == ["3", "6", "8"]


CHOICES = (
    "--init noise", "--init b.png", "--optimizer adam", "--colors photo", "--colors match",
    "--colors histogram", "--style-loss gaussian", "--pooling average", "--style-scale 0.7",
    "--content-mask mask.png", "--mask mask.png", "--style-layers relu1_1=2,relu2_1",
)  # fmt: skip


@pytest.mark.parametrize("extra", CHOICES)
def test_every_choice_shapes_the_result(extra: str) -> None:
    assert gatys("photo.png", "a.png", "plain.png", "--quiet") == 0
    assert gatys("photo.png", "a.png", "out.png", "--quiet", *extra.split()) == 0
    assert not torch.equal(pixels("plain.png"), pixels("out.png"))


def test_kept_colors_are_the_photos() -> None:
    gray = np.full((48, 64, 3), 90, np.uint8)
    gray[10:30, 10:50] = 180
    cv2.imwrite("gray.png", gray)
    assert gatys("gray.png", "a.png", "out.png", "--quiet", "--colors", "photo") == 0
    result = pixels("out.png").float()
    assert (result.amax(0) - result.amin(0)).max() <= 2 and result.std() > 5


def test_a_mask_gives_each_region_its_style() -> None:
    assert gatys("photo.png", "a.png", "b.png", "out.png", "--quiet", "--mask", "mask.png") == 0
    assert gatys("photo.png", "a.png", "kept.png", "--quiet", "--mask", "mask.png") == 0
    apart = (pixels("kept.png").float() - pixels("photo.png").float()).abs()
    assert apart[..., :20].max() <= 1 and apart[..., 44:].mean() > 4, "the dark region stays photo"


def test_two_styles_are_mixed_by_weight() -> None:
    assert gatys("photo.png", "a.png", "alone.png", "--quiet") == 0
    assert gatys("photo.png", "a.png", "b.png", "out.png", "--quiet", "--style-weights", "1,0") == 0
    assert torch.equal(pixels("out.png"), pixels("alone.png"))
    assert gatys("photo.png", "a.png", "b.png", "both.png", "--quiet") == 0
    assert not torch.equal(pixels("both.png"), pixels("alone.png"))


def test_an_interrupted_run_goes_on_to_the_same_picture(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gatys("photo.png", "a.png", "whole.png", "--quiet") == 0
    hear = rtstyle.cli.gatys_report.Report.__call__

    def stop_at_six(self: object, heard: object) -> None:
        hear(self, heard)  # type: ignore[arg-type]
        if heard.number == 6:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(rtstyle.cli.gatys_report.Report, "__call__", stop_at_six)
    beside = ("--plot", "plot.png", "--every", "4")
    assert gatys("photo.png", "a.png", "out.png", *beside) == 130
    assert "out.partial.png is how far it came" in capsys.readouterr().err
    assert pixels("out.partial.png").shape == (3, 48, 64) and not (place / "out.png").exists()
    monkeypatch.setattr(rtstyle.cli.gatys_report.Report, "__call__", hear)
    assert gatys("photo.png", "a.png", "out.png", "--style-weight", "3") == 1
    assert "of another painting (--style-weight was" in line(capsys)
    assert {"plot.png", "out.00004.png"} <= {path.name for path in place.iterdir()}
    assert gatys("photo.png", "a.png", "out.png", *beside, "--json") == 0, "its own figures are no others'"
    told = capsys.readouterr()
    assert "going on from step 6" in told.err and json.loads(told.out)["steps"] == 8
    assert torch.equal(pixels("out.png"), pixels("whole.png")), "bit for bit, on one machine"
    assert not (place / "out.partial.png").exists() and not (place / "out.checkpoint").exists()


def test_a_killed_run_does_not_stand_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = rtstyle.cli.gatys_report.Report.__call__

    def killed_at_three(self: object, heard: object) -> None:
        hear(self, heard)  # type: ignore[arg-type]
        if heard.number == 3:  # type: ignore[attr-defined]
            raise SystemExit

    monkeypatch.setattr(rtstyle.cli.gatys_report.Report, "__call__", killed_at_three)
    beside = ("--plot", "plot.png", "--every", "2", "--quiet")
    with pytest.raises(SystemExit):
        gatys("photo.png", "a.png", "out.png", *beside)
    assert Path("plot.png").exists() and Path("out.00002.png").exists()
    monkeypatch.setattr(rtstyle.cli.gatys_report.Report, "__call__", hear)
    assert gatys("photo.png", "a.png", "out.png", *beside) == 0


def test_what_a_picture_file_carries_goes_along(place: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (72, 96, 4), dtype=np.uint16)
    cv2.imwrite("deep.png", deep)
    assert gatys("deep.png", "a.png", "out.png", "--quiet") == 0
    picture = read_image("out.png")
    assert picture.image.dtype == torch.uint16 and picture.alpha is not None
    assert picture.alpha.shape == (48, 64), "reduced with the colours"


def test_what_the_weights_lack_is_replaced_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert reach("vgg19", Path("short.safetensors"))[-1] == "relu3_4"
    assert gatys("photo.png", "a.png", "out.png", weights="short") == 0
    told = capsys.readouterr().err
    assert "content: vgg19.relu3_4 for relu4_2; the weights of vgg19 end with relu3_4" in told
    measuring = load_measuring("vgg19", {"vgg19": Path("short.safetensors")})
    assert list(measuring.style) == [f"vgg19.{name}" for name in ("relu1_1", "relu2_1", "relu3_1", "relu3_4")]
    assert sum(measuring.style.values()) == pytest.approx(1)
    assert gatys("photo.png", "a.png", "o.png", "--style-layers", "relu4_1", weights="short") == 1
    assert "relu4_1 was asked for, but the weights hold only relu1_1" in line(capsys)


def test_backbones_are_compared_on_a_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["vgg16=sixteen.safetensors", "vgg19=whole.safetensors"]
    run = [
        "gatys",
        "photo.png",
        "a.png",
        "sheet.png",
        "--compare",
        "vgg19,vgg16",
        "--backbone-weights",
        *files,
    ]
    assert main([*run, *SHORT]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["backbone", "s", "variation", "content", "style"]
    assert [row.split()[0] for row in rows[1:]] == ["vgg19", "vgg16"]
    assert pixels("sheet.png").shape[2] > 3 * 64
    assert main([*run, *SHORT, "--overwrite", "--json"]) == 0
    assert [each["backbone"] for each in json.loads(capsys.readouterr().out)["backbones"]] == [
        "vgg19",
        "vgg16",
    ]


BAD = {
    "photo.png a.png b.png o.png --style-weights 1": "1 --style-weights for 2 styles",
    "photo.png a.png b.png photo.png o.png --mask mask.png": "has 2 regions; give one style each",
    "photo.png a.png o.png --init gray": "allowed are content, noise, or a picture",
    "photo.png a.png": "the following arguments are required",
    "photo.png a.png out": "out: the last name is the output, with one of .jpg",
    "photo.png a.png b.png": "b.png: exists already; use --overwrite",
    "photo.png a.png a.png --overwrite": "a.png: is the input itself",
    "none.png a.png o.png": "none.png",
    "photo.png a.png o.png --style-layers relu9_1": "has no layer 'relu9_1'; there are: relu1_1",
    "photo.png a.png o.png --style-layers relu1_1=0": "their weights need to be above 0",
    "photo.png a.png o.png --style-layers relu1_1:2": "a layer's weight comes after '=', as in relu1_1=2",
    "photo.png a.png o.png --seconds 0": "'0' is not a number above 0",
    "photo.png a.png o.png --seconds -3": "'-3' is not a number above 0",
    "photo.png a.png o.png --backbone-weights alexnet=whole.safetensors": "the backbone is vgg19; add",
    "photo.png a.png o.png --compare vgg16,resnet50 --backbone-weights vgg19=whole.safetensors": (
        "the backbone is vgg16, resnet50; add --compare vgg19"
    ),
    "photo.png a.png o.mp4 --backbone-weights alexnet=whole.safetensors": "the backbone is vgg19; add",
    "photo.png a.png o.png --backbone vgg16 --backbone-weights vgg16=whole.safetensors": "not of vgg16",
    "photo.png a.png o.png --backbone-weights vgg19=none.pth": "no weights file at 'none.pth'",
    "photo.png a.png o.png --backbone-weights vgg19": "it is NAME=FILE",
    "photo.png a.png o.png --plot curves.svg": "--plot curves.svg: a figure is a picture",
    "photo.png a.png o.png --plot b.png": "b.png: exists already; use --overwrite",
    "photo.png a.png o.png --plot a.png --overwrite": "a.png: is the input itself",
    "photo.png a.png o.png --plot o.png": "--plot o.png: is the output itself",
    "photo.png a.png o.png --every 4": "o.00008.png: exists already; use --overwrite",
    "photo.png a.png o.png --compare vgg19 --every 4": "--compare makes several; choose",
    "photo.png a.png mask.png --mask mask.png --overwrite": "mask.png: is the input itself",
    "photo.png a.png o.png --start 1": "--start: of a video; o.png is made from a picture",
    "photo.png a.png o.png --backbone vgg16 --compare vgg19": "--compare names the backbones; leave out",
    "photo.png a.png o.png --style-scale 0": "'0' is not a number above 0",
    "photo.png a.png o.png --content-mask tall.png": "tall.png is 8x48, of another shape than",
    "photo.png a.png o.png --backbone-weights vgg19=text.pth": "not readable as a checkpoint of weights",
    "photo.png a.png o.png --backbone-weights vgg19=none_in.pth": "holds no named weights",
    "photo.png a.png o.png --steps 0": "'0' is not a whole number from 1 up",
    "photo.png a.png o.png --compare vgg19,vgg20": "no backbone named 'vgg20'; there are: vgg19",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("o.00008.png").write_bytes(b"mine")
    cv2.imwrite("tall.png", np.full((48, 8, 3), 255, np.uint8))
    Path("text.pth").write_text("<html>")
    torch.save({"state_dict": None}, "none_in.pth")
    files = [] if "--backbone-weights" in arguments else ["--backbone-weights", "vgg19=whole.safetensors"]
    try:
        code = main(["gatys", *arguments.split(), *files])
    except SystemExit as error:  # argparse's own
        code = int(error.code or 0)
    assert code in (1, 2) and BAD[arguments] in capsys.readouterr().err
    assert Path("o.00008.png").read_bytes() == b"mine" and not Path("o.png").exists()


def test_too_large_is_said_before_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatys_memory, "free_bytes", lambda device: 20e6)
    assert gatys("photo.png", "a.png", "o.png", "--size", "2000", short=False) == 1
    assert "2000x1500 needs about" in (told := line(capsys)) and "fits" in told


@pytest.fixture
def clip(place: Path) -> Path:
    """Four frames, sound and all, in which everything moves by a pixel a frame."""
    return Clip(frames=4).make(place / "clip.mp4")


def paint_video(*arguments: str) -> int:
    files = ["--backbone-weights", "vgg19=whole.safetensors"]
    return main(["gatys", "clip.mp4", "a.png", *files, "--steps", "4", *arguments])


def test_a_video_stopped_goes_on_and_is_the_same(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paint_video("whole.mp4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 4
    plain = gatys_video.GatysFrames.__call__
    made = []

    def stopped(self: gatys_video.GatysFrames, *given: Any) -> torch.Tensor:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(plain(self, *given))
        return made[-1]

    monkeypatch.setattr(gatys_video.GatysFrames, "__call__", stopped)
    assert paint_video("out.mp4") == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert len(list(Path("out.frames").glob("*.png"))) == 2
    assert not Path("out.mp4").exists()
    monkeypatch.setattr(gatys_video.GatysFrames, "__call__", plain)
    assert paint_video("out.mp4") == 0
    assert "2 of them from the run before" in capsys.readouterr().err
    assert not Path("out.frames").exists()
    for one, other in zip(read(Path("whole.mp4"))[0], read(Path("out.mp4"))[0], strict=True):
        assert torch.equal(one.image, other.image)


def test_a_part_of_a_video(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [float(frame.time) for frame in read(clip)[0]]
    begin, over = (times[0] + times[1]) / 2, (times[2] + times[3]) / 2
    assert paint_video("out.mp4", "--start", f"{begin}", "--end", f"{over}", "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 2
    assert paint_video("later.mp4", "--start", "9") == 1
    assert "start 9 s lies beyond the end of clip.mp4" in line(capsys)


def test_a_still_mask_lies_on_every_frame(clip: Path) -> None:
    cv2.imwrite("half.png", np.repeat([[0] * 32 + [255] * 32], 48, axis=0))
    assert paint_video("out.mp4", "--mask", "half.png", "--quiet") == 0
    shown, painted = (read(Path(name))[0] for name in ("clip.mp4", "out.mp4"))
    assert len(painted) == 4
    for before, after in zip(shown, painted, strict=True):
        apart = (after.image.float() - before.image.float()).abs().mean(0)
        middle = apart.shape[1] // 2
        # The dark half stays photo, but for what the encoder takes.
        assert apart[:, : middle - 8].mean() < 4 < apart[:, middle + 8 :].mean()


def test_a_video_too_large_is_said_before_the_work(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatys_memory, "free_bytes", lambda device: 20e6)
    assert paint_video("out.mp4", "--size", "2000") == 1
    assert "2000x" in (told := line(capsys)) and "GB are free; --size" in told and told.endswith("fits")
    assert not Path("out.frames").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["out.mp4", "--every", "5"], "--every is for pictures; out.mp4 is a video"),
        (["out.mp4", "--style-weights", "1,2"], "2 --style-weights for 1 styles; give one each"),
        (["clip.mp4"], "clip.mp4: is the input itself"),
    ],
)
def test_what_a_video_cannot_have(
    clip: Path, arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paint_video(*arguments) == 1
    assert part in line(capsys)


def test_a_photo_gives_no_video(capsys: pytest.CaptureFixture[str]) -> None:
    assert gatys("photo.png", "a.png", "out.mp4", short=False) == 1
    assert "out.mp4 is a video, photo.png a picture" in line(capsys)


def test_two_runs_do_not_share_an_output(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone_at(place / "out.png"):
        assert gatys("photo.png", "a.png", "out.jpg") == 1, "its state would have the same name"
        assert "another run is writing this" in line(capsys)
    assert not list(place.glob(".*.lock"))
    assert gatys("photo.png", "a.png", "out.jpg") == 0


def test_the_first_image_is_an_input(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "begun.png").write_bytes((place / "photo.png").read_bytes())
    (place / "q.partial.png").write_bytes((place / "photo.png").read_bytes())
    for output, init in (("begun.png", "begun.png"), ("q.png", "q.partial.png")):
        assert gatys("photo.png", "a.png", output, "--init", init, "--overwrite") == 1
        assert "is the input" in line(capsys)
        assert torch.equal(pixels(init), pixels("photo.png"))


def test_pictures_on_the_way_keep_what_stays_photo(place: Path) -> None:
    assert (
        gatys("photo.png", "a.png", "out.png", "--mask", "mask.png", "--every", "8", "--init", "noise") == 0
    )
    assert torch.equal(pixels("out.00008.png"), pixels("out.png"))


def test_a_sheet_that_is_stopped_keeps_what_is_done(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paint = gatys_compare._paint
    done: list[str] = []

    def stopped(*given: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append("one")
        return paint(*given)

    monkeypatch.setattr(gatys_compare, "_paint", stopped)
    also = ["--backbone-weights", "vgg16=sixteen.safetensors"]
    assert gatys("photo.png", "a.png", "sheet.png", "--compare", "vgg19,vgg16", *also) == 130
    assert "sheet.partial.png: what was done until then" in capsys.readouterr().err
    assert pixels("sheet.partial.png").shape[2] > 3 * 64 and not (place / "sheet.png").exists()


def test_colours_are_those_a_viewer_shows(place: Path) -> None:
    """A painting with a profile of its own paints like the same one in sRGB."""
    wide = Picture(pixels("a.png"), icc=wide_profile())
    write_image("wide.png", wide)
    write_image("seen.png", wide.as_seen())
    assert not torch.equal(pixels("seen.png"), pixels("a.png"))
    for name in ("wide", "seen"):
        assert gatys("photo.png", f"{name}.png", f"{name}_out.png", "--quiet") == 0
    assert torch.equal(pixels("wide_out.png"), pixels("seen_out.png"))


def test_a_mask_may_be_drawn_on_nothing(place: Path) -> None:
    mask = read_image("mask.png").image
    opaque = torch.where(mask[0] > 128, 0, 255).to(torch.uint8)
    write_image("drawn.png", Picture(torch.zeros_like(mask), alpha=opaque))
    for name in ("mask", "drawn"):
        assert gatys("photo.png", "a.png", f"{name}_out.png", "--mask", f"{name}.png", "--quiet") == 0
    assert torch.equal(pixels("mask_out.png"), pixels("drawn_out.png"))


def test_large_pictures_are_matched_from_fewer_pixels(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def match(painting: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
        seen.extend([max(painting.shape), max(photo.shape)])
        return painting

    monkeypatch.setitem(gatys_inputs.MATCHES, "histogram", match)
    monkeypatch.setattr(gatys_inputs, "_MATCHED", 24)
    assert gatys("photo.png", "a.png", "out.png", "--colors", "histogram", "--quiet") == 0
    assert seen == [48, 24]


def test_scales_too_thin_to_paint_are_left_out() -> None:
    assert make_plan((41, 512), 100).sizes == ((41, 512),)
    assert make_plan((300, 512), 100).sizes == ((150, 256), (300, 512))
