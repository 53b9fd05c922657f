"""An open video file, its pictures decoded from wherever they are asked for, by the processor or a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import torch

from rtstyle.errors import RtstyleError
from rtstyle.media import nvdec
from rtstyle.media.containers import open_media, picture_stream, start_of
from rtstyle.media.decoding import Damage, decode

# How far before the asked start to look for a key frame, seconds; then from the beginning.
_RUN_UPS = (1, 10)


class OpenedVideo:
    """The container and the picture stream of a file; both are others after each call of a ``decode``.

    Attributes:
        container, stream: of PyAV.
        damage: what could not be read or decoded so far.
        gpu: the one that decodes; None: the processor does.
        chroma_left: where the chroma of what a GPU decodes lies (see `nv12`).
        read_from: where the reader was sent to, to find the start; None: the beginning. Seconds.

    Raises:
        RtstyleError: the file can't be opened or holds no pictures.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.gpu: torch.device | None = None
        self.chroma_left = False
        self.read_from: Fraction | None = None
        self._open()

    def _open(self) -> None:
        with nvdec.accelerator(self.gpu) if self.gpu is not None else nullcontext() as hwaccel:
            self.container = open_media(self._path, hwaccel)
        try:
            self.stream = picture_stream(self.container, self._path)
        except BaseException:
            self.container.close()
            raise
        self.damage = Damage()

    def decode(self, start: Fraction | None) -> Iterator[av.VideoFrame]:
        """Frames from a start or from shortly before it; from the beginning where seeking fails.

        Args:
            start: seconds on the file's clock; None: the beginning.
        """
        self.read_from = None
        for run_up in _RUN_UPS:
            # In AVI only the beginning tells by how much frames lag behind their stamps.
            if start is None or self.container.format.name == "avi":
                break
            if start - run_up <= start_of(self.container):
                break
            tick = Fraction(self.stream.time_base or Fraction(1, 90000))
            try:
                self.container.seek(int((start - run_up) / tick), stream=self.stream)
            except av.error.FFmpegError:
                break
            self.damage = Damage()
            frames = decode(self.container, self.stream, self.damage)
            first = next(frames, None)
            time = None if first is None else stamp(first)
            if first is not None and time is not None and time <= start:
                self.read_from = start - run_up
                return chain([first], frames)
        if start is not None:
            self.container.close()
            self._open()
        return decode(self.container, self.stream, self.damage)

    def decode_on(
        self, gpu: torch.device, start: Fraction | None, first: av.VideoFrame, frames: Iterator[av.VideoFrame]
    ) -> tuple[av.VideoFrame, Iterator[av.VideoFrame], str]:
        """The first frame and the others, decoded by a GPU, and an empty line; by the processor and why not,
        where it cannot.

        Args:
            start: as in `decode`.
            first, frames: what the processor decoded.
        """
        why = nvdec.refusal(first)
        if not why:
            self.container.close()
            self.gpu = gpu
            try:
                self._open()
                others = nvdec.in_reach(self.decode(start))
                again = next(others, None)
                why = nvdec.difference(again, first)
                if again is not None and not why:
                    self.chroma_left = bool(nvdec.chroma_left(first))
                    return again, others, ""
                self.container.close()
            except RtstyleError as error:
                why = str(error)
            self.gpu = None
            self._open()
            frames = self.decode(start)
            first = next(frames, first)
        return first, frames, why

    def close(self) -> None:
        self.container.close()


def stamp(frame: av.VideoFrame) -> Fraction | None:
    """Presentation time, seconds."""
    return None if frame.pts is None else frame.pts * Fraction(frame.time_base or 0)
