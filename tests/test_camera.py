"""Cameras without a camera: a fake of OpenCV's capture, a folder like /sys/class/video4linux."""

import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtstyle.errors import RtstyleError
from rtstyle.media import camera, v4l2
from rtstyle.media.camera import Camera
from rtstyle.media.v4l2 import Device, Mode, list_devices
from rtstyle.threads import latest


class Plug:
    """A fake camera; each opening asks `openings` what to do: give so many frames, or not open."""

    def __init__(self, *openings: int | None) -> None:
        self.openings = list(openings)
        self.captures: list[Capture] = []
        self.devices: list[str] = []

    def __call__(self, device: str) -> "Capture":
        self.devices.append(device)
        self.captures.append(Capture(self.openings.pop(0) if self.openings else None))
        return self.captures[-1]


class Capture:
    size = (64, 48)

    def __init__(self, frames: int | None) -> None:
        self.left = frames
        self.opened = frames is not None
        self.settings: list[tuple[int, float]] = []
        self.stamp = 0.0

    def isOpened(self) -> bool:
        return self.opened

    def set(self, setting: int, value: float) -> bool:
        self.settings.append((setting, value))
        return True

    def get(self, setting: int) -> float:
        return {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_POS_MSEC: self.stamp}[setting]

    def grab(self) -> bool:
        self.left = (self.left or 0) - 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        picture = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        picture[:, :, 2] = 200  # red, in OpenCV's order
        return True, picture

    def read(self) -> tuple[bool, Any]:
        return self.retrieve() if self.grab() else (False, None)

    def release(self) -> None:
        self.opened = False


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = threading.active_count()
    monkeypatch.setattr(camera, "_RETRY", 0.0)
    monkeypatch.setattr(camera, "list_cameras", list)
    yield
    assert threading.active_count() == before


def plugged(monkeypatch: pytest.MonkeyPatch, *openings: int | None) -> Plug:
    plug = Plug(*openings)
    monkeypatch.setattr(camera, "open_capture", plug)
    return plug


def test_frames_are_rgb_and_stamped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "moment", lambda: Fraction(100))
    plug = plugged(monkeypatch, 4)
    with Camera("0", (None, 480), 30) as source:
        plug.captures[0].stamp = 99_980.0
        first = next(iter(source))
        plug.captures[0].stamp = 5.0  # a clock of its own
        second = next(iter(source))
    assert first.image.shape == (3, 48, 64)
    assert first.image[:, 0, 0].tolist() == [200, 0, 0]
    assert (first.time, second.time) == (Fraction("99.98"), 100)
    assert (source.info.width, source.info.height, source.info.rate, source.info.length) == (64, 48, 25, None)
    settings = [setting for setting, _ in plug.captures[0].settings]
    order = ["FOURCC", "FRAME_WIDTH", "FRAME_HEIGHT", "FPS", "BUFFERSIZE"]
    assert settings == [getattr(cv2, f"CAP_PROP_{name}") for name in order]
    assert not plug.captures[0].isOpened()


def test_a_camera_unplugged_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Device("/dev/video0", "Eye")]
    monkeypatch.setattr(camera, "list_cameras", lambda: there)
    plug = plugged(monkeypatch, 3, None, None, 3)
    notes: list[str] = []
    with Camera() as source:
        source.listener = notes.append
        frames = iter(source)
        assert len(list(islice(frames, 2))) == 2
        there[:] = [Device("/dev/video1", "Other"), Device("/dev/video2", "Eye")]
        Capture.size = (32, 24)  # it comes back with another size
        try:
            assert next(frames).image.shape == (3, 48, 64)
        finally:
            Capture.size = (64, 48)
    assert notes == ["camera 0 (Eye) is gone; waiting for it", "camera 0 (Eye) is back"]
    assert plug.devices == ["0", "/dev/video2", "/dev/video2", "/dev/video2"]


def test_a_missed_picture_is_no_unplugging(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = plugged(monkeypatch, 9)
    with Camera() as source:
        grabs = iter([True, False, False, True])
        monkeypatch.setattr(plug.captures[0], "grab", lambda: next(grabs))
        assert len(list(islice(source, 2))) == 2
    assert len(plug.captures) == 1


def test_waiting_ends_with_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, 2)
    monkeypatch.setattr(camera, "_RETRY", 1000.0)
    gone = threading.Event()
    source = Camera()
    source.listener = lambda line: gone.set()
    with latest(source) as frames:
        next(iter(frames))
        assert gone.wait(60)


def test_no_camera_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugged(monkeypatch)
    with pytest.raises(RtstyleError, match="no camera 77; no camera was found; 'synthetic' or a video file"):
        Camera("77")
    monkeypatch.setattr(camera, "list_cameras", lambda: [Device("/dev/video3", "Eye")])
    with pytest.raises(RtstyleError, match=re.escape("no camera 77; cameras found: /dev/video3 (Eye)")):
        Camera("77")


def test_busy_and_forbidden_cameras_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugged(monkeypatch)
    device = tmp_path / "video0"
    device.touch()
    with pytest.raises(RtstyleError, match="in use by another program"):
        Camera(str(device))

    def refuse(*arguments: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(camera.os, "open", refuse)
    with pytest.raises(RtstyleError, match="permission denied; add yourself to its group"):
        Camera(str(device))


def test_a_camera_that_gives_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = plugged(monkeypatch, 0)
    with pytest.raises(RtstyleError, match="opens but gives no picture"):
        Camera()
    assert not plug.captures[0].isOpened()


def test_cameras_are_listed_in_order_with_modes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, title in {"video10": "Ten", "video2": "Two", "video3": "Metadata", "v4l-subdev0": "No"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(f"{title}\n")
    modes = {"/dev/video2": (Mode("MJPG", 1280, 720, Fraction(30)),), "/dev/video3": None}

    def ask(path: str) -> Any:
        if path not in modes:
            raise PermissionError
        return modes[path]

    monkeypatch.setattr(v4l2, "_ask", ask)
    found = list_devices(tmp_path)
    assert [(each.path, each.name) for each in found] == [("/dev/video2", "Two"), ("/dev/video10", "Ten")]
    assert str(found[0].modes[0]) == "MJPG 1280x720 at 30"
    assert found[1].modes == ()


def test_modes_are_read_from_the_drivers_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers packed as linux/videodev2.h lays them out: one format, a discrete size, a stepwise one."""
    import struct

    code = int.from_bytes(b"MJPG", "little")
    sizes = [
        struct.pack("<3I2I16x8x", 0, code, 1, 640, 480),
        struct.pack("<3I6I8x", 1, code, 3, 16, 1920, 8, 16, 1080, 8),
    ]

    def control(handle: int, direction: str, number: int, data: bytes) -> bytes:
        place = struct.unpack_from("<I", data)[0]
        if number == 2 and place == 0:
            return struct.pack("<III32sI16x", 0, 1, 0, b"Motion-JPEG", code)
        if number == 74 and place < 2:
            assert struct.unpack_from("<I", data, 4)[0] == code
            return sizes[place]
        if number == 75 and place == 0 and struct.unpack_from("<2I", data, 8) == (640, 480):
            return struct.pack("<5I2I16x8x", 0, code, 640, 480, 1, 1, 30)
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(v4l2, "_control", control)
    assert list(v4l2._modes(3)) == [Mode("MJPG", 640, 480, Fraction(30)), Mode("MJPG", 1920, 1080, None)]
