"""Everything in a video file that is not the picture: audio, subtitles, chapters, covers, metadata.

Packets are copied untouched where the output container can hold them, else converted, else left out
and said. They are read from the file a second time, in step with the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Stream

from rtstyle.media.containers import clock_may_turn_back, is_cover, open_media, picture_stream, start_of
from rtstyle.media.converters import (
    AudioConverter,
    Copy,
    Route,
    SubtitleConverter,
    audio_codec_for,
    held_by,
    text_codec_for,
)
from rtstyle.media.decoding import Damage, packets_of
from rtstyle.media.description import (
    copy_attachment,
    copy_chapters,
    copy_covers,
    describe,
    describe_file,
    kind,
)
from rtstyle.media.span import Span

# Seconds before the asked start from where packets are read: a subtitle may have begun long before.
_RUN_UP = 60
# Seconds that streams of one time may lie apart in a file: so long after the asked end it is read on.
_APART = 10
# What a muxer or a filter says of a packet it can make nothing of; all else (a full disk) is fatal.
_UNFIT = (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError)


class Companions:
    """The other streams of a file, muxed beside a restyled picture.

    Args:
        path: the file.
        span: the part in use and where the output's clock starts, from the source of the frames.

    Attributes:
        fits_fragments: nothing here that FFmpeg writes wrongly to fragmented MP4.
        notes: what was converted or left out, a sentence each; complete after `close`.
    """

    def __init__(self, path: str | Path, span: Span) -> None:
        self._path = Path(path)
        self._span = span
        self._container = open_media(self._path)
        streams = self._container.streams
        self._has_cover = any(is_cover(stream) for stream in streams.video)
        # A cover becomes a track without samples, and each subtitle moves a packet of sound.
        self.fits_fragments = not self._has_cover and not streams.subtitles
        self._routes: dict[int, Route] = {}
        self._labels: dict[int, str] = {}
        self._damaged: Counter[int] = Counter()
        self._covers: list[Packet] = []
        self._packets: Iterator[Packet] = iter(())
        self._next: Packet | None = None
        self.notes: list[str] = []

    def attach(self, output: OutputContainer, picture: Stream) -> None:
        """Add a stream to `output` for each of ours, and copy what describes the file."""
        self._output = output
        note = describe_file(self._container.metadata, output)
        self.notes += [note] if note else []
        describe(picture_stream(self._container, self._path), picture, output)
        if self._span.start is not None:
            picture.metadata.pop("timecode", None)  # of the first frame, which is left out
        held = held_by(output.format.name, self._path)
        for stream in self._container.streams:
            if isinstance(stream, AttachmentStream):
                note = copy_attachment(stream, output)
                self.notes += [note] if note else []
            elif stream.type != "video":
                self._add(stream, output, as_it_is=stream.index in held)
        if self._has_cover:
            self._covers, notes = copy_covers(self._path, output)
            self.notes += notes
        copy_chapters(self._container, output, self._span)
        if self._routes:
            self._seek()
            self._packets = self._read()
            self._next = next(self._packets, None)

    def mux_until(self, time: Fraction | None) -> None:
        """Mux all packets that start before `time` (seconds on the output's clock), or all that are left."""
        for cover in self._covers:
            self._output.mux_one(cover)
        self._covers = []
        while self._next is not None:
            if time is not None and _start(self._next) >= time + self._span.origin:
                return
            packet, self._next = self._next, next(self._packets, None)
            self._shift(packet)
            self._pass_on(packet.stream_index, packet)
        if time is None:
            for index in self._routes:
                self._pass_on(index, None)

    def close(self) -> None:
        """Release the file. Safe to repeat."""
        self._container.close()
        for index, route in self._routes.items():
            if isinstance(route, Copy) and route.mended:
                self.notes.append(f"{self._labels[index]}: {route.mended} packet times were mended")
        for index, count in self._damaged.items():
            self.notes.append(f"{self._labels[index]}: {count} damaged packets left out")
        self._routes, self._damaged = {}, Counter()

    def _add(self, stream: Stream, output: OutputContainer, as_it_is: bool) -> None:
        """Find the way of one stream, or say why it has none."""
        codec = stream.codec_context.codec.canonical_name if stream.codec_context else None
        label = f"{stream.type} stream {stream.index}" + (f" ({codec})" if codec else "")
        if stream.type not in ("audio", "subtitle") or codec is None:
            # FFmpeg discards the text track of MP4 chapters by itself: they are copied as chapters.
            # A timecode is written anew from what the picture's description says of it.
            if stream.discard != Discard.all and "timecode" not in stream.metadata:
                why = " (its codec is not known)" if codec is None else ""
                self.notes.append(f"{label}: left out{why}")
            return
        route: Route
        if as_it_is:
            route = Copy(output.add_stream_from_template(stream), stream)
        elif stream.type == "audio" and (new := audio_codec_for(output.format.name)):
            route = AudioConverter(stream, output, new)  # type: ignore[arg-type]
            self.notes.append(f"{label}: {kind(output)} cannot hold it, converted to {new}")
        elif stream.type == "subtitle" and (new := text_codec_for(output.format.name, codec)):
            route = SubtitleConverter(stream, output, new)  # type: ignore[arg-type]
            self.notes.append(f"{label}: {kind(output)} cannot hold it, converted to {new}")
        else:
            self.notes.append(f"{label}: {kind(output)} cannot hold it, left out")
            return
        lost = describe(stream, route.target, output)
        self.notes += [f"{label}: {lost}"] if lost else []
        self._routes[stream.index], self._labels[stream.index] = route, label

    def _pass_on(self, index: int, packet: Packet | None) -> None:
        try:
            for out in self._routes[index].feed(packet):
                self._output.mux_one(out)
        except _UNFIT:
            self._damaged[index] += 1

    def _seek(self) -> None:
        """Towards the asked start; where a file cannot be sought in, it is read from its beginning."""
        start, file = self._span.start, self._container
        try:
            if clock_may_turn_back(file):  # to where the picture is read from: a jump between would part them
                if self._span.read_from is not None:
                    stream = picture_stream(file, self._path)
                    file.seek(int(self._span.read_from / Fraction(stream.time_base or 1)), stream=stream)
            elif start is not None and start - _RUN_UP > start_of(file):
                file.seek(int((start - _RUN_UP) * av.time_base))
        except av.error.FFmpegError:
            file.close()
            self._container = open_media(self._path)

    def _read(self) -> Iterator[Packet]:
        """Packets of our streams within the span, in file order, until all streams are past its end."""
        streams = self._container.streams
        pictures = [stream for stream in streams.video if not is_cover(stream)]
        within = {stream.index for stream in (*pictures, *streams.audio)}
        damage, end = Damage(), self._span.end
        for packet in packets_of(self._container, damage):
            if end is not None and _start(packet) > end + _APART:
                within.discard(packet.stream_index)
                # A file with all the picture before all the sound may have its subtitles anywhere.
                if not within and damage.reached < end + 3 * _APART:
                    return
            if packet.stream_index in self._routes:
                if packet.stream.type == "subtitle":
                    self._clip(packet)
                if self._span.holds(_start(packet)):
                    yield packet

    def _clip(self, packet: Packet) -> None:
        """Cut a subtitle to the span: what began before it is still shown at its start."""
        base, begin = Fraction(packet.time_base or 1), _start(packet)
        end = begin + (packet.duration or 0) * base
        first, last = self._span.start, self._span.end
        if first is not None and begin < first < end:
            packet.pts = packet.dts = round(first / base)
            packet.duration = round((end - first) / base)
        if last is not None and begin < last < end:
            packet.duration = round((last - _start(packet)) / base)

    def _shift(self, packet: Packet) -> None:
        if self._span.origin:
            ticks = round(self._span.origin / Fraction(packet.time_base or 1))
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks


def _start(packet: Packet) -> Fraction:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return (ticks or 0) * Fraction(packet.time_base or 0)
