"""rtstyle live from the command line, without camera, display or network."""

import argparse
import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rtstyle.cli import live, main
from rtstyle.cli.live_inputs import camera_of, palette_of
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.live import window
from rtstyle.live.session import LiveSession
from tests.families import save_family
from tests.media import Clip, read

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture(autouse=True)
def family(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("styles")
    save_family(folder, "home", "aa", "bb", "cc")
    monkeypatch.setenv("RTSTYLE_STYLES", str(folder))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip(frames=5).make(tmp_path / "clip.mp4")


def run(*arguments: str | Path) -> int:
    return main(["live", *(str(argument) for argument in arguments)])


def test_a_file_is_recorded_for_so_long(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figures = tmp_path / "out.mkv", tmp_path / "stats.json"
    style = ("--style", "aa:1,bb:3")
    assert (
        run("--camera", clip, "--record", out, "--duration", "0.3", *style, "--json", "--stats", figures) == 0
    )
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said == json.loads(figures.read_text())
    assert said["style"] == "aa:0.25+bb:0.75"
    assert (said["camera"], said["fps"], said["device"]) == ([64, 48], 30, "cpu")
    assert said["outputs"]["recording"]["shown"] == len(read(out)[0])
    assert f"{out}: recorded" in printed.err


def test_several_outputs_at_once(clip: Path, tmp_path: Path) -> None:
    raw, sent, out = (tmp_path / name for name in ("raw.yuv", "sent.ts", "out.mkv"))
    outputs = ("--virtual-camera", raw, "--stream", sent, "--record", out, "--quiet")
    assert run("--camera", clip, *outputs, "--style", "aa,bb", "--tour", "1", "--duration", "1.5") == 0
    assert raw.stat().st_size % (64 * 48 * 3 // 2) == 0
    assert len(read(sent)[0]) > 0
    assert len(read(out)[0]) > 0


def test_equal_weights_are_a_mix_and_names_alone_are_none() -> None:
    for asked, begins in (("aa:1,bb:1", "aa:0.5+bb:0.5"), ("aa,bb", "aa")):
        options = argparse.Namespace(
            style=asked, strength=1.0, device="cpu", engine="eager", strokes=1.0, canvas=0.0
        )
        palette, names, _ = palette_of(options)
        assert (palette.name, names) == (begins, ["aa", "bb"])


@pytest.mark.parametrize("given", [["--port", "0"], ["--host", "127.0.0.1"], ["--certificate", "a", "b"]])
def test_who_names_a_place_for_the_page_wants_it(given: list[str]) -> None:
    parser = argparse.ArgumentParser()
    live.add_arguments(parser)
    assert live._places(parser.parse_args(["--record", "out.mkv", *given])) == (False, True)
    assert live._places(parser.parse_args(["--record", "out.mkv"])) == (False, False)


def test_the_rate_asked_for_is_asked_of_a_browser_too() -> None:
    parser = argparse.ArgumentParser()
    live.add_arguments(parser)
    options = parser.parse_args(["--camera", "browser", "--fps", "60", "--camera-size", "5760x2880"])
    assert camera_of(options, True).info.rate == 60


def test_nothing_is_opened_where_the_recording_cannot_be(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "there.mkv").touch()
    raw = tmp_path / "raw.yuv"
    assert run("--camera", clip, "--virtual-camera", raw, "--record", tmp_path / "there.mkv") == 1
    assert not raw.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_live_has_the_canvas_of_stills_and_video_none() -> None:
    for command, canvas in (("live", 0.5), ("image", 0.5), ("video", 0.0)):
        parser = argparse.ArgumentParser()
        import_module(f"rtstyle.cli.{command}").add_arguments(parser)
        places = {"live": [], "image": ["in.png", "out.png"], "video": ["in.mp4", "out.mp4"]}[command]
        assert parser.parse_args(places).canvas == canvas
        assert parser.parse_args([*places, "--canvas", "0.25"]).canvas == 0.25


def test_a_recording_that_breaks_is_an_error_at_the_end(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.partial.mkv").symlink_to("/dev/full")
    recorded = ("--record", tmp_path / "out.mkv", "--duration", "0.5")
    assert run("--camera", clip, *recorded, "--style", "aa", "--size", "48") == 1
    assert "is the disk full?" in capsys.readouterr().err


def test_interrupting_finishes_the_files(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = LiveSession._step
    steps = 0

    def interrupted(self: LiveSession, *arguments: Any) -> None:
        nonlocal steps
        step(self, *arguments)
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(LiveSession, "_step", interrupted)
    out, figures = tmp_path / "out.mkv", tmp_path / "stats.json"
    assert run("--camera", clip, "--style", "aa", "--record", out, "--stats", figures) == 130
    assert len(read(out)[0]) == 3
    assert json.loads(figures.read_text())["frames_out"] == 3
    assert capsys.readouterr().err.endswith("rtstyle: interrupted\n")


def test_a_window_has_the_main_thread(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Fake:
        def __init__(self, session: LiveSession) -> None:
            self.session = session

        def run(self) -> None:
            seen.append(threading.current_thread().name)
            assert self.session.latest(0, timeout=60) is not None
            self.session.do("quit")

    monkeypatch.setattr(window, "Window", Fake)
    monkeypatch.setattr(window, "why_no_window", lambda: None)
    assert run("--camera", clip, "--style", "aa", "--quiet") == 0
    assert seen == [threading.main_thread().name]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--camera", "no.mp4", "--record", "o.mkv"], "--camera no.mp4: no such file"),
        (["--camera", "/dev/video98", "--record", "o.mkv"], "camera /dev/video98"),
        (["--camera", "synthetic", "--record", "o.txt"], "a recording ends in .mkv"),
        (
            ["--camera", "synthetic", "--record", "o.mkv", "--fps", "0"],
            "--fps 0.0; allowed are numbers above 0",
        ),
        (["--camera", "synthetic", "--record", "o.mkv", "--duration", "-1"], "--duration -1.0"),
        (["--camera", "synthetic", "--record", "o.mkv", "--size", "x"], "size 'x' is not understood"),
        (["--camera", "synthetic", "--record", "o.mkv", "--tour", "3"], "a tour needs two styles"),
        (["--camera", "synthetic", "--virtual-camera", "/dev/video98"], "no virtual camera /dev/video98"),
        (["--window"], "no window: there is no way"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(window, "why_no_window", lambda: "no window: there is no way")
    assert run("--style", "aa", *arguments) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    assert not list(tmp_path.iterdir())


def test_doctor_names_cameras(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from fractions import Fraction

    from rtstyle.media import camera
    from rtstyle.media.v4l2 import Device, Mode

    modes = tuple(Mode("MJPG", width, width * 9 // 16, Fraction(30)) for width in (1280, 640))
    found = [Device("/dev/video0", "Eye", modes), Device("/dev/video2", "Shut")]
    monkeypatch.setattr(camera, "list_cameras", lambda: found)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cameras"] == [
        "/dev/video0 Eye (MJPG 1280x720 at 30; 1 more)",
        "/dev/video2 Shut (cannot be asked: in use, or no permission)",
    ]


class Silent(Source):
    """A camera that gives no frame."""

    info = VideoInfo(64, 48, Fraction(30))

    def __iter__(self) -> Iterator[Frame]:
        return iter(())

    def close(self) -> None:
        pass


def test_no_frame_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.media.camera.open_camera", lambda *_: Silent())
    assert run("--camera", "7", "--record", tmp_path / "out.mkv", "--style", "aa") == 1
    assert "no frame came from --camera 7" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
