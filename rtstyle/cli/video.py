"""``rtstyle video IN OUT``: a video file, or a folder of them, restyled."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.allocator import keep_freed_memory
from rtstyle.cli.options import (
    add_existing_options,
    add_report_options,
    add_span_options,
    add_style_options,
    counted,
    not_done,
    print_json,
    print_totals,
    say,
    say_closed,
    say_error,
    shows_progress,
)
from rtstyle.cli.video_inputs import is_sequence, jobs_of_folder
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from rtstyle.api import Summary
    from rtstyle.cluster.farm import Farm
    from rtstyle.frame import Stylizer
    from rtstyle.pipeline import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", type=Path, help="a video file, or a folder of them; or of pictures, the frames of one video"
    )
    parser.add_argument(
        "output", type=Path, help="mp4, mkv, mov, m4v, webm or gif by extension; without one, a folder"
    )
    add_style_options(parser)
    parser.add_argument(
        "--tour",
        type=float,
        metavar="SECONDS",
        help="go through the styles of --style a,b,c in turn, SECONDS from each to the next, round and round",
    )
    group = parser.add_argument_group("picture")
    group.add_argument("--size", metavar="WxH|H", help="1280x720, or a height alone (as the input)")
    add_span_options(group)
    group.add_argument(
        "--fps",
        type=_rate,
        metavar="N",
        help="of a folder of pictures, as 24 or 30000/1001 (25)",
    )
    group = parser.add_argument_group("file")
    group.add_argument(
        "--codec", help="h264, hevc, av1, vp9; of a GPU, h264_nvenc, hevc_nvenc (h264; webm: vp9)"
    )
    group.add_argument("--crf", type=int, help="constant quality, smaller is better (h264: 18)")
    group.add_argument("--preset", help="encoder speed (h264: veryfast)")
    add_existing_options(group)
    group = parser.add_argument_group("machines")
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="spread each video over a Ray cluster: auto, HOST:6379, ray://HOST:10001 or local",
    )
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    if str(options.output) == "-":
        raise RtstyleError("the output is a file or a folder; '-' (standard output) is none")
    folder = options.input.is_dir() and not is_sequence(options.input, options.output)
    if folder and options.fps is not None:
        raise RtstyleError(f"--fps is for a folder of pictures that become one video, not {options.output}")
    if options.ray is not None and options.input.is_dir() and not folder:
        raise RtstyleError(f"{options.input}: --ray spreads video files, not a folder of pictures")
    jobs = jobs_of_folder(options.input, options.output) if folder else [(options.input, options.output)]
    if folder:
        say_closed(options.input)
    if not (jobs := not_done(options, jobs)):
        if options.json:
            print_totals([], [])
        return 0
    stylizer = _load(options) if folder or options.ray is not None else None
    with _farm(options) if options.ray is not None else nullcontext() as farm:
        if folder:
            return _run_folder(options, jobs, stylizer, farm)
        source, output = jobs[0]
        summary = _run_one(options, source, output, stylizer, farm)
    if options.json:
        print_json(summary.as_dict())
    return 0


def _load(options: argparse.Namespace) -> Stylizer:
    from rtstyle.stylizers.loading import load_stylizer, load_tour

    ways = (options.strength, options.device, options.engine)
    looks = {"strokes": options.strokes, "canvas": options.canvas}
    if options.tour is not None:
        return load_tour(options.style, options.tour, *ways, **looks)
    return load_stylizer(options.style, *ways, **looks)


def _farm(options: argparse.Namespace) -> Farm:
    from rtstyle.cluster.farm import Farm

    return Farm(options.ray, partial(_load_for_worker, options), options.device)


def _load_for_worker(options: argparse.Namespace) -> Stylizer:
    keep_freed_memory()
    return _load(options)


def _run_one(
    options: argparse.Namespace, source: Path, output: Path, stylizer: Stylizer | None, farm: Farm | None
) -> Summary:
    from tqdm import tqdm

    from rtstyle.api import kept_partial, stylize_video
    from rtstyle.media.image_formats import is_readable_name

    with tqdm(unit="frame", disable=not shows_progress(options), desc=source.name, leave=False) as bar:
        finished = 0

        def show(progress: Progress) -> None:
            nonlocal finished
            bar.total, finished = progress.length, progress.frames
            bar.update(finished - bar.n)

        try:
            summary = stylize_video(
                source,
                output,
                style=options.style,
                strength=options.strength,
                strokes=options.strokes,
                canvas=options.canvas,
                device=options.device,
                engine=options.engine,
                stylizer=stylizer,
                tour=options.tour,
                size=options.size,
                start=options.start,
                end=options.end,
                fps=options.fps,
                codec=options.codec,
                crf=options.crf,
                preset=options.preset,
                overwrite=options.overwrite,
                listener=show,
                farm=farm,
            )
        except BaseException:
            bar.close()
            if finished and (partial := kept_partial(output)) is not None:
                say(options, [f"stopped after {counted(finished)}; what is finished is kept in {partial}"])
            raise
    if summary.frames == 1 and source.is_file() and is_readable_name(source):
        say(options, ["a picture makes a video of one frame; rtstyle image paints pictures"], source.name)
    say(options, summary.notes, source.name)
    say(options, [_done(summary)])
    return summary


def _run_folder(
    options: argparse.Namespace, jobs: list[tuple[Path, Path]], stylizer: Stylizer | None, farm: Farm | None
) -> int:
    """All files of a folder; one that fails is reported and the others are done.

    One after the other: within a file every core has work (of two cores 97 to 99 % on clips of 2 to 10
    seconds), so that a process for each core, a file at a time each, came out the same: 42 ms of a core a
    frame at 640x360 instead of 43.
    """
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for source, output in jobs:
        try:
            done.append(_run_one(options, source, output, stylizer, farm).as_dict())
        except RtstyleError as error:
            failed.append({"input": str(source), "error": str(error)})
            say_error(str(error))
    if options.json:
        print_totals(done, failed)
    if failed:
        raise RtstyleError(f"{len(failed)} of {len(jobs)} file{'s' * (len(jobs) != 1)} failed")
    return 0


def _rate(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, as 24 or 30000/1001") from None


def _done(summary: Summary) -> str:
    size = f"{summary.width}x{summary.height}"
    broad = f" (strokes {summary.strokes:g} times as broad)" if summary.strokes != 1 else ""
    return (
        f"{summary.output}: {counted(summary.frames)}, {size}, {summary.style}{broad}, {summary.engine},"
        f" {summary.seconds:.1f} s ({summary.fps:.1f} fps)"
    )
