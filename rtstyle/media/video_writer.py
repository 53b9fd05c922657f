"""A sink that encodes frames to a video file, beside the other streams of the file they came from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, VideoInfo
from rtstyle.media.color import ColorTags
from rtstyle.media.companions import Companions
from rtstyle.media.containers import ffmpeg_name
from rtstyle.media.mp4_end import mend_end
from rtstyle.media.output import Claim, check_output, discard, make_parent, partial_path, writing
from rtstyle.media.picture_track import PictureTrack
from rtstyle.media.sound import SoundTrack

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
        track: the picture, and its encoder.
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
        self._said: list[str] = []
        self._partial = partial_path(self.path)
        self._companions = companions
        self._container: OutputContainer | None = None
        self._begun = False  # something of the picture was written
        self._start, self._end = Fraction(2**62), Fraction(0)  # of what was written, seconds
        self._claim: Claim | None = None
        try:
            self.track = PictureTrack(self.path, info, color, codec, crf, preset)
            check_output(self.path, overwrite=overwrite)
            make_parent(self.path)
            self._claim = Claim(self._partial)
            check_output(self.path, overwrite=overwrite)  # a run that just ended may have made it
            self._open()
        except BaseException:
            self.abandon()
            raise

    def _open(self) -> None:
        muxer = self.track.muxer
        fragments = not isinstance(self._companions, Companions) or self._companions.fits_fragments
        with writing(self.path):
            options = muxer.options(self.track.base, fragments)
            self._container = av.open(ffmpeg_name(self._partial), "w", format=muxer.format, options=options)
        self._stream = self.track.attach(self._container)
        if self._companions is not None:
            self._companions.attach(self._container, self._stream)
        with writing(self.path):
            self._container.start_encoding()  # writes the header

    @property
    def notes(self) -> list[str]:
        return self.track.notes + self._said

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the file's pictures."""
        return self.track.size

    def write(self, frame: Frame) -> None:
        if self._container is None:
            raise RtstyleError(f"{self.path}: this sink is closed; no frame can be written to it")
        with writing(self.path):
            self._mux(self.track.encode(frame), frame.time)

    def write_packets(self, packets: Iterable[Packet]) -> None:
        """Packets that a track with the same arguments made elsewhere, in decoding order, in place of frames.

        Their times are ticks of this sink's track; the first one is a key frame.
        """
        with writing(self.path):
            for packet in packets:
                assert packet.pts is not None
                self._mux([packet], packet.pts * self.track.base)

    def close(self) -> None:
        """Finish the file and give it its final name; without a frame there is none to finish."""
        if self._container is None or not self._begun:
            self.abandon()
            return
        try:
            with writing(self.path):
                self._put(self.track.finish())
                if self._companions is not None:
                    self._companions.mux_until(None)
                container, self._container = self._container, None
                container.close()
                if self.track.muxer.is_mp4:
                    mend_end(self._partial, self._end - self._start)
                self._partial.replace(self.path)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Finish what was written so that it plays, and leave it under its partial name."""
        container, self._container = self._container, None
        if container is not None:
            # What stopped the job may stop this too (a full disk): then there is nothing left to try.
            with suppress(av.error.FFmpegError, OSError):
                container.mux(self.track.finish())
            with suppress(av.error.FFmpegError, OSError):
                container.close()
        if self._claim is not None:
            if not self._begun:
                discard(self._partial)
            self._claim.release()
            self._claim = None
        if self._companions is not None:
            self._companions.close()
            self._said += self._companions.notes
            self._companions = None

    def _mux(self, packets: Iterable[Packet], time: Fraction) -> None:
        """Write packets of the picture, and before them what else is heard and read until `time`, seconds."""
        assert self._container is not None
        self._begun = True
        if self._companions is not None:
            self._companions.mux_until(time + _LEAD)
        self._put(packets)

    def _put(self, packets: Iterable[Packet]) -> None:
        assert self._container is not None
        for packet in packets:
            begin, tick = packet.pts or 0, Fraction(packet.time_base)
            self._start = min(self._start, begin * tick)
            self._end = max(self._end, (begin + (packet.duration or 0)) * tick)
            packet.stream = self._stream
            self._container.mux_one(packet)
