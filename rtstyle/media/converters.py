"""How the packets of one audio or subtitle stream reach an output: copied, or in a form it can hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from rtstyle.media.containers import open_media
from rtstyle.media.muxers import EXPERIMENTAL

_AUDIO = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
_TEXT = {"mp4": "mov_text", "mov": "mov_text", "matroska": "srt", "webm": "webvtt"}
_TEXT_CODECS = {"mov_text", "subrip", "ass", "webvtt", "text"}
_USUAL_RATE = 48000
# Packets looked through for the first of each stream.
_LOOK = 2000
# One layout for each number of channels: encoders take few of the others.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}

# What text encoders expect before the first line: the header of an ASS script.
_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\nPlayResX: 384\r\nPlayResY: 288\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
    b"Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
    b"Alignment, MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n"
    b"[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def held_by(container: str, path: Path) -> set[int]:
    """Which audio and subtitle streams of a file a container holds as they are, by index.

    Its muxer is asked, by writing each stream with its first packet to memory: what muxers say they
    support and what they then refuse depends on more than the codec.
    """
    firsts: dict[int, Packet] = {}
    with open_media(path) as source:
        wanted = {s.index for s in source.streams if s.type in ("audio", "subtitle") and s.codec_context}
        with suppress(av.error.FFmpegError, OSError):
            for packet in islice(source.demux(), _LOOK):
                if packet.size and packet.stream_index in wanted:
                    firsts.setdefault(packet.stream_index, packet)
                if len(firsts) == len(wanted):
                    break
        return {i for i in wanted if _takes(container, source.streams[i], firsts.get(i))}


def _takes(container: str, stream: Stream, packet: Packet | None) -> bool:
    try:
        with av.open(BytesIO(), "w", format=container, options=EXPERIMENTAL) as trial:
            target = trial.add_stream_from_template(stream)
            trial.start_encoding()
            if packet is not None:
                packet.stream, packet.pts, packet.dts = target, 0, 0
                trial.mux_one(packet)
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def audio_codec_for(container: str) -> str | None:
    """The encoder for audio a container cannot copy; None where it holds no audio at all."""
    return _AUDIO.get(container)


def text_codec_for(container: str, codec: str) -> str | None:
    """The encoder for text subtitles a container cannot copy; None for bitmaps and for no subtitles."""
    return _TEXT.get(container) if codec in _TEXT_CODECS else None


class Route(Protocol):
    """The way of one input stream."""

    @property
    def target(self) -> Stream: ...

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        """Packets to mux for one read (None: the end)."""


class Copy:
    """Packets untouched but for a decoding time that is missing or does not grow, which no muxer takes.

    AAC as broadcasts carry it (ADTS) loses the header each packet has: other containers store it once.
    Empty MP4 subtitles are left out: they fill gaps, and the muxer fills its own.

    Attributes:
        mended: how many had such a time.
    """

    def __init__(self, target: Stream, source: Stream | None = None) -> None:
        self.target = target
        decoder = source.codec_context if source is not None else None
        adts = decoder is not None and decoder.name == "aac" and not decoder.extradata
        self._strip = BitStreamFilterContext("aac_adtstoasc", source) if adts else None
        self._fills_gaps = decoder is not None and decoder.name == "mov_text"
        self.mended = 0
        self._last: int | None = None  # ticks of the input
        self._next: int | None = None

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        if packet is None or (self._fills_gaps and packet.size == 2):
            return
        dts = packet.dts if packet.dts is not None else packet.pts
        dts = dts if dts is not None else self._next
        if dts is None:
            return  # nothing says when
        if self._last is not None and dts <= self._last:
            # One tick of the coarser clock.
            dts = self._last + ceil(max(Fraction(1), Fraction(self.target.time_base or 0) / packet.time_base))
        if dts != packet.dts:
            self.mended += 1
            packet.dts, packet.pts = dts, max(dts, packet.pts if packet.pts is not None else dts)
        self._last, self._next = dts, dts + (packet.duration or 0)
        for out in self._strip.filter(packet) if self._strip else (packet,):
            out.stream = self.target
            yield out


class AudioConverter:
    """Decodes, resamples where needed and encodes one audio stream."""

    def __init__(self, source: AudioStream, output: OutputContainer, codec: str) -> None:
        context = source.codec_context
        allowed = av.Codec(codec, "w").audio_rates
        rate = context.sample_rate if not allowed or context.sample_rate in allowed else _USUAL_RATE
        self._layout = _LAYOUTS.get(context.layout.nb_channels, "stereo")
        target = output.add_stream(codec, rate=rate, layout=self._layout)
        assert isinstance(target, AudioStream)
        self.target = target
        self.target.codec_context.time_base = Fraction(1, rate)
        self._decode = context.decode
        self._rate = rate
        self._shape: tuple[str, str, int] | None = None  # of decoded frames; broadcasts change it on the way
        self._resampler: AudioResampler | None = None

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        try:
            frames = self._decode(packet)
        except av.error.FFmpegError:
            frames = []  # one damaged packet of sound is a click, not the end
        for frame in frames:
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape:
                yield from self._encode(None)
                self._resampler = AudioResampler(self.target.codec_context.format, self._layout, self._rate)
                self._shape = shape
            yield from self._encode(frame)
        if packet is None:
            yield from self._encode(None)
            yield from self.target.encode(None)

    def _encode(self, frame: AudioFrame | None) -> Iterator[Packet]:
        for even in self._resampler.resample(frame) if self._resampler else ():
            yield from self.target.encode(even)


class SubtitleConverter:
    """Text subtitles from one format to another, line breaks kept, other styling dropped by the target."""

    def __init__(self, source: SubtitleStream, output: OutputContainer, codec: str) -> None:
        target = output.add_stream(codec)
        assert isinstance(target, SubtitleStream)
        self.target = target
        self.target.codec_context.subtitle_header = source.codec_context.subtitle_header or _ASS_HEADER
        self.target.codec_context.time_base = Fraction(1, 1000)
        self._decode = source.codec_context.decode2
        self._in_order = Copy(target)
        # QuickTime's text shows one cue at a time: its muxer would put off one that begins in another.
        self._one_at_a_time = codec == "mov_text"
        self._shown: list[tuple[int, bytes]] = []  # until when each cue is shown, ticks; by their beginnings
        self._now = 0  # ticks; up to here all is written
        self._base = Fraction(1, 1000)  # seconds a tick, as the source's packets have it

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        if packet is None:
            for cue in self._shown_until(None):
                yield from self._made(*cue)
            return
        try:
            decoded = self._decode(packet)
        except av.error.FFmpegError:
            return
        start, length = packet.pts or 0, packet.duration or 0
        self._base = Fraction(packet.time_base)
        for line in decoded or ():
            if not isinstance(line, AssSubtitle):
                continue
            if self._one_at_a_time:
                ended = self._shown_until(start)
                self._shown.append((start + length, line.ass))
                for cue in ended:
                    yield from self._made(*cue)
            else:
                yield from self._made(line.ass, start, length)

    def _shown_until(self, time: int | None) -> list[tuple[bytes, int, int]]:
        """What is shown from the last one's end until then, or to the end of all: a cue for each change."""
        cues = []
        while self._shown and (time is None or self._now < time):
            end = min(until for until, _ in self._shown)
            end = end if time is None else min(end, time)
            if end > self._now:
                cues.append((_together([each for _, each in self._shown]), self._now, end - self._now))
            self._now = max(self._now, end)
            self._shown = [each for each in self._shown if each[0] > self._now]
        if time is not None:
            self._now = max(self._now, time)
        return cues

    def _made(self, text: bytes, start: int, length: int) -> Iterator[Packet]:
        milliseconds = round(length * self._base * 1000)
        made = self.target.codec_context.encode_subtitle(SubtitleSet.create(text, 0, milliseconds))
        made.time_base = self._base
        made.pts = made.dts = start
        made.duration = length
        yield from self._in_order.feed(made)


def _together(events: list[bytes]) -> bytes:
    """Several events of ASS as one, each on lines of its own, and once. The text is the last of nine."""
    texts = dict.fromkeys(event.split(b",", 8)[-1] for event in events)
    return b",".join(events[0].split(b",", 8)[:-1]) + b"," + b"\\N{\\r}".join(text for text in texts if text)
