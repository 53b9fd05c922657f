"""The picture of a video file that is being written: frames in, encoded packets out."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.media.color import ColorTags, FromRgb
from rtstyle.media.encoders import choose_encoder
from rtstyle.media.geometry import pad, square_size, stretch
from rtstyle.media.muxers import Muxer, muxer_for
from rtstyle.media.palette import ToPalette

_CLOCK = Fraction(1, 90000)  # for sources that name none


class PictureTrack:
    """Encodes frames, each at its exact time, as a stream of a container.

    Args:
        path: of the file; its extension names the container.
        info: size, rate and clock of the frames to come.
        color: what to tag the stream with; by size if not given.
        codec: ``h264``, ``hevc``, ``av1`` or ``vp9``; the container's first choice if not given.
        crf, preset: quality and speed of the encoder; its defaults if not given.

    Attributes:
        muxer: the kind of file.
        asked: codec, crf and preset as they were given.
        base: seconds a tick of the packets' times.
        frames: how many were encoded.
        notes: what had to be changed, a sentence each; complete after `finish`.

    Raises:
        RtstyleError: the container, the codec or the settings are not allowed.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        color: ColorTags | None = None,
        codec: str | None = None,
        crf: int | None = None,
        preset: str | None = None,
    ) -> None:
        self.notes: list[str] = []
        self.frames = self._too_close = 0
        self._first = self._last = -(2**62)  # ticks
        self.asked = (codec, crf, preset)
        self._codec, self._encoder = choose_encoder(path, codec)
        self._settings = self._encoder.settings(crf, preset)
        muxer = muxer_for(path)
        assert muxer is not None, "choose_encoder refuses other names"
        self.muxer: Muxer = muxer
        self.base = muxer.clock or info.time_base or _CLOCK
        self._rate = info.rate
        self._interval = max(1, round(1 / info.rate / self.base))
        self._given = (info.width, info.height)
        self._other: tuple[int, ...] | None = None  # the first size of a frame that was not said
        self._shown: dict[int, int] = {}  # by time of frames not yet encoded, how long; ticks
        self._tags = color or ColorTags.untagged(info.height)
        self._shape(info, path)
        encoder = self._encoder
        self._convert = (
            ToPalette(*self.size) if self._codec == "gif" else FromRgb(self._tags, encoder.pixel_format)
        )

    def _shape(self, info: VideoInfo, path: Path) -> None:
        """Settle the size and the shape of the pixels."""
        width, height, aspect = info.width, info.height, info.sample_aspect_ratio
        if aspect != 1 and self._codec not in self.muxer.marks_shape:
            width, height, aspect = *square_size(width, height, aspect), Fraction(1)
            self.notes.append(
                f"{self._codec} in {path.suffix[1:]} cannot mark pixels that are not square:"
                f" the picture is made {width}x{height}"
            )
        self._unpadded, self._aspect = (width, height), aspect
        self.size = (width, height)
        if self._encoder.even_sides and (width % 2 or height % 2):
            self.size = (width + width % 2, height + height % 2)
            padded = f"{self.size[0]}x{self.size[1]}"
            self.notes.append(f"{self._codec} needs even sides: {width}x{height} is padded to {padded}")

    def attach(self, container: OutputContainer, threads: int = 0) -> av.VideoStream:
        """Add the stream to a container and open its encoder.

        Args:
            threads: of the encoder; 0: as many as suit the machine.

        Raises:
            RtstyleError: there is no such encoder, or it refuses this size or rate.
        """
        encoder = self._encoder
        if encoder.name not in av.codecs_available:
            raise RtstyleError(f"this FFmpeg was built without {encoder.name}; try another --codec")
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints a page otherwise
        rate = self._rate.limit_denominator(100_000)
        stream = container.add_stream(encoder.name, rate=rate, options=self._settings)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self.size
        context.pix_fmt = encoder.pixel_format
        context.time_base = self.base
        context.thread_count = threads
        context.sample_aspect_ratio = self._aspect
        if (most := self.muxer.most_between_keys(self._rate)) is not None:
            context.gop_size = most
        if encoder.name != "gif":
            tags = self._tags
            context.colorspace, context.color_range = tags.matrix, tags.range
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if encoder.name in ("libx265", "hevc_nvenc") and container.format.name != "matroska":
            context.codec_tag = "hvc1"  # Apple's players refuse FFmpeg's default hev1
        what = f"{context.width}x{context.height} at {float(rate):.5g} frames a second"
        if min(self.size) < encoder.smallest:
            least = f"sides of at least {encoder.smallest} pixels"
            raise RtstyleError(f"{encoder.name} cannot encode {what}: it needs {least}")
        try:
            context.open()
        except (av.error.FFmpegError, ValueError):
            gpu = ": a GPU with NVENC is needed" if encoder.name.endswith("_nvenc") else ""
            raise RtstyleError(
                f"{encoder.name} cannot encode {what}{gpu}; try another size or --codec"
            ) from None
        self._stream = stream
        return stream

    @property
    def latest(self) -> int:
        """Time of the latest frame, in ticks."""
        return self._last

    def ticks(self, length: Fraction | None) -> int:
        """So many seconds as ticks, at least one; None: a frame's interval."""
        return max(1, round(length / self.base)) if length else self._interval

    @property
    def extradata(self) -> bytes:
        """What a decoder needs beside the packets (parameter sets), as it stands in the file's header."""
        return self._stream.codec_context.extradata or b""

    def encode(self, frame: Frame, kind: PictureType = PictureType.NONE) -> list[Packet]:
        """One frame more; the packets that are ready, in decoding order.

        Times that meet on a coarser clock stay two frames. A frame too short for the container is left out.

        Args:
            kind: how x264 and x265 have to encode it; NONE leaves it to the encoder.
        """
        shortest = self.muxer.shortest
        if frame.time < 0:
            raise RtstyleError(f"a frame's time is {float(frame.time):g} s; a file begins at 0")
        ticks = round(frame.time / self.base)
        if (size := tuple(frame.image.shape[:0:-1])) != self._given and self._other is None:
            self._other = size
            given = f"{self._given[0]}x{self._given[1]}"
            self.notes.append(f"frames of {size[0]}x{size[1]} came where {given} was said: made that size")
        if shortest and self.frames and ticks < self._last + shortest:
            self._too_close += 1
            return []
        ticks = max(ticks, self._last + 1)
        picture = self._convert(pad(stretch(frame.image, self._unpadded), self.size))
        picture.pts, picture.time_base = ticks, self.base
        if self.frames:
            self._shown[self._last] = ticks - self._last
        self._shown[ticks] = self.ticks(frame.duration)
        picture.pict_type = kind
        self._first = ticks if not self.frames else self._first
        self._last = ticks
        self.frames += 1
        return self._packets(picture)

    def finish(self) -> list[Packet]:
        """No frame more; the packets that were pending."""
        if not self.frames:
            return []
        if self._too_close:
            frames = "1 frame" if self._too_close == 1 else f"{self._too_close} frames"
            self.notes.append(f"gif plays 50 frames a second at most: {frames} left out")
            self._too_close = 0
        return self._packets(None)

    def _packets(self, picture: av.VideoFrame | None) -> list[Packet]:
        packets = self._stream.encode(picture)
        # x265 leaves the decoding time of its first frames unset when only one or two come at all.
        earliest = self._first - (self._last - self._first) - self._interval
        for packet in packets:
            packet.duration = self._shown.pop(packet.pts or 0, self._interval)
            if packet.dts is None or packet.pts is None or not earliest <= packet.dts <= packet.pts:
                packet.dts = packet.pts
        return packets
