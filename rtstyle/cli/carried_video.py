"""A video by a method for stills, from the command line: carried along, kept until complete, reported."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from tqdm import tqdm

from rtstyle.api import stylize_video
from rtstyle.cli.options import counted, print_json, say, shows_progress
from rtstyle.frame import to_float
from rtstyle.media.timing import parse_time
from rtstyle.media.video_file import VideoFileSource
from rtstyle.stylizers.carried import Carried, Maker
from rtstyle.stylizers.kept import Kept
from rtstyle.stylizers.octaves import Size

if TYPE_CHECKING:
    from rtstyle.pipeline import Progress


def first_frame(source: Path, start: str | None, end: str | None) -> Tensor:
    """(3, H, W) in [0, 1], of the part from ``start`` to ``end``, times as typed. Raises RtstyleError."""
    begin, over = (None if time is None else parse_time(time) for time in (start, end))
    with VideoFileSource(source, start=begin, end=over) as clip:
        return to_float(next(iter(clip)).image)


def even(size: Size) -> Size:
    """The nearest size that video codecs take."""
    return max(2, 2 * round(size[0] / 2)), max(2, 2 * round(size[1] / 2))


def carry_video(
    options: argparse.Namespace,
    source: Path,
    size: Size,
    make: Maker,
    settings: Mapping[str, Any],
    *,
    finish: Callable[[Tensor, Tensor], Tensor],
    done: str,
    layers: list[str] | None = None,
) -> int:
    """Write ``options.output``, of the part of the clip that is asked for; returns the exit code.

    Args:
        settings: all that shapes the frames beside the clip, for `Kept`.
        finish: as `Carried` takes it.
        done: what is done to a frame, for messages: "painted".
        layers: to be named in the report.
    """
    height, width = size
    folder = options.output.with_suffix(".frames")
    clip = {"clip": str(source.resolve()), "bytes": str(source.stat().st_size)}
    times = {"--start": options.start, "--end": options.end}
    span = {name: str(parse_time(time)) for name, time in times.items() if time is not None}
    kept = Kept(make, folder, {**settings, **clip, **span})
    stylizer = Carried(kept, finish)
    with tqdm(unit="frame", disable=not shows_progress(options), leave=False) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.length
            bar.set_postfix_str(f"{stylizer.cuts} cuts", refresh=False)
            bar.update(progress.frames - bar.n)

        try:
            summary = stylize_video(
                source, options.output,
                stylizer=stylizer, size=f"{width}x{height}", start=options.start, end=options.end,
                overwrite=options.overwrite, listener=show,
            )  # fmt: skip
        except BaseException:
            bar.close()
            if folder.exists():
                say(options, [f"what was {done} is kept in {folder}; the same command goes on from there"])
            raise
    kept.discard()
    say(options, summary.notes, source.name)
    found = f", {kept.found} of them from the run before" if kept.found else ""
    what = [f"{counted(summary.frames)}{found}", f"{width}x{height}", *(layers or [])]
    say(options, [f"{options.output}: {', '.join(what)}, {summary.seconds:.0f} s"])
    if options.json:
        more = {"layers": layers} if layers else {}
        plain = summary.as_dict()
        del plain["style"], plain["engine"]  # of a network that restyles
        print_json({**plain, **more, "cuts": stylizer.cuts})
    return 0
