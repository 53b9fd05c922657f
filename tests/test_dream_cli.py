"""`rtstyle dream`: pictures, sheets, journeys and videos from the shell; slips in one line."""

import json
import re
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from rtstyle.cli import dream_inputs, main
from rtstyle.cli.dream_sheet import _label
from rtstyle.frame import to_float
from rtstyle.media.drawing.scene import Scene
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.picture import Picture
from rtstyle.media.sheet import GAP, LINE
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.stylizers.activations import Target
from rtstyle.stylizers.dream_layers import load_dreaming
from rtstyle.stylizers.dream_video import DreamFrames
from rtstyle.stylizers.journey import journey, looped, moved
from tests.test_backbones import PREFIX, vgg_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dream")
    save_file(vgg_weights(PREFIX), folder / "vgg16.safetensors")
    write_image(folder / "photo.png", Picture(torch.from_numpy(Scene(96, 64, seed=3).draw(0))))
    return folder


def dream(folder: Path, source: str, output: Path, *more: str) -> int:
    """Quick, with the tiny network; later options win."""
    source = source if source == "noise" or "/" in source else str(folder / source)
    weights = f"vgg16={folder / 'vgg16.safetensors'}"
    quick = ("--backbone", "vgg16", "--backbone-weights", weights, "--layers", "relu2_1", "--device", "cpu")
    return main(["dream", source, str(output), *quick, "--steps", "2", "--octaves", "2", *more])


def test_a_picture(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "dream.png"
    assert dream(folder, "photo.png", output, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["layers"] == ["relu2_1"]
    assert [(octave["width"], octave["height"]) for octave in said["octaves"]] == [(53, 36), (96, 64)]
    assert all(octave["last"] > octave["first"] for octave in said["octaves"])
    image = read_image(output).image
    assert image.shape == (3, 64, 96)
    assert (to_float(image) - to_float(read_image(folder / "photo.png").image)).abs().mean() > 0.005
    before = output.read_bytes()
    assert dream(folder, "photo.png", output) == 1
    assert output.read_bytes() == before
    assert dream(folder, "photo.png", output, "--overwrite") == 0
    assert output.read_bytes() == before, "the same seed"


def test_size_strength_and_noise(folder: Path, tmp_path: Path) -> None:
    assert dream(folder, "photo.png", tmp_path / "small.png", "--size", "48") == 0
    assert read_image(tmp_path / "small.png").image.shape == (3, 32, 48)
    assert dream(folder, "photo.png", tmp_path / "none.png", "--strength", "0") == 0
    assert torch.equal(read_image(tmp_path / "none.png").image, read_image(folder / "photo.png").image)
    assert dream(folder, "noise", tmp_path / "noise.png", "--size", "40") == 0
    assert read_image(tmp_path / "noise.png").image.shape == (3, 40, 40)


def test_mask_colors_and_guide(folder: Path, tmp_path: Path) -> None:
    mask = torch.zeros(3, 64, 96, dtype=torch.uint8)
    mask[:, :, 48:] = 255
    write_image(tmp_path / "mask.png", Picture(mask))
    photo = read_image(folder / "photo.png").image
    more = ("--mask", str(tmp_path / "mask.png"), "--guide", str(folder / "photo.png"))
    assert dream(folder, "photo.png", tmp_path / "half.png", *more) == 0
    half = read_image(tmp_path / "half.png").image
    assert torch.equal(half[:, :, :40], photo[:, :, :40])
    assert not torch.equal(half[:, :, 56:], photo[:, :, 56:])
    for colors in ("photo", "dream"):
        output = tmp_path / f"{colors}.png"
        assert dream(folder, "photo.png", output, "--rate", "0.05", "--colors", colors) == 0
    chroma = [
        (to_float(read_image(tmp_path / f"{name}.png").image) - to_float(photo))
        for name in ("photo", "dream")
    ]
    spread = [float((each - each.mean(0)).abs().mean()) for each in chroma]
    assert spread[0] < 0.4 * spread[1], "the difference is mostly gray"


def test_a_sheet(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "sheet.png"
    sweep = ("--sweep", "layers=relu1_1,relu2_1+relu3_1", "steps=1,2,3", "octaves=1,2")
    assert dream(folder, "photo.png", output, *sweep, "--size", "48") == 0
    width, height = Image.open(output).size
    assert width > 3 * 48
    assert height == GAP + 4 * (32 + LINE + GAP), "a line above each of four rows"
    capsys.readouterr()
    sweep = ("--sweep", "layers=relu1_1,relu9_1")
    assert dream(folder, "photo.png", tmp_path / "none.png", *sweep, "--progress") == 1
    said = capsys.readouterr().err
    assert "no layer 'relu9_1'" in said
    assert "dream/s" not in said and "s/dream" not in said, "no bar: before the first is dreamt"


def test_a_sheet_loads_a_network_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Target, ...]] = []

    def load(*arguments: Any) -> Any:
        loaded.append(arguments[2])
        return load_dreaming(*arguments)

    monkeypatch.setattr(dream_inputs, "load_dreaming", load)
    sweep = ("--size", "24", "--sweep", "octaves=1,2", "steps=1,2")
    assert dream(folder, "photo.png", tmp_path / "one.png", *sweep) == 0
    assert loaded == [(Target("relu2_1"),)]
    assert dream(folder, "photo.png", tmp_path / "two.png", *sweep, "layers=relu1_1,relu2_1+relu3_1") == 0
    assert loaded[1:] == [(Target("relu1_1"),), (Target("relu2_1"), Target("relu3_1"))]


def test_labels_say_what_was_done() -> None:
    assert _label({"layers": "relu2_1", "octaves": 1, "steps": 1}, 1) == "relu2_1, 1 octave, 1 step"
    assert _label({"octaves": 5, "rate": 0.02}, 3) == "5 octaves (3 fit), rate 0.02"


def test_a_picture_is_one_whatever_its_name_says(folder: Path, tmp_path: Path) -> None:
    for name in ("photo.jfif", "photo", "photo.gif"):
        Image.open(folder / "photo.png").save(tmp_path / name, "GIF" if name.endswith("gif") else "JPEG")
        assert dream(folder, str(tmp_path / name), tmp_path / f"{name}.png") == 0
        assert read_image(tmp_path / f"{name}.png").image.shape == (3, 64, 96)


def test_sheets_and_journeys_show_the_photo_as_a_viewer_does(folder: Path, tmp_path: Path) -> None:
    photo = read_image(folder / "photo.png")
    red = torch.zeros_like(photo.image)
    red[0] = 255
    alpha = torch.zeros_like(red[0])
    write_image(tmp_path / "hidden.png", Picture(red, alpha))
    write_image(tmp_path / "white.png", Picture(torch.full_like(red, 255)))
    for name in ("hidden", "white"):
        assert (
            dream(folder, str(tmp_path / f"{name}.png"), tmp_path / f"{name}_s.png", "--sweep", "steps=1,2")
            == 0
        )
    assert torch.equal(
        read_image(tmp_path / "hidden_s.png").image, read_image(tmp_path / "white_s.png").image
    )
    assert (
        dream(folder, str(tmp_path / "hidden.png"), tmp_path / "o.mp4", "--zoom", "1.1", "--seconds", "0.1")
        == 0
    )
    with VideoFileSource(tmp_path / "o.mp4") as frames:
        assert next(iter(frames)).image.float().mean() > 200


def test_damaged_weights_dream_no_black_picture(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = vgg_weights(PREFIX)
    first = next(iter(weights))
    weights[first] = weights[first] * float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    arguments = ("--backbone-weights", f"vgg16={tmp_path / 'nan.safetensors'}")
    assert dream(folder, "photo.png", tmp_path / "out.png", *arguments) == 1
    assert "are the backbone's weights damaged?" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_panorama(folder: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "all.png", Picture(torch.from_numpy(Scene(128, 64, seed=3).draw(0))))
    assert dream(folder, str(tmp_path / "all.png"), tmp_path / "dream.jpg", "--panorama") == 0
    made = read_image(tmp_path / "dream.jpg")
    assert made.image.shape == (3, 64, 128)
    assert made.sphere == {}, "says that it goes all around"


def test_a_journey_and_a_loop(folder: Path, tmp_path: Path) -> None:
    more = ("--zoom", "1.3", "--rotate", "10", "--shift", "0.1,0", "--fps", "5", "--seconds", "2")
    for name, loop in (("journey.mp4", ()), ("loop.gif", ("--loop",))):
        assert dream(folder, "photo.png", tmp_path / name, *more, *loop) == 0
        with VideoFileSource(tmp_path / name) as clip:
            frames = [to_float(frame.image) for frame in clip]
        assert len(frames) == 10
        assert (frames[1] - frames[0]).abs().mean() > 0.001


def test_a_video(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = SyntheticSource(96, 64, Fraction(10), seconds=0.4)
    with VideoFileSink(tmp_path / "clip.mp4", source.info) as sink:
        for frame in source:
            sink.write(frame)
    assert dream(folder, str(tmp_path / "clip.mp4"), tmp_path / "dream.mp4", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["width"], said["height"]) == (4, 96, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "dream.mp4"]
    assert dream(folder, str(tmp_path / "clip.mp4"), tmp_path / "dream.png") == 1
    part = ("--start", "0.1", "--end", "0.3", "--overwrite", "--quiet")
    assert dream(folder, str(tmp_path / "clip.mp4"), tmp_path / "dream.mp4", *part) == 0
    with VideoFileSource(tmp_path / "dream.mp4") as clip:
        assert len(list(clip)) == 2
    assert "is a video" in capsys.readouterr().err


def test_a_stopped_video_goes_on_to_the_bit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SyntheticSource(96, 64, Fraction(10), seconds=0.5)
    with VideoFileSink(tmp_path / "clip.mp4", source.info) as sink:
        for frame in source:
            sink.write(frame)

    def run(name: str) -> int:
        return dream(folder, str(tmp_path / "clip.mp4"), tmp_path / name)

    assert run("whole.mkv") == 0
    make, made = DreamFrames.__call__, []

    def stopped(self: DreamFrames, *frame: Any) -> Tensor:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(make(self, *frame))
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(DreamFrames, "__call__", stopped)
        assert run("dream.mkv") == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not (tmp_path / "dream.mkv").exists()
    (tmp_path / "dream.partial.mkv").unlink(missing_ok=True)
    assert run("dream.mkv") == 0
    assert "5 frames, 3 of them from the run before" in capsys.readouterr().err
    frames = []
    for name in ("whole.mkv", "dream.mkv"):
        with VideoFileSource(tmp_path / name) as clip:
            frames.append(torch.stack([frame.image for frame in clip]))
    assert torch.equal(*frames)


def test_a_video_of_a_panorama_says_that_it_is_not_marked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SyntheticSource(96, 48, Fraction(10), seconds=0.1)
    with VideoFileSink(tmp_path / "clip.mp4", source.info) as sink:
        for frame in source:
            sink.write(frame)
    assert dream(folder, str(tmp_path / "clip.mp4"), tmp_path / "dream.mp4", "--panorama") == 0
    assert "not marked as a panorama" in capsys.readouterr().err


def test_too_large_is_said_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.stylizers.gatys_memory.free_bytes", lambda device: 20e6)
    assert dream(folder, "photo.png", tmp_path / "dream.png", "--size", "900") == 1
    said = re.search(
        r"900x600 needs about .* GB are free; --size (\d+) fits$", capsys.readouterr().err.strip()
    )
    assert said
    assert 96 < int(said[1]) < 900
    assert dream(folder, "photo.png", tmp_path / "dream.png", "--size", said[1], "--steps", "1") == 0


def test_what_helps_is_advised_and_never_a_picture_of_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    amount = 0.0
    monkeypatch.setattr("rtstyle.stylizers.gatys_memory.free_bytes", lambda device: amount)
    assert dream(folder, "photo.png", tmp_path / "dream.png") == 1
    assert capsys.readouterr().err.strip().endswith("no size fits; end other programs")
    amount = 5e8
    assert dream(folder, "photo.png", tmp_path / "dream.png", "--size", "1700") == 1
    assert re.search(r"--size \d+ or --tile 512 fits$", said := capsys.readouterr().err.strip()), said


def test_a_journey_does_not_drift() -> None:
    """Whatever is added to each frame: brightness, contrast, or one colour."""
    photo = torch.from_numpy(Scene(64, 48, seed=3).draw(0)) / 255
    tint = torch.tensor([0.03, 0.0, -0.02])[:, None, None]
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda image: (image * 1.05 + tint).clamp(0, 1),
        lambda image: image * 0.95,
        lambda image: 0.9 * image + 0.05,
    ]
    for change in changes:
        frames = journey(photo, lambda image: image, change, lambda image: moved(image, 1.02))
        last = list(islice(frames, 60))[-1]
        assert (last.mean((1, 2)) - photo.mean((1, 2))).abs().max() < 0.07
        ratio = last.std((1, 2)) / photo.std((1, 2))
        assert 0.7 < float(ratio.min()) <= float(ratio.max()) < 1.4


def test_a_journey_of_dreams_does_not_drift(folder: Path, tmp_path: Path) -> None:
    more = ("--zoom", "1.3", "--seconds", "3", "--fps", "20", "--rate", "0.05")
    assert dream(folder, "photo.png", tmp_path / "long.mp4", *more) == 0
    with VideoFileSource(tmp_path / "long.mp4") as clip:
        frames = [to_float(frame.image) for frame in clip]
    assert len(frames) == 60
    for frame in frames:
        assert (frame.mean((1, 2)) - frames[0].mean((1, 2))).abs().max() < 0.1
        assert 0.6 < float(frame.std() / frames[0].std()) < 1.6


def test_moves_by_hand() -> None:
    image = torch.rand((3, 20, 40), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(moved(image), image, rtol=0, atol=1e-5)
    torch.testing.assert_close(moved(image, degrees=180), image.flip(1, 2), rtol=0, atol=1e-4)
    right = moved(image, shift=(0.25, 0))
    torch.testing.assert_close(right[:, :, 10:], image[:, :, :30], rtol=0, atol=1e-4)
    down = moved(image, shift=(0, 0.5))
    torch.testing.assert_close(down[:, 10:], image[:, :10], rtol=0, atol=1e-4)
    square = image[:, :, :20].contiguous()
    torch.testing.assert_close(moved(square, degrees=90), square.rot90(1, (1, 2)), rtol=0, atol=1e-4)
    ramp = torch.linspace(0.1, 0.9, 41).expand(3, 21, 41).contiguous()
    torch.testing.assert_close(moved(ramp, zoom=2.0)[:, :, ::2], ramp[:, :, 10:31], rtol=0, atol=1e-4)


def test_a_loop_ends_where_it_begins() -> None:
    endless = (torch.full((3, 1, 1), float(number)) for number in range(100))
    values = [float(frame[0]) for frame in looped(endless, 10, 3)]
    assert values[:7] == [3, 4, 5, 6, 7, 8, 9]
    # 10, 11 and 12 fade to 0, 1 and 2, which come before 3.
    assert values[7:] == pytest.approx([7.5, 6.0, 4.5])


@pytest.mark.parametrize(
    ("source", "output", "more", "line"),
    [
        ("photo.png", "out.txt", (), "give a picture (.jpg"),
        ("absent.png", "out.png", (), "no such file; the input is a picture, a video, or 'noise'"),
        (".", "out.png", (), "a folder; the input is a picture, a video, or 'noise'"),
        ("photo.png", "out.mp4", (), "say how the picture moves: --zoom, --rotate or --shift"),
        ("photo.png", "out.png", ("--end", "0:02"), "--end: of a video; "),
        ("photo.png", "out.png", ("--zoom", "1.2"), "--zoom: for a journey from a picture to a video, not"),
        ("photo.png", "out.mp4", ("--zoom", "0"), "--zoom 0: times larger each second"),
        ("photo.png", "out.mp4", ("--zoom", "40"), "--zoom 40: times larger each second"),
        ("photo.png", "out.mp4", ("--zoom", "1.2", "--panorama"), "--panorama: a journey leaves the photo"),
        ("photo.png", "out.mp4", ("--zoom", "1.2", "--loop", "--seconds", "1"), "--loop needs 1.6 seconds"),
        ("photo.png", "out.png", ("--layers", "relu2_1:9"), "relu2_1 has channels 0 to 5"),
        ("photo.png", "out.png", ("--layers", "relu2_1:0.5"), "is not LAYER, LAYER:CHANNEL or LAYER=WEIGHT"),
        ("photo.png", "out.png", ("--layers", "relu9_1"), "vgg16 has no layer 'relu9_1'; there are: relu1_1"),
        ("photo.png", "out.png", ("--layers", "relu4_3"), "but the weights hold only relu1_1"),
        ("photo.png", "out.png", ("--octave-ratio", "0.5"), "an octave ratio of 0.5 does not shrink"),
        ("photo.png", "out.png", ("--size", "1"), "is too small"),
        ("photo.png", "out.png", ("--sweep", "size=1,2"), "sweeps over layers, steps, octaves, rate"),
        ("photo.png", "out.png", ("--sweep", "steps=1,b"), "its values are numbers above 0"),
        ("photo.png", "out.png", ("--sweep", "steps=1", "steps=2"), "steps come twice"),
        ("photo.png", "out.png", ("--sweep", f"steps={'1,' * 100}1"), "holds 100 at most"),
        ("photo.png", "out.png", ("--backbone-weights", "vgg16=no.pth"), "no weights file at 'no.pth'"),
        ("photo.png", "out.png", ("--backbone", "alexnet"), "nothing uses the weights of vgg16"),
        ("photo.png", "out.png", ("--mask", "photo.png"), "cannot read picture"),
        ("photo.png", "out.png", ("--seconds", "2"), "--seconds: for a journey from a picture to a video"),
        ("photo.png", "out.mp4", ("--fps", "5"), "say how the picture moves"),
        ("photo.png", "out.png", ("--panorama",), "photo.png is 96x64; a panorama all around"),
    ],
)  # fmt: skip
def test_slips_get_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    source: str, output: str, more: tuple[str, ...], line: str,
) -> None:  # fmt: skip
    assert dream(folder, source, tmp_path / output, *more) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert line in said
    assert not (tmp_path / output).exists()


def test_every_pixel_is_one_of_the_pictures() -> None:
    image = torch.rand((3, 16, 16), generator=torch.Generator().manual_seed(1))
    made: Tensor = moved(image, 1.5, 20, (0.3, -0.2))
    assert made.min() >= 0
    assert made.max() <= 1
