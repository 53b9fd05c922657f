"""The live picture sent over the network as H.264, at the true times of capture."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from time import monotonic

import av
from av.container import OutputContainer
from av.video.frame import PictureType

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.media.color import ColorTags, FromRgb
from rtstyle.media.geometry import pad, stretch
from rtstyle.media.realtime import public_address

_CLOCK = Fraction(1, 90000)
_RETRY = 2.0  # seconds between attempts to reach a receiver that went away
_KEY_FRAMES = 2  # seconds between them: how long a new viewer waits at most
_PATIENCE = 5  # seconds that a receiver may take nothing
_BITS = 0.1  # a pixel: painted pictures have more detail than filmed ones
# (start of the address, FFmpeg's container, its options); the first that fits.
_KINDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (r"rtmps?://", "flv", {"flvflags": "no_duration_filesize"}),
    (r"rtsps?://", "rtsp", {"rtsp_transport": "tcp"}),
    (r".*\.flv$", "flv", {}),
    (r"", "mpegts", {"flush_packets": "1"}),
)


class StreamOutput:
    """An output to an address: rtmp as FLV, rtsp as RTSP, any other (udp, srt, tcp, a file) as MPEG-TS.

    When the receiver goes away it is tried again, and frames meanwhile are left out.

    Args:
        url: where to, as FFmpeg names it.
        info: size and usual rate of the frames.
        say: told when the stream is lost and when it is back.

    Raises RtstyleError when the first attempt to connect fails.
    """

    name = "stream"

    def __init__(self, url: str, info: VideoInfo, say: Callable[[str], None] = lambda line: None) -> None:
        self._url = url
        # Without the key of a streaming service, which is a secret.
        host = re.match(r"\w+://[^/]*", public_address(url))
        self._label = host[0] if host else url
        if not host and (Path(url).is_file() or not Path(url).suffix):
            what = "a file" if Path(url).exists() else "no address"
            raise RtstyleError(
                f"'{url}' is {what}; a stream goes to rtmp://host/app/key and its like, --record writes files"
            )
        self._kind = next(kind for kind in _KINDS if re.match(kind[0], url))
        self._info = info
        self._say = say
        self._tags = ColorTags.untagged(info.height)
        self._convert = FromRgb(self._tags, "yuv420p")
        self._container: OutputContainer | None = None
        self._retry = 0.0  # time.monotonic of the next attempt
        try:
            self._connect()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RtstyleError(f"cannot stream to {self._label} ({reason}); is a receiver there?") from None

    def show(self, frame: Frame) -> None:
        try:
            if self._container is None:
                if monotonic() < self._retry:
                    return
                self._connect()
                self._say(f"stream to {self._label} is back")
            self._send(frame)
        except (av.error.FFmpegError, OSError) as error:
            if self._container is not None:
                self._say(f"stream to {self._label} is lost ({error.strerror}); trying again")
            self._drop()
            self._retry = monotonic() + _RETRY

    def close(self) -> None:
        if self._container is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise RtstyleError(f"{self._label} went away ({error.strerror})") from None

    def _connect(self) -> None:
        _, kind, options = self._kind
        url = self._url
        # PyAV's timeout ends no write: a receiver that froze would hold it for minutes.
        if url.startswith("tcp://"):
            url += f"{'&' if '?' in url else '?'}timeout={_PATIENCE * 1_000_000}"
        container = av.open(url, "w", format=kind, options=options, timeout=(_PATIENCE, _PATIENCE))
        try:
            rate = self._info.rate.limit_denominator(1001)
            width, height = (side + side % 2 for side in (self._info.width, self._info.height))
            bits = round(_BITS * width * height * rate)
            stream = container.add_stream(
                "libx264",
                rate=rate,
                options={
                    "preset": "superfast", "tune": "zerolatency", "forced-idr": "1", "g": "9999",
                    "maxrate": str(bits), "bufsize": str(bits), "crf": "21",
                },
            )  # fmt: skip
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            context, tags = stream.codec_context, self._tags
            context.time_base, context.sample_aspect_ratio = _CLOCK, self._info.sample_aspect_ratio
            # What is not marked, receivers take for BT.601 whatever its size.
            context.colorspace, context.color_range = tags.matrix, tags.range
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
            container.start_encoding()
        except BaseException:
            container.close()
            raise
        self._container, self._stream = container, stream
        self._begin: Fraction | None = None
        self._last, self._key = -1, -1

    def _send(self, frame: Frame) -> None:
        assert self._container is not None
        self._begin = frame.time if self._begin is None else self._begin
        size = (self._info.width, self._info.height)
        even = (self._stream.width, self._stream.height)
        picture = self._convert(pad(stretch(frame.image, size), even))
        self._last = max(self._last + 1, round((frame.time - self._begin) / _CLOCK))
        picture.pts, picture.time_base = self._last, _CLOCK
        # By time, not by count: frames come as they can.
        if self._key < 0 or self._last - self._key >= _KEY_FRAMES / _CLOCK:
            picture.pict_type, self._key = PictureType.I, self._last
        self._container.mux(self._stream.encode(picture))

    def _drop(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            with suppress(av.error.FFmpegError, OSError):  # it is lost already
                container.close()
