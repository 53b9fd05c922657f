"""The live picture as a camera for other programs."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import av
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo, to_packed
from rtstyle.live.outputs import Output
from rtstyle.media.color import ColorTags, FromRgb
from rtstyle.media.containers import ffmpeg_name
from rtstyle.media.output import writing
from rtstyle.stylizers.strokes import scaled

_LOAD = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=rtstyle"


def open_virtual_camera(device: str, info: VideoInfo) -> Output:
    """A virtual camera of this system, with the size and rate of `info`.

    Args:
        device: on Linux the path of a v4l2loopback device, or a file for the same bytes (to test with);
            elsewhere the name of the camera of OBS or Unity Capture, or "auto".

    Raises RtstyleError in one line that says what is missing.
    """
    return LoopbackCamera(device, info) if sys.platform == "linux" else ForeignCamera(device, info)


class LoopbackCamera:
    """v4l2loopback on Linux: raw yuv420p frames (BT.601, limited range, as webcams send) by FFmpeg's v4l2.

    Sides are made even, one pixel less where they are odd. A device keeps the size it was first given
    until all who have it open close it.
    """

    name = "virtual camera"

    def __init__(self, device: str, info: VideoInfo) -> None:
        path = Path(f"/dev/video{device}" if device.isdecimal() else device)
        if not path.exists() and (path.parent == Path("/dev") or not path.suffix):
            raise RtstyleError(f"no virtual camera {path}: load one with '{_LOAD}'")
        if path.is_file():
            raise RtstyleError(
                f"{path}: is a file; a virtual camera is a device, or a new file ending in .yuv"
            )
        self._path = path
        self._size = (info.width - info.width % 2, info.height - info.height % 2)
        self._convert = FromRgb(ColorTags.untagged(0), "yuv420p")
        is_device = path.exists() and stat.S_ISCHR(path.stat().st_mode)
        try:
            with writing(path):
                kind = "v4l2" if is_device else "rawvideo"
                self._container = av.open(str(path) if is_device else ffmpeg_name(path), "w", format=kind)
                rate = info.rate.limit_denominator(1001)
                self._stream = self._container.add_stream("rawvideo", rate=rate)
                assert isinstance(self._stream, av.VideoStream)
                self._stream.width, self._stream.height = self._size
                self._stream.pix_fmt = "yuv420p"
                self._container.start_encoding()
        except RtstyleError as error:
            raise RtstyleError(f"{error}; is it a v4l2loopback device that no other program feeds?") from None
        self._written = 0

    def show(self, frame: Frame) -> None:
        width, height = self._size
        picture = self._convert(frame.image[:, :height, :width])
        picture.pts = self._written
        picture.time_base = self._stream.codec_context.time_base
        self._written += 1
        with writing(self._path):
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        with writing(self._path):
            self._container.close()


class ForeignCamera:
    """OBS Virtual Camera (Windows, macOS) or Unity Capture (Windows), by pyvirtualcam."""

    name = "virtual camera"

    def __init__(self, device: str, info: VideoInfo) -> None:
        try:
            import pyvirtualcam
        except ImportError:
            raise RtstyleError(
                "on this system a virtual camera needs an extra: pip install 'rtstyle[virtual-camera]'"
                " (and OBS, whose camera it feeds)"
            ) from None
        self._size = (info.width, info.height)
        name = None if device == "auto" else device
        try:
            self._camera: Any = pyvirtualcam.Camera(*self._size, fps=float(info.rate), device=name)
        except RuntimeError as error:
            raise RtstyleError(f"no virtual camera {device}: {' '.join(str(error).split())}") from None

    def show(self, frame: Frame) -> None:
        image: torch.Tensor = scaled(frame.image, self._size)
        self._camera.send(to_packed(image))

    def close(self) -> None:
        self._camera.close()
