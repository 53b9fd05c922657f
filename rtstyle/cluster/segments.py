"""Where a video is cut, so that workers can take parts of it and no frame is lost or doubled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rtstyle.errors import RtstyleError
from rtstyle.media.containers import is_broadcast, open_media, picture_stream, start_of
from rtstyle.media.decoding import Damage, packets_of
from rtstyle.media.span import Span

# Frames in a segment. Each costs a start of the encoder and the decoding of frames before it, a tenth of a
# second to a second; what a worker leaves unfinished as it dies is restyled again.
FEWEST, MOST = 64, 900
# Segments for each worker at least, if they get long enough: so that all end at about the same time.
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames from `start` until before `end`, seconds from the beginning of the file; None: no bound."""

    number: int
    start: Fraction | None
    end: Fraction | None
    frames: int  # as the container tells
    followed: bool = False  # by another, at its end


@dataclass(frozen=True, slots=True)
class Stamps:
    """What the container tells of the frames of a span, in the order they are shown."""

    times: list[Fraction]  # seconds on the file's clock
    keys: list[bool]  # decoding can begin there
    begin: Fraction  # the beginning of the file, on its clock
    damage: Damage = field(default_factory=Damage)  # what could not be read

    @staticmethod
    def read(path: Path, span: Span) -> Stamps:
        """Read them from the packets of a file; nothing is decoded.

        Raises:
            RtstyleError: the times are not those of the frames, or say nothing of where a worker that
                enters in the middle would find itself.
        """
        with open_media(path) as container:
            stream = picture_stream(container, path)
            damage = Damage()
            packets = (p for p in packets_of(container, damage) if p.stream_index == stream.index)
            # What the packets hold is not kept: a film has gigabytes.
            stamped = [(p.pts, p.is_keyframe, p.duration or 0) for p in packets if not p.is_discard]
            base, begin = Fraction(stream.time_base or 0), start_of(container)
            # What follows a jump is not where the file's own clock has it.
            loose = damage.jumps > 0 or is_broadcast(container) or container.format.name == "avi"
        known = {pts for pts, *_ in stamped}
        if loose or None in known or len(known) < len(stamped):
            raise RtstyleError(
                f"{path}: cannot be cut into segments, its frames carry no times of their own or its clock"
                " may jump; leave out --ray, or convert it to mp4 or mkv first"
            )
        timed = sorted((pts * base, key, length * base) for pts, key, length in stamped if pts is not None)
        frames = [(time, key) for time, key, _ in timed if span.holds(time)]
        if span.start is not None and timed and timed[0][0] < span.start:
            after = next((time for time, *_ in timed if time >= span.start), None)
            last, _, length = timed[-1]
            # As the source of frames begins.
            if span.begins_before(after) if after is not None else last + length > span.start:
                frames.insert(0, (span.start, False))
        if not frames:
            raise RtstyleError(f"{path}: no frame lies between the asked start and end")
        return Stamps([time for time, _ in frames], [key for _, key in frames], begin, damage)


def cut(keys: Sequence[bool], length: int) -> list[int]:
    """The first frames of segments of about `length` frames: at key frames where there are any near.

    A key frame counts from half a length before the even cut to half a length after it; the end of the
    video is never nearer than that. The first segment's 0 is among them.

    Args:
        keys: for each frame in display order, whether decoding can begin there.
    """
    at = [number for number, key in enumerate(keys) if key]
    firsts, half = [0], length // 2
    while True:
        even = firsts[-1] + length
        latest = len(keys) - max(1, half)
        if even > latest:
            return firsts
        low = bisect_left(at, even - half + 1)
        near = [number for number in at[low : bisect_left(at, even + half)] if number <= latest]
        firsts.append(min(near, key=lambda number: abs(number - even), default=even))


def segments_of(stamps: Stamps, span: Span, workers: int) -> list[Segment]:
    """The segments of a span of a video, in order, enough of them for so many workers."""
    count = len(stamps.times)
    length = min(max(count // (_ROUNDS * workers), FEWEST), MOST)
    firsts = cut(stamps.keys, length)
    bounds = [stamps.times[first] - stamps.begin for first in firsts[1:]]
    starts = [None if span.start is None else span.start - stamps.begin, *bounds]
    ends = [*bounds, None if span.end is None else span.end - stamps.begin]
    sizes = [after - first for first, after in zip(firsts, [*firsts[1:], count], strict=True)]
    followed = [*(True for _ in bounds), False]
    return [Segment(*each) for each in zip(range(len(firsts)), starts, ends, sizes, followed, strict=True)]
