"""Each stage alone and all together: one timed run each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import count, cycle
from pathlib import Path
from time import perf_counter, process_time

import av
import torch

from rtstyle.api import stylize_video
from rtstyle.benchmark.energy import Energy
from rtstyle.benchmark.figures import Sample
from rtstyle.benchmark.machine import usable_cores
from rtstyle.benchmark.scene import RATE, Scene
from rtstyle.frame import Frame, Stylizer
from rtstyle.media import nv12
from rtstyle.media.color import FULL, ColorTags, FromRgb, ToRgb, tags_of
from rtstyle.media.containers import ffmpeg_name
from rtstyle.media.encoders import ENCODERS
from rtstyle.media.geometry import pad
from rtstyle.media.null import MemorySource, NullSink
from rtstyle.media.nvdec import chroma_left
from rtstyle.media.opened import OpenedVideo
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import run

LEAST = 3  # frames of a run, however slow
_ENCODER = ENCODERS["h264"]


def decoding(scene: Scene, seconds: float, device: torch.device) -> Sample:
    """The clip, from the beginning again at its end; by a GPU's own decoder, or said why not.

    A GPU's decoder takes longer to be made again than for many frames: that does not count.
    """
    clip = OpenedVideo(scene.clip)
    frames, why, opening = clip.decode(None), "", 0.0
    if device.type == "cuda":
        _, frames, why = clip.decode_on(device, None, next(frames), frames)

    def endless() -> Iterator[av.VideoFrame]:
        nonlocal opening
        yield from frames
        while True:
            closed = perf_counter()
            again = clip.decode(Fraction(0))
            if (first := next(again, None)) is None:
                return
            opening += perf_counter() - closed if device.type == "cuda" else 0.0
            yield first
            yield from again

    turning = endless()
    begin = perf_counter()
    try:
        sample = _repeat(partial(next, turning), seconds)
        settle(device)
        sample.seconds = perf_counter() - begin - opening
    finally:
        turning.close()  # type: ignore[attr-defined]
        clip.close()
    sample.note = f"decode is the processor's, not the GPU's: {why}" if why else ""
    return sample


def to_rgb(frames: Sequence[av.VideoFrame], seconds: float, device: torch.device) -> Sample:
    """Decoded frames to RGB bytes; on a GPU from planes in its memory, as its decoder leaves them."""
    if device.type == "cuda":
        return _to_rgb_there(frames[0], seconds, device)
    convert, endless = ToRgb(), cycle(frames)

    def step() -> None:
        frame = next(endless)
        convert(frame, tags_of(frame))

    return _repeat(step, seconds)


def _to_rgb_there(frame: av.VideoFrame, seconds: float, device: torch.device) -> Sample:
    convert = _from_planes(frame, device)

    def step() -> None:
        convert()
        settle(device)

    return _repeat(step, seconds)


def _from_planes(frame: av.VideoFrame, device: torch.device) -> Callable[[], torch.Tensor]:
    """From a decoded frame's planes, put into a device's memory once, to RGB there."""
    luma, chroma = (torch.from_dlpack(plane).to(device) for plane in frame.reformat(format="nv12").planes)
    tags = tags_of(frame)
    full, left = tags.range == FULL, bool(chroma_left(frame))
    return lambda: nv12.to_rgb(luma, chroma, tags.matrix, full, left=left)


def network(scene: Scene, stylizer: Stylizer, frames: int, device: torch.device) -> Sample:
    """Frames in a device's memory restyled to nowhere, as many at once as `rtstyle video` does."""
    begin = perf_counter()
    run(MemorySource(scene.frames(device), frames, RATE), stylizer, NullSink())
    settle(device)
    return Sample(frames, perf_counter() - begin)


def network_between(frame: av.VideoFrame, stylizer: Stylizer, frames: int, device: torch.device) -> Sample:
    """What a GPU does of a video: its decoder's planes to RGB, restyled, to the encoder's; none leaves it.

    In threads of their own, as in `rtstyle video`.

    Args:
        frame: a decoded one.
    """
    convert, tags = _from_planes(frame, device), tags_of(frame)

    class Planes(MemorySource):
        def __iter__(self) -> Iterator[Frame]:
            for held in super().__iter__():
                yield Frame(convert(), held.time)

    class Converted(NullSink):
        def write(self, frame: Frame) -> None:
            nv12.to_yuv420p(frame.image, tags.matrix, tags.range == FULL)

    source = Planes([Frame(convert())], frames, RATE)
    begin = perf_counter()
    run(source, stylizer, Converted())
    settle(device)
    return Sample(frames, perf_counter() - begin)


def network_latency(scene: Scene, stylizer: Stylizer, seconds: float, device: torch.device) -> Sample:
    """Frames in a device's memory, each restyled by itself with all threads."""
    endless = cycle(scene.frames(device))

    def step() -> None:
        stylizer(next(endless))
        settle(device)

    step()  # what an engine compiles for so many threads, or records, is not the frame's
    return _repeat(step, seconds, least=1)


def settle(device: torch.device) -> None:
    """Wait for what a GPU was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def to_yuv(images: Sequence[torch.Tensor], seconds: float) -> Sample:
    """RGB bytes (3, H, W) to what the encoder takes."""
    convert, endless = converter(images[0]), cycle(images)
    return _repeat(lambda: convert(next(endless)), seconds)


def encoding(frames: Sequence[av.VideoFrame], path: Path, seconds: float) -> Sample:
    """Converted frames to H.264 in a file, at the settings of `rtstyle video`, the last ones' way out too."""
    endless, number = cycle(frames), count()
    begin = perf_counter()
    with av.open(ffmpeg_name(path), "w") as container:
        stream = container.add_stream(_ENCODER.name, rate=RATE, options=_ENCODER.settings(None, None))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt, stream.time_base = _ENCODER.pixel_format, 1 / RATE

        def step() -> None:
            frame = next(endless)
            frame.pts, frame.time_base = next(number), 1 / RATE
            container.mux(stream.encode(frame))

        sample = _repeat(step, seconds)
        container.mux(stream.encode(None))
    sample.seconds = perf_counter() - begin
    return sample


def video(scene: Scene, stylizer: Stylizer, frames: int, energy: Energy) -> Sample:
    """The clip's first frames from file to file, through `stylize_video`."""
    energy.joules()
    begin, used = perf_counter(), process_time()
    done = stylize_video(scene.clip, scene.output, stylizer=stylizer, end=until(frames), overwrite=True)
    seconds, used = perf_counter() - begin, process_time() - used
    return Sample(
        done.frames,
        seconds,
        busy=used / seconds / usable_cores(),
        joules=energy.joules(),
    )


def video_latency(scene: Scene, stylizer: Stylizer, seconds: float, device: torch.device | None) -> Sample:
    """The clip from file to file, each frame read, restyled and written before the next one is begun.

    Args:
        device: where frames are decoded to; None: the processor's memory.
    """
    stylizer(scene.held[0])  # as in `network_latency`
    begin = perf_counter()
    with (
        VideoFileSource(scene.clip, device=device) as source,
        VideoFileSink(scene.output, source.info, color=source.color, overwrite=True) as sink,
    ):
        frames = iter(source)
        sample = _repeat(lambda: sink.write(stylizer(next(frames))), seconds, least=1)
    sample.seconds = perf_counter() - begin
    return sample


def until(frames: int) -> Fraction:
    """Seconds of the clip that hold so many frames."""
    return (frames - Fraction(1, 2)) / RATE


def converter(image: torch.Tensor) -> Callable[[torch.Tensor], av.VideoFrame]:
    """From images like this one (3, H, W) to the encoder's frames, sides made even as the sink does."""
    _, height, width = image.shape
    convert = FromRgb(ColorTags.untagged(height), _ENCODER.pixel_format)
    even = (width + width % 2, height + height % 2)
    return lambda image: convert(pad(image, even))


def _repeat(step: Callable[[], object], seconds: float, least: int = LEAST) -> Sample:
    """A step again and again for so long, and at least so often; ended early by StopIteration."""
    latencies: list[float] = []
    begin = last = perf_counter()
    while len(latencies) < least or last - begin < seconds:
        try:
            step()
        except StopIteration:
            break
        now = perf_counter()
        latencies.append(now - last)
        last = now
    return Sample(len(latencies), last - begin, latencies)


class Kept(NullSink):
    """Keeps the frames it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[torch.Tensor] = []

    def write(self, frame: Frame) -> None:
        self.images.append(frame.image)
