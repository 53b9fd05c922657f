"""Live frames from what is no camera: a file played at its own speed, the drawn scene, a network stream.

Every frame is stamped with the moment it came, on time.monotonic, as a camera's are.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from time import monotonic

import av
from av.container import InputContainer

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.media import color
from rtstyle.media.geometry import fit, square_size
from rtstyle.media.video_file import VideoFileSource

# Seconds behind its own clock after which playing goes on from now: a machine that slept, or is too slow.
_LATEST = 0.5
# Seconds: a server may take so long to answer, and be silent for so long, before it counts as gone.
_OPEN, _READ = 10.0, 5.0
_BROKEN = 100  # pictures in a row that cannot be decoded: not damage, but another kind of stream
_RETRIES = (0.5, 1.0, 2.0, 4.0)  # seconds between attempts; the last one again and again

# FFmpeg looks at the first seconds of a stream before it gives any: the least of that. What it gathered
# then is decoded at once and dropped for newer frames; its option nobuffer would lose the first key frame.
_OPTIONS = {"flags": "low_delay", "probesize": "500000", "analyzeduration": "1000000"}
# RTSP over UDP shows every lost packet as a smear of seconds.
_PROTOCOL_OPTIONS = {"rtsp": {"rtsp_transport": "tcp"}, "rtsps": {"rtsp_transport": "tcp"}}


def moment() -> Fraction:
    """Now on time.monotonic, seconds, to the nanosecond."""
    return Fraction(round(monotonic() * 10**9), 10**9)


class Pace:
    """Holds frames back until they are due on the clock of the wall, or until `stopped` is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._begin: Fraction | None = None  # time.monotonic at the source's time zero

    def __call__(self, time: Fraction) -> Fraction:
        """Wait until a frame of that time is due; returns the moment, as its stamp.

        Playing that fell behind goes on from now: frames missed are never hurried through.
        """
        now = moment()
        if self._begin is None or now - (self._begin + time) > _LATEST:
            self._begin = now - time
        due = self._begin + time
        if due > now:
            self._stopped.wait(float(due - now))
            return due
        return now


class RealTime(Source):
    """Any source, or a video file, played at its own speed.

    Args:
        source: one that can be iterated again where it is looped, or the path of a video file.
        loop: begin again at the end, for ever; `info.length` is None then.
        size: of a file's frames, as `geometry.parse_size` returns it; their pixels are made square.

    Raises RtstyleError as `VideoFileSource` does.
    """

    def __init__(
        self, source: Source | str | Path, loop: bool = True, size: tuple[int | None, int] | None = None
    ) -> None:
        self._path = Path(source) if isinstance(source, (str, Path)) else None
        self._size = size
        self._source: Source = self._file() if isinstance(source, (str, Path)) else source
        self._loop = loop
        self._stopped = threading.Event()
        info = self._source.info
        if self._path is not None and info.sample_aspect_ratio != 1:
            self._size = square_size(info.width, info.height, info.sample_aspect_ratio)
            self._source.close()
            self._source = self._file()
            info = self._source.info
        self.info = replace(info, length=None if loop else info.length, time_base=None)

    def __iter__(self) -> Iterator[Frame]:
        pace, offset = Pace(self._stopped), Fraction(0)
        while True:
            last = first = None
            for frame in self._source:
                first = frame.time if first is None else first
                last = frame.time
                stamp = pace(offset + last - first)
                if self._stopped.is_set():
                    return
                yield replace(frame, time=stamp)
            if not self._loop or first is None or last is None:
                return
            offset += last - first + 1 / self.info.rate
            if self._path is not None:
                self._source.close()
                self._source = self._file()

    def stop(self) -> None:
        """End the iteration; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        self._source.close()

    def _file(self) -> VideoFileSource:
        assert self._path is not None
        return VideoFileSource(self._path, size=self._size)


class NetworkStream(Source):
    """A stream from the network, its newest frames; when it breaks off, it is connected anew.

    Frames are made the size of the first one, with square pixels. A server that has the whole video (a
    file over HTTP) would send it at once: that is held to its own speed.

    Args:
        url: rtsp, rtmp, http(s), udp, srt or another protocol of this FFmpeg build.
        size: (width or None, height) to make the frames; the stream's own if None.

    Attributes:
        listener: told when the stream is lost and when it is back, a line each.

    Raises RtstyleError when the first attempt to connect fails.
    """

    def __init__(self, url: str, size: tuple[int | None, int] | None = None) -> None:
        self.url = url
        self._name = public_address(url)
        self.listener: Callable[[str], None] = lambda line: None
        self._stopped = threading.Event()
        self._container: InputContainer | None = self._connect()
        try:
            stream = self._container.streams.video[0]
            usual = Fraction(stream.average_rate or stream.guessed_rate or 25)
            square = square_size(stream.width, stream.height, Fraction(stream.sample_aspect_ratio or 1))
            made = square if size is None else fit(size, *square, Fraction(1))[:2]
            self.info = VideoInfo(*made, usual if 1 <= usual <= 240 else Fraction(25))
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        attempts = 0
        while not self._stopped.is_set():
            reason = "the stream ended"
            try:
                if self._container is None:
                    self._container = self._connect()
                    self.listener(f"{self._name}: connected again")
                for frame in self._frames(self._container):
                    attempts = 0
                    yield frame
            except (av.error.FFmpegError, OSError, RtstyleError) as error:
                reason = getattr(error, "strerror", None) or str(error)
            if attempts == 0 and not self._stopped.is_set():
                self.listener(f"{self._name}: {reason}; trying to connect again")
            self._disconnect()
            self._stopped.wait(_RETRIES[min(attempts, len(_RETRIES) - 1)])
            attempts += 1

    def stop(self) -> None:
        """End the iteration; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        self._disconnect()

    def _frames(self, container: InputContainer) -> Iterator[Frame]:
        stream = container.streams.video[0]
        # One thread a slice, not one a frame: each of the latter holds a frame back.
        stream.thread_type = "SLICE"
        to_rgb = color.ToRgb((self.info.width, self.info.height))
        pace = Pace(self._stopped) if _has_all(container) else None
        broken = 0
        for packet in container.demux(stream):
            try:
                frames = stream.decode(packet)
            except av.error.InvalidDataError:
                broken += 1
                if broken > _BROKEN:
                    raise
                continue
            for frame in frames:
                if self._stopped.is_set():
                    return
                broken, stamp = 0, moment()
                if pace is not None and frame.pts is not None:
                    stamp = pace(frame.pts * Fraction(frame.time_base or 0))
                yield Frame(to_rgb(frame, color.tags_of(frame)), stamp)

    def _connect(self) -> InputContainer:
        options = {**_OPTIONS, **_PROTOCOL_OPTIONS.get(self.url.partition(":")[0].lower(), {})}
        try:
            container = av.open(self.url, options=options, timeout=(_OPEN, _READ))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RtstyleError(
                f"{self._name}: cannot be opened ({reason}); is the address right, and is it sending?"
            ) from None
        if not container.streams.video or container.streams.video[0].codec_context is None:
            container.close()
            raise RtstyleError(f"{self._name}: sends no video that can be decoded")
        return container

    def _disconnect(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()


def public_address(url: str) -> str:
    """An address for messages that others may read: without user, password and query, which may be secret."""
    return re.sub(r"(?<=//)[^/?]*@", "", url).partition("?")[0]


def _has_all(container: InputContainer) -> bool:
    """Whether the other side has the whole video; what is live has no length."""
    return bool(container.duration and container.duration > 0)
