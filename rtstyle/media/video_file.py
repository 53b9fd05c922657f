"""A video file as a source of frames: upright, RGB, each at its exact time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.media import color, nvdec
from rtstyle.media.claims import expected_length, stated_end, why_nothing
from rtstyle.media.containers import (
    believable_rate,
    is_bare,
    is_broadcast,
    is_cover,
    start_of,
)
from rtstyle.media.decoding import Damage
from rtstyle.media.deinterlace import Deinterlacer
from rtstyle.media.geometry import Orientation, fit
from rtstyle.media.opened import OpenedVideo, stamp
from rtstyle.media.side_data import side_data
from rtstyle.media.span import AskedFrames, Span, asked_span
from rtstyle.media.timing import TimeRepair, say_time

# Broadcast clocks start anywhere: beyond this the start is moved to zero. Others are kept as they are.
_LATEST_START = 10  # seconds


class NoFrame(RtstyleError):
    """Nothing was decoded between the asked start and end."""


class VideoFileSource(Source):
    """Reads one video stream.

    The first frame is decoded on construction: whatever makes a file unusable is raised there.

    Args:
        path: any container FFmpeg reads.
        size: (width or None, height) of the frames, as `geometry.parse_size` returns it.
        start, end: seconds from the beginning of the file; the output's clock then starts at zero.
        device: where the pictures are wanted. A GPU decodes them itself where it can, else `notes` says why
            not; they are ready on its default stream.

    Attributes:
        info: geometry and rate; `VideoInfo.length` is the container's claim, or an estimate.
        color: what a restyled stream should be tagged with.
        span: the part of the file that is read, for whoever copies its other streams.
        notes: what had to be changed or was lost, a sentence each; complete after the last frame.
        loss: the one of them that says what was lost, if any was and the file was read to its end.
        damage: what could not be read or decoded so far.

    Raises:
        RtstyleError: nothing can be decoded.
        NoFrame: the same, of the asked part; raised while it is read.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: tuple[int | None, int] | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.loss: str | None = None
        self._device = device
        self._mended = 0  # time stamps before the asked part
        self._file = OpenedVideo(self.path)
        try:
            self._prepare(size, start, end)
        except BaseException:
            self._file.close()
            raise

    def _prepare(
        self, size: tuple[int | None, int] | None, start: Fraction | None, end: Fraction | None
    ) -> None:
        self._base = Fraction(self._file.stream.time_base or Fraction(1, 90000))
        rate = believable_rate(self._file.container, self._file.stream, self.path)
        span = asked_span(self._file.container, self.path.name, start, end, self._base)
        frames = self._file.decode(span.start)
        first = next(frames, None)
        if first is None:
            raise RtstyleError(f"{self.path}: {why_nothing(self._file.stream, self.damage)}")
        self._orientation = _orientation(first)
        if self._device is not None and self._device.type == "cuda":
            first, frames, why = self._file.decode_on(self._device, span.start, first, frames)
            if why:
                self.notes.append(f"decoded by the processor, not by the GPU: {why}")
        self.span = replace(span, read_from=self._file.read_from)
        self._tags = color.tags_of(first)
        self._first_size = (first.width, first.height)
        self._deinterlacer = Deinterlacer()
        self._repair: TimeRepair[av.VideoFrame] = TimeRepair(1 / rate, self._base)
        even = self._deinterlacer(chain([first], frames))
        timed = self._repair((stamp(frame), frame) for frame in even)
        time, frame = next(timed)
        self._frames = chain([(time, frame)], timed)
        self._move_origin(time)

        width, height = self._orientation.size(*self._first_size)
        aspect = Fraction(self._file.stream.sample_aspect_ratio or 1) or Fraction(1)
        if self._orientation.transpose:
            aspect = 1 / aspect
        if size is not None:
            width, height, aspect = fit(size, width, height, aspect)
        length = expected_length(self._file.container, self._file.stream, self.span, rate)
        self.info = VideoInfo(width, height, rate, length, self._base, aspect)
        self.color = color.tags_for_output(self._tags, height)
        self._note_what_is_special(first)

    def __iter__(self) -> Iterator[Frame]:
        stored = self._orientation.size(self.info.width, self.info.height)
        on_gpu = self._file.gpu is not None
        to_rgb = nvdec.SurfaceToRgb(stored, self._file.chroma_left) if on_gpu else color.ToRgb(stored)
        part = AskedFrames(self.span, self._from_reader())
        count = 0
        captions = False
        other_size: tuple[int, int] | None = None
        for time, frame, until in part:
            if (frame.width, frame.height) != self._first_size:
                other_size = (frame.width, frame.height)
            image = self._orientation.apply(to_rgb(frame, color.tags_of(frame)))
            count += 1
            captions = captions or "A53_CC" in side_data(frame)
            self.damage.flawed += frame.is_corrupt
            if self._device is not None and not image.is_cuda:
                # From pinned memory no thread waits for the copy.
                pinned = image.pin_memory() if self._device.type == "cuda" else image
                image = pinned.to(self._device, non_blocking=True)
            yield Frame(image, time - self.span.origin, None if until is None else until - time)
        if part.whole:
            self.loss = self.loss_of(self.damage, count)
            self.notes += [self.loss] if self.loss else []
        if captions:
            self.notes.append("closed captions inside the picture (CEA-608 or 708): left out")
        if count == 0:
            raise NoFrame(f"{self.path}: no frame lies between the asked start and end")
        if other_size is not None:
            self.notes.append(
                f"the picture changes size to {other_size[0]}x{other_size[1]} on the way;"
                f" all frames are made {self.info.width}x{self.info.height}"
            )
        if self._deinterlacer.used:
            self.notes.append("interlaced input: deinterlaced, one frame for each two fields")
        if to_rgb.saw_alpha:
            self.notes.append("transparent input: composited on black")
        if self.damage.jumps:
            times = "once" if self.damage.jumps == 1 else f"{self.damage.jumps} times"
            self.notes.append(f"the clock jumps {times}; what follows is moved on without a gap")
        if mended := self._repair.mended - self._mended:
            none = f"the file holds no time stamps: frames are placed {float(self.info.rate):.5g} a second"
            some = f"{mended} missing or unordered time stamps were mended"
            self.notes.append(none if mended == count or is_bare(self._file.container) else some)

    def close(self) -> None:
        self._file.close()

    @property
    def damage(self) -> Damage:
        return self._file.damage

    def _from_reader(self) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        """Frames as decoded, with their times; what is mended before the asked part does not count."""
        for time, frame in self._frames:
            if self.span.start is not None and time < self.span.start:
                self._mended = self._repair.mended
            yield time, frame

    def loss_of(self, damage: Damage, count: int) -> str | None:
        """One line on what damage took of a file read to its end, by its own claims; None for a whole one."""
        guess = is_bare(self._file.container) or is_broadcast(self._file.container)
        end = None if guess else stated_end(self._file.container, self._file.stream)
        claimed = 0 if self.span.start is not None else self._file.stream.frames
        return damage.sentence(end, claimed, self.info.rate, count)

    def _move_origin(self, first: Fraction) -> None:
        """Where the output's clock starts: at the file's own zero, unless that makes no sense in a file."""
        begin = min(start_of(self._file.container), first)
        senseless = first < 0 or (is_broadcast(self._file.container) and begin > _LATEST_START)
        if self.span != Span() or not senseless:
            return
        self.span = replace(self.span, origin=round(begin / self._base) * self._base)
        self.notes.append(f"the clock starts at {say_time(begin)}; it is moved to zero")

    def _note_what_is_special(self, first: av.VideoFrame) -> None:
        extra = sum(not is_cover(s) for s in self._file.container.streams.video) - 1
        if extra:
            self.notes.append(f"{extra} more video stream{'s' * (extra > 1)} in the file: left out")
        if self._tags.is_hdr:
            kind = "PQ" if self._tags.transfer == color.PQ else "HLG"
            self.notes.append(f"HDR ({kind}) input: tone-mapped to standard range, BT.709")
        matrix = color.unreadable_matrix(first)
        if matrix is not None:
            self.notes.append(f"colour matrix {matrix} (H.273) can't be read; taken as {self._tags.matrix}")


def _orientation(frame: av.VideoFrame) -> Orientation:
    matrix = side_data(frame).get("DISPLAYMATRIX")
    return Orientation() if matrix is None else Orientation.of_display_matrix(bytes(matrix))  # type: ignore[call-overload]
