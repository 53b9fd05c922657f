"""Cameras: frames stamped when they were taken, and what to do when there is none."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

# OpenCV waits ten seconds for a frame of a V4L2 camera otherwise; read when the camera is opened.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")

import cv2
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.media.hush import hush_opencv
from rtstyle.media.realtime import NetworkStream, RealTime, moment
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.v4l2 import Device, list_devices

hush_opencv()

_RETRY = 0.5  # seconds between looks for a camera that went away
_MISSES = 3  # reads in a row that give nothing before a camera counts as gone
_DRAWN_SECONDS = 3600  # of the drawn scene before it begins again


def list_cameras() -> list[Device]:
    """The cameras of this machine, with the sizes and rates they offer; empty where none can be listed.

    Only Linux tells without opening them.
    """
    return list_devices() if sys.platform == "linux" else []


def open_camera(spec: str, size: tuple[int | None, int] | None = None, rate: float = 30) -> Source:
    """A live source: frames stamped on time.monotonic, `info.length` None.

    Args:
        spec: a camera ("0", "/dev/video0"), a network address ("rtsp://..."), a video file, which is
            played in real time and looped, or "synthetic", the drawn scene.
        size: (width or None, height) to ask a camera for, and to make a file, a stream or the drawn scene.
        rate: frames a second to ask a camera for, and to draw.

    Raises RtstyleError where there is no such thing.
    """
    if spec == "synthetic":
        height = size[1] if size else 360
        width = (size[0] if size else None) or 16 * height // 9
        drawn = SyntheticSource(width, height, Fraction(rate).limit_denominator(1001), _DRAWN_SECONDS)
        return RealTime(drawn)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", spec):
        return NetworkStream(spec, size)
    if spec.isdecimal() or spec.startswith("/dev/"):
        return Camera(spec, size, rate)
    if not Path(spec).exists():
        raise RtstyleError(
            f"--camera {spec}: no such file; allowed are a camera's number or path, a video file, an address"
            f" (rtsp://...) and 'synthetic'; {_found()}"
        )
    return RealTime(spec, size=size)


class Camera(Source):
    """A camera by OpenCV: the newest frames, as MJPEG where it offers that.

    USB carries 640x480 at 30 frames a second raw and little more; as MJPEG, 1080p. So the format is set
    first, then the size, then the rate: drivers choose the one after for the ones before. When it is
    unplugged, iterating waits until it is there again, under whatever number, and goes on.

    Args:
        device: a number or a path, ``0`` or ``/dev/video0``.
        size: (width or None, height) to ask for; the camera may choose another. Its own if None.
        rate: frames a second to ask for.

    Attributes:
        info: what the camera agreed to; frames have its size even when it comes back with another.
        listener: told when the camera goes and comes back, a line each.

    Raises RtstyleError for a camera that is missing, busy or not allowed, naming those there are.
    """

    def __init__(
        self, device: str | int = 0, size: tuple[int | None, int] | None = None, rate: float = 30
    ) -> None:
        self._device = str(device)
        self._size = None if size is None else (size[0] or 16 * size[1] // 9, size[1])
        self._rate = rate
        self._name = _name_of(self._device)
        self.listener: Callable[[str], None] = lambda line: None
        self._stopped = threading.Event()
        self._capture: Any = self._open(self._device)
        if self._capture is None:
            raise RtstyleError(_why_not(self._device))
        image = self._first()
        height, width = image.shape[1:]
        told = float(self._capture.get(cv2.CAP_PROP_FPS))
        usual = Fraction(told if 1 <= told <= 1000 else rate).limit_denominator(1001)
        self.info = VideoInfo(width, height, usual)

    def __iter__(self) -> Iterator[Frame]:
        misses = 0
        while not self._stopped.is_set():
            frame = self._read()
            if frame is not None:
                misses = 0
                yield frame
                continue
            misses += 1
            if misses >= _MISSES or not self._capture.isOpened():
                self._wait_for_return()
                misses = 0

    def stop(self) -> None:
        """End the iteration; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()

    def _read(self) -> Frame | None:
        try:
            if not self._capture.grab():
                return None
            time = _capture_time(self._capture)
            read, picture = self._capture.retrieve()
        except cv2.error:
            return None
        if not read or picture is None:
            return None
        return Frame(self._fitted(picture), time)

    def _first(self) -> torch.Tensor:
        """A picture, to learn the true size; some cameras need a few reads to start."""
        for _ in range(_MISSES):
            read, picture = self._capture.read()
            if read and picture is not None:
                return _to_tensor(picture)
        self._capture.release()
        raise RtstyleError(
            f"camera {self._device} opens but gives no picture; is its shutter or cable right?"
        )

    def _fitted(self, picture: Any) -> torch.Tensor:
        size = (self.info.width, self.info.height)
        if picture.shape[1::-1] != size:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return _to_tensor(picture)

    def _wait_for_return(self) -> None:
        label = f"camera {self._device}{f' ({self._name})' if self._name else ''}"
        self.listener(f"{label} is gone; waiting for it")
        self._capture.release()
        while not self._stopped.wait(_RETRY):
            if (capture := self._open(self._find())) is not None:
                self._capture = capture
                self.listener(f"{label} is back")
                return

    def _find(self) -> str:
        """The camera of the same name where it has another number now."""
        cameras = list_cameras()
        if self._name and not any(_same(camera, self._device) for camera in cameras):
            for camera in cameras:
                if camera.name == self._name:
                    return camera.path
        return self._device

    def _open(self, device: str) -> Any:
        """An opened cv2.VideoCapture, or None."""
        capture = open_capture(device)
        if not capture.isOpened():
            capture.release()
            return None
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if self._size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        capture.set(cv2.CAP_PROP_FPS, self._rate)
        # The oldest frames are read first: keep few. With one, the driver has none while that is decoded.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture


def open_capture(device: str) -> Any:
    """cv2.VideoCapture of a device by number or path, opened or not."""
    if sys.platform == "linux":
        return cv2.VideoCapture(_path_of(device), cv2.CAP_V4L2)
    return cv2.VideoCapture(int(device) if device.isdecimal() else device, cv2.CAP_ANY)


def _capture_time(capture: Any) -> Fraction:
    """When the last grabbed frame was taken: the driver's stamp where that is on our clock, else now."""
    now = moment()
    stamp = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
    if sys.platform == "linux" and 0 <= float(now) - stamp < 1:
        return Fraction(round(stamp * 10**6), 10**6)
    return now


def _to_tensor(picture: Any) -> torch.Tensor:
    """BGR bytes (H, W, 3) as RGB (3, H, W), channels last in memory as networks like it."""
    return torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)


def _path_of(device: str) -> str:
    return f"/dev/video{device}" if device.isdecimal() else device


def _same(camera: Device, device: str) -> bool:
    return camera.path == _path_of(device)


def _name_of(device: str) -> str:
    return next((camera.name for camera in list_cameras() if _same(camera, device)), "")


def _why_not(device: str) -> str:
    """One line on a camera that does not open."""
    path = _path_of(device)
    if sys.platform != "linux":
        return f"camera {device} cannot be opened: missing, in use by another program, or not permitted"
    if not Path(path).exists():
        return f"no camera {device}; {_found()}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            return (
                f"camera {path}: permission denied; add yourself to its group: sudo usermod -aG video $USER"
            )
        return f"camera {path} cannot be opened ({error.strerror}); {_found()}"
    return f"camera {path} is in use by another program, or gives no pictures; {_found()}"


def _found() -> str:
    cameras = [f"{camera.path} ({camera.name})" for camera in list_cameras()]
    if cameras:
        return f"cameras found: {', '.join(cameras)}"
    return "no camera was found; 'synthetic' or a video file works without one"
