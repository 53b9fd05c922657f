"""Small video files made on the spot, and readings of what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.container import OutputContainer
from av.stream import Disposition, Stream

from rtstyle.frame import Frame
from rtstyle.media.companions import Companions
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink

RATE = 25
NO_MARKS = Disposition(0)
# Coarse, and exact enough to read numbers and colours back.
FAST = {"preset": "ultrafast", "crf": "10"}
# With B-frames, and a key frame each second.
REORDERED = {"preset": "veryfast", "crf": "10", "g": "25", "bf": "3"}


def numbered(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A gray picture (H, W, 3) whose eight columns spell a number below 256 in black and white."""
    row = np.array([255 if number >> (7 - x * 8 // width) & 1 else 0 for x in range(width)], np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(image: torch.Tensor) -> int:
    """The number a picture (3, H, W) spells."""
    luma = image.float().mean((0, 1))
    middles = [(2 * place + 1) * image.shape[2] // 16 for place in range(8)]
    return sum(int(luma[x] > 127) << (7 - place) for place, x in enumerate(middles))


def as_frame(picture: np.ndarray, pixel_format: str = "yuv420p") -> av.VideoFrame:
    """RGB bytes (H, W, 3) for an encoder."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    return frame if pixel_format == "rgb24" else frame.reformat(format=pixel_format)


@dataclass(frozen=True)
class Sound:
    """A sine."""

    codec: str = "aac"
    seconds: float = 0.4
    start: float = 0
    hertz: float = 440
    rate: int = 48000
    layout: str = "mono"
    language: str | None = None
    title: str | None = None
    marks: Disposition = NO_MARKS


@dataclass(frozen=True)
class Text:
    """Subtitles: (start, end, text), seconds."""

    codec: str = "subrip"
    lines: tuple[tuple[float, float, str], ...] = ((0.04, 0.2, "one"), (0.24, 0.36, "two\nlines"))
    language: str | None = None
    title: str | None = None
    marks: Disposition = NO_MARKS


@dataclass
class Clip:
    """What to write; `make` writes it."""

    frames: int = 10
    first: int = 0  # number on the first frame
    size: tuple[int, int] = (64, 48)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rate: Fraction | int = RATE
    base: Fraction | None = None  # clock of the picture; 1/rate if None
    ticks: Sequence[int] | None = None  # one stamp a frame; 0, 1, 2 ... if None
    pictures: Iterable[av.VideoFrame] | None = None  # instead of numbered ones
    options: dict[str, str] = field(default_factory=lambda: dict(FAST))
    container: dict[str, str] = field(default_factory=dict)
    setup: Callable[[av.VideoStream], object] = lambda stream: None
    metadata: dict[str, str] = field(default_factory=dict)
    chapters: Sequence[tuple[float, float, str]] = ()
    sounds: Sequence[Sound] = ()
    texts: Sequence[Text] = ()
    cover: bool = False
    sound_first: bool = False  # streams in another order

    def make(self, path: Path) -> Path:
        with av.open(f"file:{path}", "w", options=self.container) as output:
            output.metadata.update(self.metadata)
            sounds = [(s, _add_sound(output, s)) for s in self.sounds] if self.sound_first else []
            stream = self._add_picture(output)
            sounds = sounds or [(sound, _add_sound(output, sound)) for sound in self.sounds]
            texts = [(text, _add_text(output, text)) for text in self.texts]
            cover = _add_cover(output) if self.cover else None
            if self.chapters:
                output.set_chapters([_chapter(i, *chapter) for i, chapter in enumerate(self.chapters)])
            if cover is not None:
                output.mux(cover.encode(as_frame(numbered(170, 16, 16), "yuvj420p")))
                output.mux(cover.encode(None))
            ticks = range(self.frames) if self.ticks is None else self.ticks
            for tick, picture in zip(ticks, self._pictures(), strict=False):
                picture.pts, picture.time_base = tick, stream.codec_context.time_base
                output.mux(stream.encode(picture))
            output.mux(stream.encode(None))
            for sound, target in sounds:
                _encode_sound(output, sound, target)
            for text, words in texts:
                _mux_text(output, text, words)
        return path

    def _add_picture(self, output: OutputContainer) -> av.VideoStream:
        stream = output.add_stream(self.codec, rate=self.rate, options=dict(self.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = self.size
        stream.pix_fmt = self.pixel_format
        stream.codec_context.time_base = self.base or 1 / Fraction(self.rate)
        self.setup(stream)
        return stream

    def _pictures(self) -> Iterable[av.VideoFrame]:
        if self.pictures is not None:
            return self.pictures
        numbers = range(self.first, self.first + (len(self.ticks) if self.ticks else self.frames))
        return (as_frame(numbered(number, *self.size), self.pixel_format) for number in numbers)


def joined(path: Path, *clips: Clip) -> Path:
    """The files of several clips one after another in one: what `cat` makes of broadcast streams."""
    part = path.with_name(f"part{path.suffix}")
    path.write_bytes(b"".join(clip.make(part).read_bytes() for clip in clips))
    part.unlink()
    return path


@dataclass
class Converted:
    """What a restyle without a style did."""

    times: list[Fraction]
    notes: list[str]


def convert(source: Path, output: Path, *, preset: str | None = None, **options: Any) -> Converted:
    """Read and write a file as the video command does, frames untouched, in this thread.

    Args:
        options: of the source (start, end, size) and of the sink (codec, crf).
    """
    asked = {name: options.pop(name) for name in ("start", "end", "size") if name in options}
    if preset is None and output.suffix not in (".gif", ".webm"):
        preset = "ultrafast"
    if preset is None and output.suffix == ".webm":
        preset = "8"
    times = []
    with VideoFileSource(source, **asked) as frames:
        companions = Companions(source, frames.span)
        sink = VideoFileSink(
            output, frames.info, color=frames.color, preset=preset, companions=companions, **options
        )
        with sink:
            for frame in frames:
                times.append(frame.time)
                sink.write(frame)
    return Converted(times, [*frames.notes, *sink.notes])


def read(path: Path, **options: Any) -> tuple[list[Frame], list[str]]:
    """All frames of a file, and what its source had to say."""
    with VideoFileSource(path, **options) as source:
        frames = list(source)
    return frames, source.notes


def numbers(frames: Iterable[Frame]) -> list[int]:
    return [number_of(frame.image) for frame in frames]


def times(frames: Iterable[Frame]) -> list[Fraction]:
    return [frame.time for frame in frames]


def packets(path: Path, kind: str, number: int = 0) -> list[tuple[Fraction, bytes]]:
    """(time, bytes) of each packet of one stream of a kind."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][number]
        return [
            (Fraction(p.pts or 0) * Fraction(p.time_base), bytes(p))
            for p in container.demux(stream)
            if p.size
        ]


def payload(path: Path, kind: str = "audio", number: int = 0) -> list[bytes]:
    """The bytes of each packet of one stream of a kind."""
    return [data for _, data in packets(path, kind, number)]


def subtitles(path: Path, number: int = 0) -> list[tuple[float, float, str]]:
    """(start, end, text) of each subtitle, seconds; line breaks as ``\\n``."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[number]
        found = []
        for packet in container.demux(stream):
            for line in (stream.codec_context.decode2(packet) if packet.size else None) or ():
                begin, length = packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base
                text = line.ass.decode().split(",", 8)[8].replace("\\N", "\n")
                found.append((round(float(begin), 3), round(float(begin + length), 3), text))
        return found


def sine(path: Path, number: int = 0) -> tuple[float, float]:
    """(frequency in Hz, time in seconds at which it starts) of one audio stream."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 48000)
        parts = [p for f in container.decode(audio=number) for p in resampler.resample(f)]
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    first = int(np.argmax(np.abs(samples) > 0.05))
    return spectrum.argmax() * 48000 / len(samples), float(parts[0].pts * parts[0].time_base) + first / 48000


def _add_sound(output: OutputContainer, sound: Sound) -> av.AudioStream:
    options = {"strict": "experimental"} if sound.codec in ("vorbis", "opus", "truehd") else {}
    stream = output.add_stream(sound.codec, rate=sound.rate, layout=sound.layout, options=options)
    assert isinstance(stream, av.AudioStream)
    _describe(stream, sound)
    return stream


def _add_text(output: OutputContainer, text: Text) -> Stream:
    stream = output.add_mux_stream(text.codec)
    stream.time_base = Fraction(1, 1000)
    _describe(stream, text)
    return stream


def _describe(stream: Stream, like: Sound | Text) -> None:
    if like.language:
        stream.metadata["language"] = like.language
    if like.title:
        stream.metadata["title"] = like.title
    stream.disposition = like.marks


def _add_cover(output: OutputContainer) -> av.VideoStream | None:
    if output.format.name == "matroska":
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 16, 16, "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        jpeg = encoder.encode(as_frame(numbered(170, 16, 16), "yuvj420p"))
        output.add_attachment("cover.jpg", "image/jpeg", bytes(jpeg[0]))
        return None
    stream = output.add_stream("mjpeg", rate=25)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
    stream.disposition = Disposition.attached_pic
    return stream


def _chapter(number: int, start: float, end: float, title: str) -> Any:
    return {
        "id": number + 1,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def _encode_sound(output: OutputContainer, sound: Sound, stream: av.AudioStream) -> None:
    samples = np.arange(round(sound.seconds * sound.rate))
    wave = (8000 * np.sin(2 * np.pi * sound.hertz * samples / sound.rate)).astype(np.int16)
    channels = av.AudioLayout(sound.layout).nb_channels
    for begin in range(0, len(wave), 1024):
        part = wave[begin : begin + 1024]
        frame = av.AudioFrame.from_ndarray(np.repeat(part, channels)[None], "s16", sound.layout)
        frame.sample_rate = sound.rate
        frame.time_base = Fraction(1, sound.rate)
        frame.pts = begin + round(sound.start * sound.rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _mux_text(output: OutputContainer, text: Text, stream: Stream) -> None:
    for start, end, words in text.lines:
        raw = words.encode()
        packet = av.Packet(len(raw).to_bytes(2, "big") + raw if text.codec == "mov_text" else raw)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        output.mux_one(packet)
