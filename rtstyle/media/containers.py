"""Opening containers, and what they say of themselves: which stream is the picture, how fast it runs."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.stream import VideoStream

from rtstyle.errors import RtstyleError
from rtstyle.media.address import why_missing

# Frame rates beyond this are a container's time unit, not a camera's.
_FASTEST = 480
# Packets looked at to count a rate.
_ENOUGH = 60

# FFmpeg writes what it meets to stderr; what matters is said by the notes and errors here. PyAV's own
# log callback takes the GIL, also from a decoder's threads: freeing a decoder that still logs would
# wait for a thread that waits for the GIL, for ever. FFmpeg's own callback is silent at this level.
av.logging.set_libav_level(av.logging.PANIC)
av.logging.restore_default_callback()


def ffmpeg_name(path: Path) -> str:
    """A path as FFmpeg takes it: without the prefix, ``12:30.mp4`` would name a protocol."""
    return f"file:{path}"


def open_media(path: Path, hwaccel: HWAccel | None = None) -> InputContainer:
    """Open a file for reading, or say in one line why not.

    Args:
        hwaccel: decodes its video, where it can.
    """
    if not path.exists():
        raise RtstyleError(f"{path}: {why_missing(path)}")
    if path.is_dir():
        raise RtstyleError(f"{path}: is a folder, not a video file")
    if not path.is_file():
        raise RtstyleError(f"{path}: is no regular file; a video is read more than once, so not from a pipe")
    size = path.stat().st_size
    if size == 0:
        raise RtstyleError(f"{path}: the file is empty (0 bytes)")
    try:
        return av.open(ffmpeg_name(path), metadata_errors="replace", hwaccel=hwaccel)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if hwaccel is not None:
            raise RtstyleError(f"{path}: FFmpeg cannot open it for the GPU ({reason})") from None
        if isinstance(error, PermissionError):
            raise RtstyleError(f"{path}: cannot be read ({reason})") from None
        if _looks_encrypted(path):
            raise RtstyleError(f"{path}: the video is encrypted (DRM); no key, nothing to decode") from None
        raise RtstyleError(
            f"{path}: not a video FFmpeg can read ({reason}; {size} bytes); is it complete, and a video?"
        ) from None


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video stream to restyle: as players do, the first marked default, else the first of all."""
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        kinds = {"a cover picture" if s.type == "video" else str(s.type) for s in container.streams}
        raise RtstyleError(f"{path}: has no video stream (only {', '.join(sorted(kinds)) or 'nothing'})")
    readable = [s for s in streams if s.codec_context is not None]
    if not readable:
        raise RtstyleError(f"{path}: no decoder for its video stream in this FFmpeg build")
    default = [s for s in readable if s.disposition & av.stream.Disposition.default]
    return (default or readable)[0]


def is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def is_bare(container: InputContainer) -> bool:
    """Whether this is a codec's own stream without a container: it has no clock and no length."""
    return av.format.Flags.no_timestamps in av.format.Flags(container.format.flags)


def is_broadcast(container: InputContainer) -> bool:
    """Whether clocks here start anywhere and may jump, and the length is only what the file holds."""
    return container.format.name in ("mpegts", "mpeg")


def clock_may_turn_back(container: InputContainer) -> bool:
    """Whether it may in the middle of a file: broadcast, and a recorder of streams that appends."""
    return is_broadcast(container) or container.format.name == "flv"


def start_of(container: InputContainer) -> Fraction:
    """The earliest time of any stream, seconds."""
    return Fraction(container.start_time or 0, av.time_base)


def believable_rate(container: InputContainer, stream: VideoStream, path: Path) -> Fraction:
    """Frames a second: the container's claim where it can be a camera's, else counted from stamps.

    Counting opens the file once more: MPEG-TS, once read from, finds no way back to its first frames.
    """
    # FFmpeg's average is 25 for every bare stream; its guess is what the codec says.
    claim = stream.guessed_rate if is_bare(container) else stream.average_rate
    if claim and 0 < claim <= _FASTEST:
        return Fraction(claim)
    with open_media(path) as other:
        packets = other.demux(other.streams[stream.index])
        stamps = [p.pts for p in islice(packets, _ENOUGH) if p.pts is not None]
    span = (max(stamps) - min(stamps)) * Fraction(stream.time_base or 0) if stamps else 0
    counted = Fraction(len(stamps) - 1) / span if span else Fraction(25)
    return counted.limit_denominator(1001)


def _looks_encrypted(path: Path) -> bool:
    """Whether an MP4 names a protection scheme (ISO/IEC 23001-7) in its first or last 64 KiB."""
    with path.open("rb") as file:
        head = file.read(65536)
        file.seek(max(0, path.stat().st_size - 65536))
        tail = file.read()
    return any(box in part for part in (head, tail) for box in (b"encv", b"pssh", b"tenc"))
