"""Ends of a live run: virtual camera, network stream, window; and its figures."""

import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.live import stats as stats_module
from rtstyle.live import stream, virtual_camera, window
from rtstyle.live.stats import Series, Stats
from rtstyle.live.stream import StreamOutput
from rtstyle.live.virtual_camera import ForeignCamera, open_virtual_camera
from rtstyle.live.window import KEYS, Window, drawn_over, why_no_window
from tests.media import numbered, numbers, read, times

INFO = VideoInfo(64, 48, Fraction(30))


def frame(number: int, time: Fraction = Fraction(1000), width: int = 64, height: int = 48) -> Frame:
    return Frame(torch.from_numpy(numbered(number, width, height)).permute(2, 0, 1), time)


def test_a_virtual_camera_gets_raw_frames_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "video10.yuv"
    camera = open_virtual_camera(str(path), INFO)
    red = torch.zeros(3, 48, 64, dtype=torch.uint8)
    red[0] = 255
    for image in (frame(0b10101010).image, red):
        camera.show(Frame(image, Fraction(5)))
    camera.close()
    planes = np.frombuffer(path.read_bytes(), np.uint8).reshape(2, 48 * 64 * 3 // 2)
    luma = planes[0, : 48 * 64].reshape(48, 64)
    assert set(luma[:, 4]) == {235}, "white in limited range"
    assert set(luma[:, 12]) == {16}
    y, u, v = (int(planes[1, at]) for at in (0, 48 * 64, 48 * 64 * 5 // 4))
    assert (abs(y - 81) <= 1, abs(u - 90) <= 1, abs(v - 240) <= 1) == (True, True, True), "red of BT.601"


def test_a_virtual_camera_through_a_pipe(tmp_path: Path) -> None:
    """A reader that opens late and reads as frames come, as a program with a camera does."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    camera = open_virtual_camera(str(path), INFO)
    for _ in range(3):
        camera.show(frame(1))
    camera.close()
    reader.join(60)
    assert [len(data) for data in got] == [3 * 48 * 64 * 3 // 2]


def test_odd_sides_lose_a_pixel(tmp_path: Path) -> None:
    path = tmp_path / "raw.yuv"
    camera = open_virtual_camera(str(path), VideoInfo(65, 49, Fraction(30)))
    camera.show(frame(3, width=65, height=49))
    camera.close()
    assert path.stat().st_size == 48 * 64 * 3 // 2


def test_a_virtual_camera_is_not_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes.yuv").write_text("mine")
    with pytest.raises(RtstyleError, match="is a file; a virtual camera is a device"):
        open_virtual_camera(str(tmp_path / "notes.yuv"), INFO)
    assert (tmp_path / "notes.yuv").read_text() == "mine"
    with pytest.raises(RtstyleError, match=r"no virtual camera .*auto: load one with"):
        open_virtual_camera(str(tmp_path / "auto"), INFO)
    assert not (tmp_path / "auto").exists()


def test_a_missing_virtual_camera_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RtstyleError, match="no virtual camera /dev/video99: load one with 'sudo modprobe"):
        open_virtual_camera("/dev/video99", INFO)
    with pytest.raises(RtstyleError, match="no virtual camera /dev/video99: load one"):
        open_virtual_camera("99", INFO)
    with pytest.raises(RtstyleError, match="is it a v4l2loopback device"):
        open_virtual_camera("/dev/null", INFO)
    monkeypatch.setattr(virtual_camera.sys, "platform", "darwin")
    with pytest.raises(RtstyleError, match=r"pip install 'rtstyle\[virtual-camera\]'"):
        open_virtual_camera("auto", INFO)


def test_other_systems_get_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[np.ndarray] = []

    class Camera:
        def __init__(self, width: int, height: int, fps: float, device: str | None) -> None:
            assert (width, height, fps, device) == (64, 48, 30.0, None)

        def send(self, picture: np.ndarray) -> None:
            sent.append(picture)

        def close(self) -> None:
            sent.append(np.zeros(0))

    monkeypatch.setitem(virtual_camera.sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Camera))
    camera = ForeignCamera("auto", INFO)
    camera.show(frame(9))
    camera.close()
    assert np.array_equal(sent[0], numbered(9))
    assert len(sent) == 2


@pytest.mark.parametrize("name", ["out.ts", "out.flv"])
def test_a_stream_plays_at_true_times(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    output = StreamOutput(str(path), INFO)
    offsets = [Fraction(0), Fraction(1, 10), Fraction(2)]
    for number, offset in enumerate(offsets):
        output.show(frame(number, 1000 + offset))
    output.close()
    frames, _ = read(path)
    assert numbers(frames) == [0, 1, 2]
    begin = frames[0].time
    assert [float(time - begin) for time in times(frames)] == pytest.approx([0, 0.1, 2], abs=0.001)


def test_a_new_viewer_waits_two_seconds_however_slow_frames_come(tmp_path: Path) -> None:
    output = StreamOutput(str(tmp_path / "sent.ts"), INFO)
    for number in range(40):
        output.show(frame(1, 1000 + Fraction(number, 5)))
    output.close()
    with av.open(str(tmp_path / "sent.ts")) as container:
        sent = [packet for packet in container.demux(video=0) if packet.size]
        keys = [float((packet.pts - sent[0].pts) * packet.time_base) for packet in sent if packet.is_keyframe]
    assert keys == pytest.approx([0, 2, 4, 6], abs=0.01)


def test_a_frozen_receiver_holds_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refused(url: str, *given: object, **named: object) -> None:
        asked.append(url)
        raise OSError("refused")

    monkeypatch.setattr(stream.av, "open", refused)
    for url in ("tcp://host:1", "tcp://host:1?listen=0", "rtmp://host/live"):
        with pytest.raises(RtstyleError):
            StreamOutput(url, INFO)
    assert asked == [
        "tcp://host:1?timeout=5000000",
        "tcp://host:1?listen=0&timeout=5000000",
        "rtmp://host/live",
    ]


def test_a_stream_that_is_lost_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(stream, "monotonic", lambda: now)
    said: list[str] = []
    output = StreamOutput(str(tmp_path / "one.ts"), INFO, said.append)
    output.show(frame(1))

    def lost(picture: Frame) -> None:
        raise av.error.BrokenPipeError(32, "Broken pipe")

    send = output._send
    monkeypatch.setattr(output, "_send", lost)
    output.show(frame(2))
    monkeypatch.setattr(output, "_send", send)
    output.show(frame(3))  # too soon
    output._url = "tcp://127.0.0.1:1"
    now = 3.0
    output.show(frame(4))  # nobody is there
    output._url = str(tmp_path / "two.ts")
    now = 6.0
    output.show(frame(5))
    output.close()
    assert [line.split(" is ")[1] for line in said] == ["lost (Broken pipe); trying again", "back"]
    assert numbers(read(tmp_path / "two.ts")[0]) == [5]


def test_a_stream_to_nobody_is_one_line_without_its_key() -> None:
    with pytest.raises(RtstyleError, match=r"^cannot stream to rtmp://127.0.0.1:1 \(.*\); is a receiver"):
        StreamOutput("rtmp://name:word@127.0.0.1:1/live/secret-key", INFO)


class FakeGui:
    """OpenCV's window functions, without a window; gives keys one after another."""

    WINDOW_NORMAL, WINDOW_KEEPRATIO, WND_PROP_VISIBLE = 0, 0, 4

    def __init__(self, keys: str = "", visible: float = 1) -> None:
        self.keys = list(keys)
        self.visible = visible
        self.shown: list[np.ndarray] = []
        self.destroyed = False

    def namedWindow(self, title: str, flags: int) -> None: ...
    def resizeWindow(self, title: str, width: int, height: int) -> None: ...

    def imshow(self, title: str, picture: np.ndarray) -> None:
        self.shown.append(picture)

    def waitKeyEx(self, wait: int) -> int:
        return ord(self.keys.pop(0)) if self.keys else -1

    def getWindowProperty(self, title: str, what: int) -> float:
        return self.visible

    def destroyAllWindows(self) -> None:
        self.destroyed = True


class FakeSession:
    """What a window uses of a session; ends with `quit`."""

    def __init__(self) -> None:
        self.source = SimpleNamespace(info=INFO)
        self.palette = SimpleNamespace(strength=0.95, name="a")
        self.stats = Stats()
        self.notes: list[tuple[int, str]] = []
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.ended = False

    def latest(self, after: int, timeout: float) -> tuple[int, Frame, Frame]:
        return after + 1, frame(1), frame(2)

    def do(self, action: str, **arguments: Any) -> None:
        self.done.append((action, arguments))
        self.ended = action == "quit"
        if action == "number" and arguments["n"] > 3:
            raise RtstyleError("there is no such style")

    def say(self, line: str) -> None:
        self.notes.append((len(self.notes) + 1, line))

    def state(self) -> dict[str, Any]:
        return {
            "styles": [{"name": name, "title": name} for name in "abc"], "mix": {"c": 1.0}, "split": None,
            "tour": 0, "strength": 0.95, "canvas": 0.0, "size": [64, 48], "stats": self.stats.recent(),
        }  # fmt: skip


def test_a_window_shows_frames_and_obeys_keys() -> None:
    gui, session = FakeGui("n2+vks]Q"), FakeSession()
    Window(session, gui).run()  # type: ignore[arg-type]
    assert session.done == [
        ("next", {}), ("number", {"n": 2}), ("strength", {"value": 1.0}),
        ("travel", {"to": "a", "seconds": 2.0}), ("canvas", {"value": 0.5}),
        ("split", {}), ("split", {"position": 0.55}), ("quit", {}),
    ]  # fmt: skip
    assert np.array_equal(gui.shown[0], numbered(2))
    assert gui.destroyed
    assert session.stats.as_dict()["outputs"]["window"]["shown"] == 8


def test_closing_the_window_ends_the_session() -> None:
    session = FakeSession()
    Window(session, FakeGui(visible=0)).run()  # type: ignore[arg-type]
    assert session.done == [("quit", {})]


def test_help_and_notes_are_drawn_over_the_picture() -> None:
    gui, session = FakeGui("hhq"), FakeSession()
    Window(session, gui).run()  # type: ignore[arg-type]
    plain, helped, again = gui.shown
    assert not np.array_equal(plain, helped)
    assert np.array_equal(plain, again)
    gui, session = FakeGui("9xq"), FakeSession()
    Window(session, gui).run()  # type: ignore[arg-type]
    assert session.notes == [(1, "there is no such style")]
    assert not np.array_equal(gui.shown[0], gui.shown[1]), "an error is shown, not raised"


def test_arrows_and_the_keypad_are_no_letters() -> None:
    """Cut to 8 bits, as waitKey gives them, X11's left arrow is a Q and the key of squares a digit."""
    session = FakeSession()
    window = Window(session, FakeGui())  # type: ignore[arg-type]
    for code in (0xFF51, 0x10FF53, 0x250000, 0xFFB2, 0xB2, 0xFF52, 0xFFE1, 0x100000 + ord("f")):
        window.press(code)
    assert session.done == [
        ("previous", {}), ("next", {}), ("previous", {}), ("number", {"n": 2}), ("freeze", {}),
    ]  # fmt: skip


def test_counts_are_forgotten_without_anyone_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("rtstyle.live.stats.monotonic", lambda: now[0])
    stats = Stats()
    for number in range(3000):
        now[0] = number / 30
        stats.frame(0.01, number, {})
    assert len(stats._counts) < 200
    assert stats.as_dict()["frames_out"] == 3000


def test_every_key_does_one_thing() -> None:
    keys = "".join(each for each, _, _ in KEYS) + "h?123456789"
    assert len(keys) == len(set(keys))


def test_text_lies_on_a_darkened_box() -> None:
    picture = np.full((360, 640, 3), 200, np.uint8)
    drawn = drawn_over(picture, ["one", "two"])
    assert drawn.max() > 200
    assert drawn.min() < 100
    assert (picture == 200).all()
    assert (drawn[-50:] == 200).all()
    assert drawn_over(picture, []) is picture


@pytest.mark.parametrize(
    ("gui", "environment", "says"),
    [
        ("NONE", {"DISPLAY": ":0"}, "headless build"),
        ("QT5", {}, "DISPLAY is not set;"),
        ("QT5", {"WAYLAND_DISPLAY": "wayland-0"}, "Wayland needs XWayland"),
    ],
)
def test_a_window_that_cannot_be_is_said_before(
    monkeypatch: pytest.MonkeyPatch, gui: str, environment: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"  GUI:                           {gui}\n")
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    reason = why_no_window()
    assert reason is not None
    assert says in reason


@pytest.mark.parametrize(("code", "says"), [(0, None), (-6, "the display :7 does not answer")])
def test_a_display_is_tried_in_another_process(
    monkeypatch: pytest.MonkeyPatch, code: int, says: str | None
) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GUI: QT5")
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(window.subprocess, "run", lambda *a, **k: SimpleNamespace(returncode=code))
    reason = why_no_window()
    assert reason == says if says is None else says in str(reason)


def test_percentiles_of_a_long_run_are_exact_to_a_percent() -> None:
    series = Series()
    for number in range(1, 10_001):
        series.add(number / 10_000, now=number)
    whole = series.whole()
    assert whole == {
        "p50": pytest.approx(500, rel=0.011), "p95": pytest.approx(950, rel=0.011),
        "p99": pytest.approx(990, rel=0.011), "max": 1000,
    }  # fmt: skip
    assert len(series._recent) <= 6, "a long run takes no more memory than a short one"
    assert series.recent(10_000)["p50"] == pytest.approx(999.7, abs=0.2)
    assert series.recent(20_000) == {"p50": 0, "p95": 0, "p99": 0, "max": 0}
    assert Series().whole()["p99"] == 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = 100.0
    monkeypatch.setattr(stats_module, "monotonic", lambda: now)

    def go(seconds: float) -> None:
        nonlocal now
        now += seconds

    return go


def test_figures_of_a_run_and_of_its_last_seconds(clock: Callable[[float], None]) -> None:
    stats = Stats()
    for number in range(1, 101):  # ten seconds: 10 restyled a second of 30, then 20 ms late
        clock(0.1)
        stats.frame(0.02, 3 * number, {"restyle": 0.01})
    stats.shown("window", 0.03)
    stats.dropped("window", 4)
    stats.end()
    clock(50)
    whole = stats.as_dict()
    assert (whole["frames_in"], whole["frames_out"], whole["dropped"]) == (298, 100, 198), "from the first"
    assert (whole["seconds"], whole["fps_in"], whole["fps_out"]) == (9.9, 30, 10)
    assert whole["latency_ms"]["p50"] == pytest.approx(20, rel=0.011)
    assert whole["stages_ms"]["restyle"]["p95"] == pytest.approx(10, rel=0.011)
    assert whole["outputs"]["window"]["shown"] == 1
    assert whole["outputs"]["window"]["dropped"] == 4
    assert stats.recent()["fps_out"] == 0, "nothing came for a while"


def test_the_seconds_begin_with_the_first_picture(clock: Callable[[float], None]) -> None:
    stats = Stats()
    clock(60)  # loading, compiling, nobody at the camera
    assert stats.recent()["seconds"] == stats.as_dict()["seconds"] == 0
    for number in range(100, 121):
        stats.frame(0.02, number, {})
        clock(0.1)
    whole = stats.as_dict()
    assert (whole["frames_in"], whole["frames_out"], whole["dropped"]) == (21, 21, 0)
    assert whole["seconds"] == pytest.approx(2.1)


def test_what_several_recordings_lost_adds_up() -> None:
    stats = Stats()
    for lost in (3, 0, 2):
        stats.dropped("recording", lost)
    stats.shown("recording", 0.1)
    assert stats.as_dict()["outputs"]["recording"]["dropped"] == 5


def test_recent_figures_count_five_seconds(clock: Callable[[float], None]) -> None:
    stats = Stats()
    for number in range(1, 251):
        clock(1 if number <= 50 else 0.05)
        stats.frame(1.0 if number <= 50 else 0.004, number, {})
    recent = stats.recent()
    assert recent["fps_out"] == pytest.approx(20, rel=0.01)
    assert recent["latency_ms"]["p50"] == 4
    assert recent["frames_out"] == 250


def test_a_stream_says_its_colours(tmp_path: Path) -> None:
    """Of what is not marked receivers make BT.601, whatever its size."""
    info = VideoInfo(64, 720, Fraction(30), sample_aspect_ratio=Fraction(2))
    output = StreamOutput(str(tmp_path / "sent.flv"), info)
    for number in range(3):
        output.show(frame(number, 1000 + Fraction(number, 30), 64, 720))
    output.close()
    with av.open(str(tmp_path / "sent.flv")) as container:
        first = next(container.decode(video=0))
        assert (int(first.colorspace), int(first.color_range)) == (1, 1)
        assert container.streams.video[0].sample_aspect_ratio == 2
