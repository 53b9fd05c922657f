"""The two calls most programs need: a picture restyled, a video restyled."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from rtstyle.cluster.distribute import distribute
from rtstyle.cluster.farm import Farm
from rtstyle.engines import Engine, pick_device
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, Stylizer
from rtstyle.media.companions import Companions
from rtstyle.media.frame_folder import RATE, FrameFolderSink, FrameFolderSource
from rtstyle.media.geometry import parse_size
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.image_formats import format_of
from rtstyle.media.output import check_output, make_parent, partial_path
from rtstyle.media.timing import parse_time
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.mixing import Pathlike
from rtstyle.pipeline import Listener, run
from rtstyle.stylizers.defaults import CANVAS
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.loading import engine_for_pictures, load_stylizer, load_tour
from rtstyle.stylizers.tour import Tour


@dataclass(frozen=True, slots=True)
class Summary:
    """What one job did."""

    output: str
    frames: int
    seconds: float  # wall-clock
    fps: float
    width: int
    height: int
    style: str  # its name; a:0.6+b:0.4 for a mix, a>b>c for a tour
    engine: str = ""  # what ran the network; empty for a stylizer of the caller's own
    strokes: float = 1.0  # how many times as broad as the network paints them
    waiting: dict[str, float] = field(default_factory=dict)  # seconds the loop spent in each stage
    notes: list[str] = field(default_factory=list)  # what was changed or lost on the way

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, figures rounded to milliseconds and hundredths."""
        plain = asdict(self)
        plain["seconds"], plain["fps"] = round(self.seconds, 3), round(self.fps, 2)
        plain["waiting"] = {stage: round(seconds, 3) for stage, seconds in self.waiting.items()}
        return plain


def stylize_image(
    source: Pathlike,
    output: Pathlike,
    *,
    style: Pathlike | None = None,
    strength: float = 1.0,
    strokes: float | None = None,
    canvas: float = CANVAS,
    device: str = "auto",
    engine: str = "auto",
    stylizer: Stylizer | None = None,
    overwrite: bool = False,
) -> Summary:
    """Restyle one picture file. Orientation, ICC profile, alpha and 16-bit depth survive.

    Args:
        style, strength, strokes, canvas, device, engine: as in `load_stylizer`, but for a canvas of 0.5.
        stylizer: use this one instead of loading `style` with those (for many pictures in a row).

    Raises:
        RtstyleError: unreadable input, or an output that exists and may not be replaced.
    """
    source, output = Path(source), Path(output)
    check_output(output, overwrite=overwrite, inputs=(source,))
    format_of(output)
    engine = engine_for_pictures(engine)
    stylizer = stylizer or load_stylizer(style, strength, device, engine, strokes=strokes, canvas=canvas)
    clock = [perf_counter()]
    picture = read_image(source)
    clock.append(perf_counter())
    getattr(stylizer, "reset", lambda: None)()
    styled = stylizer(Frame(picture.image))
    clock.append(perf_counter())
    make_parent(output)
    notes = [*picture.notes, *write_image(output, picture.with_image(styled.image))]
    clock.append(perf_counter())
    seconds = clock[-1] - clock[0]
    return Summary(
        output=str(output),
        frames=1,
        seconds=seconds,
        fps=1 / seconds,
        width=styled.image.shape[2],
        height=styled.image.shape[1],
        style=_style_name(stylizer),
        engine=_engine_name(stylizer),
        strokes=_strokes(stylizer, styled.image.shape[2], styled.image.shape[1]),
        waiting={stage: clock[i + 1] - clock[i] for i, stage in enumerate(("read", "stylize", "write"))},
        notes=notes,
    )


def stylize_video(
    source: Pathlike,
    output: Pathlike,
    *,
    style: Pathlike | None = None,
    strength: float = 1.0,
    strokes: float | None = None,
    canvas: float = 0.0,
    device: str = "auto",
    engine: str = "auto",
    stylizer: Stylizer | None = None,
    tour: float | Fraction | None = None,
    size: str | int | None = None,
    start: str | float | Fraction | None = None,
    end: str | float | Fraction | None = None,
    fps: float | Fraction | None = None,
    codec: str | None = None,
    crf: int | None = None,
    preset: str | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
    farm: Farm | None = None,
) -> Summary:
    """Restyle one video file; sound, subtitles, times, chapters and metadata go along.

    Args:
        source: a video file, or a folder of pictures, which are its frames.
        output: its extension names the container (mp4, m4v, mov, mkv, webm, gif); without one it is a
            folder of PNGs.
        style, strength, strokes, canvas, device, engine: as in `load_stylizer`.
        stylizer: use this one instead of loading `style`; all of these and the tour are its own.
        tour: go through the styles of ``a,b,c`` in turn, so many seconds from each to the next.
        size: ``1280x720``, or a height alone; the input's size if None.
        start, end: seconds or ``[H:]MM:SS`` from the beginning of the input.
        fps: frames a second of a folder of pictures; 25 if None. A video has its own times.
        codec, crf, preset: of the encoder; H.264, crf 18, veryfast if None (webm: VP9).
        listener: called with a `Progress` after each frame.
        farm: have these workers restyle it, segment by segment, each with a stylizer of its own; style
            and so on then only name it.

    Raises:
        RtstyleError: unreadable input, or an output that exists and may not be replaced.
            What was finished before an error or an interrupt stays playable as ``NAME.partial.ext``.
    """
    source, output = Path(source), Path(output)
    wanted = parse_size(str(size)) if size is not None else None
    begin, over = _seconds(start), _seconds(end)
    check_output(output, overwrite=overwrite, inputs=(source,))
    frames: VideoFileSource | FrameFolderSource
    if source.is_dir():
        if farm is not None:
            raise RtstyleError(f"{source}: pictures are not read in segments; leave out --ray")
        rate = RATE if fps is None else fps
        frames = FrameFolderSource(source, rate=rate, size=wanted, start=begin, end=over)
    else:
        if fps is not None:
            raise RtstyleError(f"fps is for a folder of pictures; {source} has its own times")
        # A farm's workers read for themselves.
        place = _device(stylizer, device) if farm is None else None
        frames = VideoFileSource(source, size=wanted, start=begin, end=over, device=place)
    with frames:
        if stylizer is None and tour is not None:
            stylizer = load_tour(style, tour, strength, device, engine, strokes=strokes, canvas=canvas)
        stylizer = stylizer or load_stylizer(style, strength, device, engine, strokes=strokes, canvas=canvas)
        sink: Sink
        if output.suffix == "":
            if farm is not None:
                raise RtstyleError(f"{output}: PNGs are not made in segments; name a video, or no --ray")
            if codec is not None or crf is not None or preset is not None:
                raise RtstyleError(f"{output}: a folder of PNGs takes no codec, crf or preset")
            sink = FrameFolderSink(output, shape=frames.info.sample_aspect_ratio, overwrite=overwrite)
        else:
            sink = VideoFileSink(
                output,
                frames.info,
                codec=codec,
                crf=crf,
                preset=preset,
                overwrite=overwrite,
                **_along(frames),
            )
        if farm is not None:
            assert isinstance(sink, VideoFileSink) and isinstance(frames, VideoFileSource)
            done = distribute(frames, farm.restyle, sink, listener, workers=farm.workers)
        else:
            done = run(frames, stylizer, sink, listener)
    return Summary(
        output=str(output),
        frames=done.frames,
        seconds=done.seconds,
        fps=done.fps,
        width=sink.size[0],
        height=sink.size[1],
        style=_style_name(stylizer),
        engine=_engine_name(stylizer),
        strokes=_strokes(stylizer, frames.info.width, frames.info.height),
        waiting=done.waiting,
        notes=[*frames.notes, *sink.notes, *_engine_notes(stylizer)],
    )


def _along(frames: VideoFileSource | FrameFolderSource) -> dict[str, Any]:
    """What a video file hands on beside its frames, as arguments of `VideoFileSink`."""
    if isinstance(frames, FrameFolderSource):
        return {}
    return {"color": frames.color, "companions": Companions(frames.path, frames.span)}


def kept_partial(output: Pathlike) -> Path | None:
    """Where an interrupted job left what it had finished, if anything."""
    partial = partial_path(Path(output))
    return partial if partial.exists() else None


def _style_name(stylizer: Stylizer) -> str:
    return str(getattr(stylizer, "name", "")) or type(stylizer).__name__


def _engine_name(stylizer: Stylizer) -> str:
    engine = _engine(stylizer)
    return engine.name if engine is not None else ""


def _engine_notes(stylizer: Stylizer) -> list[str]:
    """Why a network runs otherwise than asked, where its engine has something to say."""
    return list(getattr(_engine(stylizer), "notes", ()))


def _strokes(stylizer: Stylizer, width: int, height: int) -> float:
    painter = _painter(stylizer)
    return painter.strokes_at(width, height) if painter is not None else 1.0


def _engine(stylizer: Stylizer) -> Engine | None:
    painter = _painter(stylizer)
    return painter.engine if painter is not None else None


def _painter(stylizer: Stylizer) -> FeedForward | None:
    stylizer = stylizer.palette if isinstance(stylizer, Tour) else stylizer
    return stylizer if isinstance(stylizer, FeedForward) else None


def _device(stylizer: Stylizer | None, name: str) -> torch.device | None:
    """Where frames are wanted: on the device of the network; anywhere by a stylizer that has none."""
    return pick_device(name) if stylizer is None else getattr(stylizer, "device", None)


def _seconds(time: str | float | Fraction | None) -> Fraction | None:
    if time is None:
        return None
    if isinstance(time, str):
        return parse_time(time)
    if not 0 <= time < math.inf:
        raise RtstyleError(f"time {time} is none; count seconds from the beginning of the input")
    return Fraction(time).limit_denominator(10**9)
