"""What a worker does: one segment of a video decoded, restyled and encoded, with nothing of the rest."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import av
from av.packet import Packet
from av.video.frame import PictureType

from rtstyle.cluster.segments import Segment
from rtstyle.frame import Divisible, Frame, Sink, VideoInfo
from rtstyle.media.color import ColorTags
from rtstyle.media.picture_track import PictureTrack
from rtstyle.media.video_file import NoFrame, VideoFileSource
from rtstyle.pipeline import Progress, run

# Frames encoded behind a segment's last one and thrown away. x264 gives a picture the better quality the
# longer others build on it (macroblock tree): with none, the last frames before a seam lost 1 to 2 dB. Made
# real by restyling what follows they would cost the network's time; the last frame again serves as well.
_FOLLOWERS = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What all segments of one video have in common; small and plain, to be sent about."""

    source: Path
    output: str  # name of the file that is made; nothing is written by workers
    info: VideoInfo
    color: ColorTags
    origin: Fraction  # what becomes zero in the output, seconds on the file's clock
    first: Fraction  # time of the first frame of the video in the output
    encoding: tuple[str | None, int | None, str | None]  # codec, crf and preset, as `PictureTrack` takes them


class Packed(NamedTuple):
    """An encoded packet; times in ticks of the output."""

    data: bytes
    pts: int
    dts: int
    duration: int
    is_keyframe: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """A segment when it is done."""

    number: int
    frames: int  # 0 where none of it could be decoded
    extradata: bytes  # the encoder's parameter sets: the same for every segment, or they do not join
    packets: list[Packed]  # in decoding order
    early: list[int]  # decoding times before the first picture is shown, one for each that is held back
    waiting: dict[str, float]  # seconds spent in each stage
    flawed: int  # frames decoded from damaged data
    notes: list[str]


def restyle_segment(job: Job, segment: Segment, stylizer: Divisible, threads: int = 0) -> Encoded:
    """Decode, restyle and encode one segment.

    The source seeks to a key frame a second or more before it, so that decoder, deinterlacer and clock are
    in step when its first frame comes.

    Args:
        threads: of the encoder; 0: as many as suit the machine.

    Raises:
        RtstyleError: as `VideoFileSource` does, but for a segment in which nothing can be decoded.
    """
    # Every segment in the size of the whole, though the picture may change size on the way.
    size = (job.info.width, job.info.height)
    device = getattr(stylizer, "device", None)
    with VideoFileSource(
        job.source, size=size, start=segment.start, end=segment.end, device=device
    ) as source:
        source.span = replace(source.span, origin=job.origin, follows=segment.number > 0)  # one clock for all
        end = source.span.end - job.origin if segment.followed and source.span.end is not None else None
        sink = PacketSink(job, threads, end)
        try:
            done = run(source, Continued(stylizer, job.first), sink)
        except NoFrame:  # as one process passes over what is damaged, the whole does without this part
            done = Progress()
    packets = [Packed(bytes(p), p.pts or 0, p.dts or 0, p.duration or 0, p.is_keyframe) for p in sink.packets]
    notes = [note for note in source.notes if note != source.loss]  # only the whole can tell what is lost
    return Encoded(
        segment.number, done.frames, sink.extradata, packets, sink.early, done.waiting, source.damage.flawed,
        notes,
    )  # fmt: skip


class PacketSink(Sink):
    """Encodes frames as the job's output would, and keeps the packets.

    Args:
        threads: of the encoder; 0: as many as suit the machine.
        end: when the first frame of the next segment is shown, seconds in the output; None: there is none.
    """

    def __init__(self, job: Job, threads: int = 0, end: Fraction | None = None) -> None:
        self.packets: list[Packet] = []
        self.early: list[int] = []
        self._latest: Frame | None = None
        self._end = end
        self._rate = job.info.rate
        self._track = PictureTrack(Path(job.output), job.info, job.color, *job.encoding)
        # A stream exists only in a container. Its header is never written, nor anything else.
        self._container = av.open(io.BytesIO(), "w", format=self._track.muxer.format)
        self._track.attach(self._container, threads)
        self.extradata = self._track.extradata

    def write(self, frame: Frame) -> None:
        if self._latest is not None:
            self.packets += self._track.encode(self._latest)
        self._latest = frame

    def close(self) -> None:
        if self._latest is not None:
            self._end_with(self._latest)
        self._container.close()

    def _end_with(self, last: Frame) -> None:
        """Encode the last frame as one that others follow, but none before it refers to them: no B-frame."""
        length = last.duration if self._end is None else self._end - last.time
        packets = self._track.encode(last, PictureType.P)
        end = self._track.latest
        shown = self._track.ticks(length)  # its followers come sooner
        for number in range(1, _FOLLOWERS + 1):
            packets += self._track.encode(replace(last, time=last.time + number / self._rate))
        packets += self._track.finish()
        stamped = [(packet.pts or 0, packet.dts or 0) for packet in (*self.packets, *packets)]
        first = min(pts for pts, _ in stamped)
        # With followers: of a segment with fewer frames than are held back, its own would not be all.
        self.early = [dts for _, dts in stamped if dts < first]
        self.packets += takewhile(lambda packet: (packet.pts or 0) <= end, packets)
        for packet in self.packets:
            packet.duration = shown if packet.pts == end else packet.duration

    def abandon(self) -> None:
        self._container.close()


class Continued:
    """A stylizer that enters a video in the middle, as if it had seen the beginning.

    What the order of frames decides is settled by `Divisible.prepare`, and depends on times alone: where a
    tour between styles has come to follows from the time of the video's first frame.
    """

    def __init__(self, stylizer: Divisible, first: Fraction) -> None:
        self._stylizer = stylizer
        self._first = first
        self._entered = False

    def __call__(self, frame: Frame) -> Frame:
        return self.prepare(frame)()

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        if not self._entered:
            self._stylizer.prepare(replace(frame, time=self._first))
            self._entered = True
        return self._stylizer.prepare(frame)

    def at_once(self, width: int, height: int) -> int:
        return self._stylizer.at_once(width, height)

    def reset(self) -> None:
        self._entered = False
        self._stylizer.reset()
