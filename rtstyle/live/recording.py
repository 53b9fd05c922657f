"""A live picture written to a file, each frame at its true time of capture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.media.encoders import choose_encoder
from rtstyle.media.output import make_parent, partial_path
from rtstyle.media.video_writer import VideoFileSink

# Matroska needs no table at its end: cut off anywhere, it plays up to the last second.
SUFFIX = ".mkv"
_SUFFIXES = (SUFFIX, ".mp4", ".m4v", ".mov", ".webm")  # a GIF is drawn at its end, from all it was given
# Seconds. A longer gap is no slow frame but a sleeping machine: the recording goes on without it.
_LONGEST_GAP = 60
# x264 beside a network on the same cores: veryfast costs half as much again for a tenth of the file.
# VP9 keeps up with a camera only so.
_PRESETS = {"h264": "superfast", "vp9": "realtime"}


class Recording:
    """An output that records at variable rate, from time zero, at one size.

    The file grows as ``NAME.partial.ext`` and gets its name when it is finished. A frame of another
    size, from a camera that came back different, is made to fit.

    Args:
        path: not there yet; its extension names the container.
        info: size and usual rate of the frames.
        say: told the file's name when it is complete, and what had to be changed.

    Raises RtstyleError for a path that exists or whose extension cannot be written.
    """

    name = "recording"

    def __init__(self, path: Path, info: VideoInfo, say: Callable[[str], None] = lambda line: None) -> None:
        check_recording(path)
        codec, _ = choose_encoder(path, None)
        self.path = path
        self._preset = _PRESETS.get(codec)
        self._info = replace(info, length=None, time_base=None)
        self._say = say
        self._sink: VideoFileSink | None = None  # opened with the first frame, in the thread that writes
        self._begin = self._last = Fraction(0)  # capture times
        self._broken = False

    def show(self, frame: Frame) -> None:
        """Write a frame; RtstyleError where that fails (a full disk): what was written stays."""
        try:
            if self._sink is None:
                make_parent(self.path)
                self._sink = VideoFileSink(self.path, self._info, preset=self._preset)
                self._begin = self._last = frame.time
            gap = frame.time - self._last
            if gap > _LONGEST_GAP:
                self._begin += gap - 1 / self._info.rate
            self._last = frame.time
            self._sink.write(replace(frame, time=frame.time - self._begin))
        except BaseException:
            self._broken = True
            raise

    def close(self) -> None:
        """Finish the file; after an error leave what there is under its partial name."""
        if self._sink is None:
            return
        if self._broken:
            self._sink.abandon()
            return
        self._sink.close()
        for line in [*self._sink.notes, "recorded"]:
            self._say(f"{self.path}: {line}")


def check_recording(path: Path) -> None:
    """Raise RtstyleError for a path that exists or whose extension cannot be written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise RtstyleError(f"{path}: a recording ends in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}")
    if path.exists():
        raise RtstyleError(f"{path}: exists already; record under another name")
    if (partial := partial_path(path)).is_file():  # all that is left of it
        raise RtstyleError(f"{partial}: is left from an earlier recording; rename or remove it first")


def timed_path(folder: Path, ending: str) -> Path:
    """A new file's path, named by the present time to the millisecond: ``2026-01-31_12-00-00.000ENDING``."""
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S.%f}"
    return folder / f"{now[:-3]}{ending}"
