"""The main loop on many machines: what `pipeline.run` is on one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

from rtstyle.cluster.join import Joiner
from rtstyle.cluster.segments import Segment, Stamps, segments_of
from rtstyle.cluster.workers import Encoded, Job
from rtstyle.errors import RtstyleError
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import Listener, Progress

# Restyles the segments of a job and gives them back in order, as `Farm.restyle` does.
Restyle = Callable[[Job, Sequence[Segment]], Iterable[Encoded]]


def distribute(
    source: VideoFileSource,
    restyle: Restyle,
    sink: VideoFileSink,
    listener: Listener | None = None,
    *,
    workers: int,
) -> Progress:
    """Restyle a video in segments; the sink is closed at the end, whatever happens.

    The output has the frames and times that `pipeline.run` gives it, and the same pictures but for what an
    encoder does differently when it starts anew.

    Args:
        source: tells what to read; workers open the file by its path.
        listener: called after each segment.
        workers: how many take segments at the same time.

    Raises:
        RtstyleError: the video cannot be cut, or what a worker raised; what was joined stays as a partial.
    """
    begin = perf_counter()
    progress = Progress()
    with sink:
        if sink.track.muxer.format == "gif":
            raise RtstyleError(f"{sink.path}: a gif is not made in segments; write mp4 or leave out --ray")
        stamps = Stamps.read(source.path, source.span)
        first = next(iter(source)).time
        segments = segments_of(stamps, source.span, workers)
        job = Job(
            source=source.path.resolve(),
            output=sink.path.name,
            info=source.info,
            color=source.color,
            origin=source.span.origin,
            first=first,
            encoding=sink.track.asked,
        )
        progress.length = len(stamps.times)
        joiner = Joiner(sink)
        for done in restyle(job, segments):
            joiner.add(done)
            progress.frames += done.frames
            stamps.damage.flawed += done.flawed
            for stage, seconds in done.waiting.items():
                progress.waiting[stage] += seconds
            source.notes += [note for note in done.notes if note not in source.notes]
            progress.seconds = perf_counter() - begin
            if listener is not None:
                listener(progress)
    # A packet may also give more frames than one.
    stamps.damage.packets = stamps.damage.silent = max(0, len(stamps.times) - progress.frames)
    if source.span.end is None:
        loss = source.loss_of(stamps.damage, progress.frames)
    else:
        loss = stamps.damage.sentence(None, 0, source.info.rate, progress.frames)
    source.notes += [loss] if loss else []
    progress.seconds = perf_counter() - begin
    return progress
