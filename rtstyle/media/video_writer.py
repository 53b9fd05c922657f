"""A sink that encodes frames to a video file, beside the other streams of the file they came from."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, VideoInfo
from rtstyle.media.color import ColorTags, FromRgb
from rtstyle.media.companions import Companions
from rtstyle.media.containers import ffmpeg_name
from rtstyle.media.encoders import Encoder, choose_encoder
from rtstyle.media.geometry import pad, square_size, stretch
from rtstyle.media.muxers import muxer_for
from rtstyle.media.output import check_output, discard, make_parent, partial_path, writing
from rtstyle.media.palette import ToPalette
from rtstyle.media.sound import SoundTrack

_CLOCK = Fraction(1, 90000)  # for sources that name none
# Seconds by which sound and subtitles go ahead, for the muxer to put in order with the picture.
_LEAD = 1


class VideoFileSink(Sink):
    """Writes frames, each at its exact time, under ``NAME.partial.ext`` until `close` renames it.

    Args:
        path: the extension names the container: mp4, m4v, mov, mkv, webm or gif.
        info: size, rate and clock of the frames to come.
        color: what to tag the stream with; by size if not given.
        codec: ``h264``, ``hevc``, ``av1`` or ``vp9``; the container's first choice if not given.
        crf, preset: quality and speed of the encoder; its defaults if not given.
        companions: audio, subtitles, chapters and metadata to go with the frames; closed with the sink.
        overwrite: replace an existing file.

    Attributes:
        notes: what had to be changed, a sentence each; complete after `close`.

    Raises:
        RtstyleError: the file exists, the container, codec or settings are not allowed, or (later too)
            the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        info: VideoInfo,
        *,
        color: ColorTags | None = None,
        codec: str | None = None,
        crf: int | None = None,
        preset: str | None = None,
        companions: Companions | SoundTrack | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self._partial = partial_path(self.path)
        self._companions = companions
        self._container: OutputContainer | None = None
        self._first = self._last = -(2**62)  # ticks
        self._written = self._too_close = 0
        try:
            codec, encoder = choose_encoder(self.path, codec)
            settings = encoder.settings(crf, preset)
            check_output(self.path, overwrite=overwrite)
            make_parent(self.path)
            self._prepare(info, color or ColorTags.untagged(info.height), codec, encoder, settings)
        except BaseException:
            self.abandon()
            raise

    def _prepare(
        self, info: VideoInfo, tags: ColorTags, codec: str, encoder: Encoder, settings: dict[str, str]
    ) -> None:
        muxer = muxer_for(self.path)
        assert muxer is not None, "choose_encoder refuses other names"
        self._base = muxer.clock or info.time_base or _CLOCK
        self._interval = max(1, round(1 / info.rate / self._base))
        self._shortest = muxer.shortest
        width, height, aspect = info.width, info.height, info.sample_aspect_ratio
        if aspect != 1 and codec not in muxer.marks_shape:
            width, height, aspect = *square_size(width, height, aspect), Fraction(1)
            self.notes.append(
                f"{codec} in {self.path.suffix[1:]} cannot mark pixels that are not square:"
                f" the picture is made {width}x{height}"
            )
        self._size = (width, height)
        if encoder.even_sides and (width % 2 or height % 2):
            self._size = (width + width % 2, height + height % 2)
            padded = f"{self._size[0]}x{self._size[1]}"
            self.notes.append(f"{codec} needs even sides: {width}x{height} is padded to {padded}")
        self._unpadded = (width, height)
        self._convert = ToPalette(*self._size) if codec == "gif" else FromRgb(tags, encoder.pixel_format)
        fragments = not isinstance(self._companions, Companions) or self._companions.fits_fragments
        with writing(self.path):
            options = muxer.options(self._base, fragments)
            self._container = av.open(ffmpeg_name(self._partial), "w", format=muxer.format, options=options)
        self._stream = self._add_stream(info.rate, aspect, tags, encoder, settings)
        if self._companions is not None:
            self._companions.attach(self._container, self._stream)
        with writing(self.path):
            self._container.start_encoding()  # writes the header

    def write(self, frame: Frame) -> None:
        assert self._container is not None, "this sink is closed"
        ticks = round(frame.time / self._base)
        if self._shortest and self._written and ticks < self._last + self._shortest:
            self._too_close += 1
            return
        ticks = max(ticks, self._last + 1)  # two times that meet on a coarser clock stay two frames
        picture = self._convert(pad(stretch(frame.image, self._unpadded), self._size))
        picture.pts, picture.time_base, picture.duration = ticks, self._base, self._interval
        self._first = ticks if not self._written else self._first
        self._last = ticks
        self._written += 1
        with writing(self.path):
            if self._companions is not None:
                self._companions.mux_until(frame.time + _LEAD)
            self._mux(self._container, picture)

    def close(self) -> None:
        """Finish the file and give it its final name; without a frame there is none to finish."""
        if self._container is None or not self._written:
            self.abandon()
            return
        try:
            with writing(self.path):
                self._mux(self._container, None)
                if self._companions is not None:
                    self._companions.mux_until(None)
                container, self._container = self._container, None
                container.close()
                self._partial.replace(self.path)
        finally:
            self.abandon()
        if self._too_close:
            self.notes.append(f"gif plays 50 frames a second at most: {self._too_close} frames left out")

    def abandon(self) -> None:
        """Finish what was written so that it plays, and leave it under its partial name."""
        container, self._container = self._container, None
        if container is not None:
            # What stopped the job may stop this too (a full disk): then there is nothing left to try.
            with suppress(av.error.FFmpegError, OSError):
                if self._written:
                    self._mux(container, None)
            with suppress(av.error.FFmpegError, OSError):
                container.close()
            if not self._written:
                discard(self._partial)
        if self._companions is not None:
            self._companions.close()
            self.notes += self._companions.notes
            self._companions = None

    def _mux(self, container: OutputContainer, picture: av.VideoFrame | None) -> None:
        """Encode one picture, or what is pending, and write what comes out."""
        for packet in self._stream.encode(picture):
            # x265 leaves the decoding time of its first frames unset when only one or two come at all.
            earliest = self._first - (self._last - self._first) - self._interval
            if packet.dts is None or packet.pts is None or not earliest <= packet.dts <= packet.pts:
                packet.dts = packet.pts
            container.mux_one(packet)

    def _add_stream(
        self, rate: Fraction, aspect: Fraction, tags: ColorTags, encoder: Encoder, settings: dict[str, str]
    ) -> av.VideoStream:
        assert self._container is not None
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints a page otherwise
        rate = rate.limit_denominator(100_000)
        stream = self._container.add_stream(encoder.name, rate=rate, options=settings)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = encoder.pixel_format
        context.time_base = self._base
        context.sample_aspect_ratio = aspect
        if encoder.name != "gif":
            context.colorspace, context.color_range = tags.matrix, tags.range
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if encoder.name == "libx265" and self._container.format.name != "matroska":
            context.codec_tag = "hvc1"  # Apple's players refuse FFmpeg's default hev1
        what = f"{context.width}x{context.height} at {float(rate):.5g} frames a second"
        if min(self._size) < encoder.smallest:
            least = f"sides of at least {encoder.smallest} pixels"
            raise RtstyleError(f"{encoder.name} cannot encode {what}: it needs {least}")
        try:
            context.open()
        except (av.error.FFmpegError, ValueError):
            raise RtstyleError(f"{encoder.name} cannot encode {what}; try another size or --codec") from None
        return stream
