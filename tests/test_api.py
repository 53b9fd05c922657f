"""The Python calls: the same jobs as the command line, and the nouns in a program's hands."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import rtstyle
from rtstyle.media.null import MemorySource, NullSink
from rtstyle.media.sound import SoundTrack
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.networks import build
from tests.families import save_family


@pytest.fixture
def style(tmp_path: Path) -> Path:
    network = build("swift", {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1})
    card = rtstyle.Style(name="tiny", network="swift", config=network.config)
    rtstyle.save_style(tmp_path / "tiny.safetensors", network, card)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    frames = [rtstyle.Frame(torch.full((3, 32, 48), 20 * n, dtype=torch.uint8)) for n in range(10)]
    source = MemorySource(frames, 10, Fraction(10))
    tone = (np.sin(np.arange(48000) * 0.05) * 9000).astype(np.int16)
    with VideoFileSink(tmp_path / "clip.mp4", source.info, companions=SoundTrack(tone[None], 48000)) as sink:
        for frame in source:
            sink.write(frame)
    return tmp_path / "clip.mp4"


def test_importing_is_instant() -> None:
    code = "import sys, rtstyle; rtstyle.Frame; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    for name in rtstyle.__all__:
        assert getattr(rtstyle, name) is not None
    with pytest.raises(AttributeError, match="stylise_video"):
        rtstyle.stylise_video  # noqa: B018


def test_a_stylizer_maps_frames_to_frames(style: Path) -> None:
    stylizer = rtstyle.load_stylizer(style, device="cpu")
    assert isinstance(stylizer, rtstyle.Stylizer)
    frame = rtstyle.Frame(torch.randint(0, 256, (3, 17, 33), dtype=torch.uint8), Fraction(7, 3))
    styled = stylizer(frame)
    assert styled.time == Fraction(7, 3)
    assert styled.image.dtype == torch.uint8
    assert styled.image.shape == (3, 17, 33)
    assert not torch.equal(styled.image, frame.image)
    assert torch.equal(stylizer(frame).image, styled.image), "the same twice"


def test_an_unknown_style_names_the_known_ones() -> None:
    with pytest.raises(rtstyle.RtstyleError, match="nobody"):
        rtstyle.load_stylizer("nobody")


def test_stylize_video_keeps_times_and_sound(clip: Path, style: Path, tmp_path: Path) -> None:
    seen = []
    summary = rtstyle.stylize_video(
        clip, tmp_path / "out.mp4", style=style, listener=lambda progress: seen.append(progress.frames)
    )
    assert (summary.frames, summary.style) == (10, "tiny")
    assert seen == list(range(1, 11))
    with VideoFileSource(clip) as before, VideoFileSource(tmp_path / "out.mp4") as after:
        assert [f.time for f in before] == [f.time for f in after] == [Fraction(n, 10) for n in range(10)]
    assert packets(clip) == packets(tmp_path / "out.mp4") != []


def test_a_part_of_a_video_starts_at_zero(clip: Path, style: Path, tmp_path: Path) -> None:
    summary = rtstyle.stylize_video(clip, tmp_path / "out.mkv", style=style, start=0.3, end="0.7", size="16")
    assert (summary.frames, summary.width, summary.height) == (4, 24, 16)
    with VideoFileSource(tmp_path / "out.mkv") as after:
        assert [f.time for f in after] == [Fraction(n, 10) for n in range(4)]


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "own"))
    return list(save_family(tmp_path / "own", "sea", "wave", "storm", "calm"))


def test_a_mix_by_its_names(clip: Path, family: list[str], tmp_path: Path) -> None:
    summary = rtstyle.stylize_video(clip, tmp_path / "out.mp4", style="wave:0.6,storm:0.4")
    assert summary.style == "wave:0.6+storm:0.4"
    frame = rtstyle.Frame(torch.randint(0, 256, (3, 32, 48), dtype=torch.uint8))
    pictures = [rtstyle.load_stylizer(s)(frame).image.float() for s in ("wave", "storm", "wave,storm")]
    assert (pictures[0] - pictures[1]).abs().mean() > 2
    assert not torch.equal(pictures[2], pictures[0])
    palette = rtstyle.load_palette(family)
    assert torch.equal(palette(frame).image.float(), pictures[0])
    palette.mix = {"storm": 1, "wave": 1}
    close = palette(frame).image.float() - pictures[2]
    assert close.abs().max() <= 1, "the same mix, by hand"


def test_a_summary_names_the_stylizer_that_ran(clip: Path, family: list[str], tmp_path: Path) -> None:
    palette = rtstyle.load_palette(["calm", "wave"])
    assert rtstyle.stylize_video(clip, tmp_path / "a.mkv", stylizer=palette).style == "calm"

    class Own:
        def __call__(self, frame: rtstyle.Frame) -> rtstyle.Frame:
            return frame

        def reset(self) -> None: ...

    assert rtstyle.stylize_video(clip, tmp_path / "b.mkv", stylizer=Own()).style == "Own"


def test_a_tour_over_a_clip(
    clip: Path, family: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten frames of a tenth of a second, 0.3 s from each style to the next."""
    monkeypatch.setattr("rtstyle.stylizers.feedforward.presence", lambda image: 1.0)  # they are plain gray
    summary = rtstyle.stylize_video(clip, tmp_path / "tour", style="wave,storm,calm", tour=0.3)
    assert summary.style == "wave>storm>calm"
    toured = pictures(tmp_path / "tour")
    for number, name in enumerate(family):
        rtstyle.stylize_video(clip, tmp_path / name, style=name)
        alone = pictures(tmp_path / name)
        same = [frame for frame in range(10) if np.array_equal(toured[frame], alone[frame])]
        assert same == ([0, 9] if number == 0 else [3 * number])


def test_tours_and_palettes_that_cannot_be(family: list[str]) -> None:
    with pytest.raises(rtstyle.RtstyleError, match="leave the weights out of 'wave:1,storm:2'"):
        rtstyle.load_tour("wave:1,storm:2", 3)
    with pytest.raises(rtstyle.RtstyleError, match="two styles or more"):
        rtstyle.load_tour("wave", 3)
    for wrong in ("wave,storm", []):
        with pytest.raises(rtstyle.RtstyleError, match="takes a list of styles"):
            rtstyle.load_palette(wrong)


def test_a_folder_of_frames(clip: Path, style: Path, tmp_path: Path) -> None:
    rtstyle.stylize_video(clip, tmp_path / "frames", style=style, strength=0)
    names = sorted(p.name for p in (tmp_path / "frames").iterdir())
    assert names == [f"{n:06}.png" for n in range(1, 11)]
    assert Image.open(tmp_path / "frames" / "000001.png").size == (48, 32)
    again = rtstyle.stylize_video(tmp_path / "frames", tmp_path / "again.mkv", style=style, strength=0, fps=5)
    assert (again.frames, again.width, again.height) == (10, 48, 32)
    with VideoFileSource(tmp_path / "again.mkv") as source:
        assert source.info.rate == 5
    with pytest.raises(rtstyle.RtstyleError, match="takes no codec"):
        rtstyle.stylize_video(clip, tmp_path / "other", style=style, crf=3)


def test_stylize_image(style: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(tmp_path / "in.png")
    summary = rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "out.png", style=style)
    assert (summary.frames, summary.width, summary.height) == (1, 30, 20)
    with pytest.raises(rtstyle.RtstyleError, match=r"exists already; use .*overwrite=True"):
        rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "out.png", style=style)
    with pytest.raises(rtstyle.RtstyleError, match="its extension should be one of"):
        rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "out.gif", style="none such")


def test_a_program_can_build_its_own_loop(clip: Path, style: Path) -> None:
    stylizer = rtstyle.load_stylizer(style)
    with VideoFileSource(clip) as source, NullSink() as sink:
        for frame in source:
            sink.write(stylizer(frame))
    assert sink.frames == 10


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]


def packets(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]
