"""Recordings: true times, one size, whole after a crash, and what a full disk does."""

import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.live.outputs import Mailbox
from rtstyle.live.recording import Recording, timed_path
from rtstyle.media.encoders import ENCODERS
from tests.media import number_of, numbered, numbers, read, times

INFO = VideoInfo(64, 48, Fraction(30))
START = Fraction(123456789, 1000)  # a clock that has run for a day and a half


def frame(number: int, time: Fraction, width: int = 64, height: int = 48) -> Frame:
    return Frame(torch.from_numpy(numbered(number, width, height)).permute(2, 0, 1), time)


def test_frames_keep_their_distances_whatever_they_are(tmp_path: Path) -> None:
    offsets = [Fraction(n, 1000) for n in (0, 33, 34, 100, 2100, 2133)]
    said: list[str] = []
    recording = Recording(tmp_path / "new" / "live.mkv", INFO, said.append)
    for number, offset in enumerate(offsets):
        recording.show(frame(number, START + offset))
    assert not recording.path.exists(), "it has its name only when it is complete"
    recording.close()
    frames, _ = read(recording.path)
    assert times(frames) == offsets
    assert numbers(frames) == list(range(6))
    assert said == [f"{recording.path}: recorded"]


def test_a_machines_sleep_is_left_out(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "live.mkv", replace(INFO, rate=Fraction(25)))
    for number, offset in enumerate((0, 1, 1 + 8 * 3600, 2 + 8 * 3600)):
        recording.show(frame(number, START + offset))
    recording.close()
    assert times(read(recording.path)[0]) == [0, 1, Fraction("1.04"), Fraction("2.04")]


def test_the_size_stays(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "live.mkv", INFO)
    for number in range(4):
        size = (128, 96) if number % 2 else (64, 48)
        recording.show(frame(number, START + number, *size))
    recording.close()
    frames, _ = read(recording.path)
    assert {tuple(f.image.shape) for f in frames} == {(3, 48, 64)}
    assert numbers(frames) == list(range(4))


def test_odd_sides_are_padded_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    recording = Recording(tmp_path / "live.mkv", replace(INFO, width=63, height=47), said.append)
    recording.show(frame(5, START, 63, 47))
    recording.close()
    assert read(recording.path)[0][0].image.shape == (3, 48, 64)
    assert "padded to 64x48" in said[0]


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    Recording(tmp_path / "live.mkv", INFO).close()
    assert list(tmp_path.iterdir()) == []


def test_a_crash_leaves_a_file_that_plays(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, torch\n"
        "from fractions import Fraction\nfrom pathlib import Path\n"
        "from rtstyle.frame import Frame, VideoInfo\nfrom rtstyle.live.recording import Recording\n"
        "r = Recording(Path(sys.argv[1]), VideoInfo(64, 48, Fraction(30)))\n"
        "for n in range(300):\n"
        "    r.show(Frame(torch.full((3, 48, 64), n % 256, dtype=torch.uint8), Fraction(n, 30)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "live.mkv"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["live.partial.mkv"]
    frames, _ = read(tmp_path / "live.partial.mkv")
    assert len(frames) > 200, "all but what waited in the encoder and a second"
    assert times(frames)[-1] == pytest.approx(Fraction(len(frames) - 1, 30), abs=0.001)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_once_and_ends_the_recording_only(tmp_path: Path) -> None:
    (tmp_path / "live.partial.mkv").symlink_to("/dev/full")
    said: list[str] = []
    mailbox = Mailbox(Recording(tmp_path / "live.mkv", INFO), depth=100, failed=said.append)
    noise = torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8)
    for number in range(90):
        mailbox.put(Frame(noise, START + Fraction(number, 30)))
    mailbox.end()
    assert mailbox.join(60)
    assert len(said) == 1
    assert said[0].startswith("recording")
    assert "No space left on device); is the disk full?" in said[0]
    assert not (tmp_path / "live.mkv").exists()


@pytest.mark.parametrize(
    ("name", "says"), [("a.txt", "a recording ends in .mkv"), ("old.mkv", "exists already")]
)
def test_a_bad_path_is_refused_at_once(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "old.mkv").touch()
    with pytest.raises(RtstyleError) as caught:
        Recording(tmp_path / name, INFO)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["live.mp4", "live.webm"])
def test_other_containers(tmp_path: Path, name: str) -> None:
    recording = Recording(tmp_path / name, INFO)
    for number in (7, 59):
        recording.show(frame(number, START + number))
    recording.close()
    frames, _ = read(tmp_path / name)
    assert [number_of(f.image) for f in frames] == [7, 59]
    assert times(frames) == [0, 52]


def test_names_are_made_of_the_time(tmp_path: Path) -> None:
    path = timed_path(tmp_path, ".mkv")
    assert path.parent == tmp_path
    assert len(path.name) == len("2026-01-31_12-00-00.000.mkv")


def test_vp9_is_encoded_at_a_cameras_speed(tmp_path: Path) -> None:
    settings = ENCODERS["vp9"].settings(None, "realtime")
    assert (settings["deadline"], settings["cpu-used"]) == ("realtime", "8")
    assert ENCODERS["vp9"].settings(None, None)["deadline"] == "good"
    recording = Recording(tmp_path / "out.webm", VideoInfo(64, 48, Fraction(30)))
    for number in range(3):
        recording.show(Frame(torch.full((3, 48, 64), 90, dtype=torch.uint8), Fraction(number, 30)))
    assert recording._sink is not None and recording._sink.track.asked[2] == "realtime"
    recording.close()
    assert len(read(tmp_path / "out.webm")[0]) == 3
