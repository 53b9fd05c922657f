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


def test_a_folder_of_frames(clip: Path, style: Path, tmp_path: Path) -> None:
    rtstyle.stylize_video(clip, tmp_path / "frames", style=style, strength=0)
    names = sorted(p.name for p in (tmp_path / "frames").iterdir())
    assert names == [f"{n:06}.png" for n in range(1, 11)]
    assert Image.open(tmp_path / "frames" / "000001.png").size == (48, 32)
    with pytest.raises(rtstyle.RtstyleError, match="takes no codec"):
        rtstyle.stylize_video(clip, tmp_path / "other", style=style, crf=3)


def test_stylize_image(style: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(tmp_path / "in.png")
    summary = rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "out.png", style=style)
    assert (summary.frames, summary.width, summary.height) == (1, 30, 20)
    with pytest.raises(rtstyle.RtstyleError, match="exists already"):
        rtstyle.stylize_image(tmp_path / "in.png", tmp_path / "out.png", style=style)


def test_a_program_can_build_its_own_loop(clip: Path, style: Path) -> None:
    stylizer = rtstyle.load_stylizer(style)
    with VideoFileSource(clip) as source, NullSink() as sink:
        for frame in source:
            sink.write(stylizer(frame))
    assert sink.frames == 10


def packets(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]
