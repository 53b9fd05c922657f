"""Options and habits that several commands share."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rtstyle.errors import RtstyleError
from rtstyle.styles import DEFAULT_STYLE
from rtstyle.stylizers.defaults import BACKBONES


def add_style_options(
    parser: argparse.ArgumentParser,
    canvas: float = 0.0,
    unasked: str = DEFAULT_STYLE,
    several: str = "or a,b",
    strokes: float | None = None,
) -> None:
    """``canvas``, ``unasked``, ``strokes``: how much, which style, how broad, where nothing is asked for.

    ``several``: what names without weights are.
    """
    group = parser.add_argument_group("style")
    group.add_argument(
        "--style",
        metavar="NAME|FILE|MIX",
        help="a style by name (see 'rtstyle styles') or file; or a mix of one family, as a:0.6,b:0.4 "
        f"{several} ({unasked})",
    )
    group.add_argument("--strength", type=share, default=1.0, metavar="0..1", help="how much style (1)")
    group.add_argument(
        "--strokes",
        type=breadth,
        default=strokes,
        metavar="N|auto",
        help="N times as broad, or as suits the size: 1 to 899 lines, 2 for 1080p, 4 for 4K "
        f"({'auto' if strokes is None else f'{strokes:g}'})",
    )
    group.add_argument(
        "--canvas",
        type=share,
        default=canvas,
        metavar="0..1",
        help=f"strokes in bare places too, from a still canvas ({canvas:g})",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument(
        "--engine",
        default="auto",
        help="eager, graph, openvino, int8, or auto: the fastest, eager for pictures (auto)",
    )


def add_report_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="print one summary object on stdout")
    group.add_argument("--progress", action="store_true", help="show progress even when not on a terminal")
    group.add_argument("--quiet", action="store_true", help="show neither progress nor notes")


def add_span_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--start", metavar="TIME", help="seconds or [H:]MM:SS from the beginning of the video")
    group.add_argument("--end", metavar="TIME", help="likewise; the first instant left out")


def add_existing_options(group: argparse._ActionsContainer) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    either.add_argument("--skip-existing", action="store_true", help="leave them, and do the others")


def not_done(options: argparse.Namespace, jobs: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Those of (input, output) that are to be done: with ``--skip-existing`` those without an output."""
    if not options.skip_existing:
        return jobs
    left = [(source, output) for source, output in jobs if _is_free(output)]
    if there := len(jobs) - len(left):
        say(options, [f"{there} of {len(jobs)} {'is' if there == 1 else 'are'} there already"])
    return left


def _is_free(output: Path) -> bool:
    return not output.exists() or (output.is_dir() and not any(output.iterdir()))


def check_no_span(options: argparse.Namespace) -> None:
    """Raises RtstyleError where a part of a video is asked for and there is none."""
    if given := [f"--{name}" for name in ("start", "end") if getattr(options, name) is not None]:
        raise RtstyleError(f"{', '.join(given)}: of a video; {options.output} is made from a picture")


def shows_progress(options: argparse.Namespace) -> bool:
    return not options.quiet and (options.progress or sys.stderr.isatty())


def say(options: argparse.Namespace, lines: Iterable[str], about: str = "") -> None:
    """Notes, one line each, on stderr."""
    if not options.quiet:
        for line in lines:
            print(f"rtstyle: {about}{': ' if about else ''}{line}", file=sys.stderr)


def say_error(line: str) -> None:
    """What failed among other things that did not: one line on stderr, whatever else is quiet."""
    print(f"rtstyle: {line}", file=sys.stderr)


def say_closed(folder: Path) -> None:
    """A line on each folder inside that cannot be read: what it holds is left out."""
    for inner in sorted(folder.rglob("*")):
        if inner.is_dir() and not os.access(inner, os.R_OK | os.X_OK):
            say_error(f"{inner}: may not be read; what it holds is left out")


def counted(count: int) -> str:
    """So many frames, in words."""
    return f"{count} frame{'s' * (count != 1)}"


def print_json(value: dict[str, Any]) -> None:
    """One object on stdout; what could not be measured (not finite) is null."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # a file's name that is no UTF-8, or a pipe on Windows
        text = json.dumps(_finite(value), allow_nan=False)
    print(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_totals(done: list[dict[str, Any]], failed: list[dict[str, str]]) -> None:
    """One object for many files: sums, then the summary of each, then what failed and why."""
    frames, seconds = sum(d["frames"] for d in done), sum(d["seconds"] for d in done)
    total = {"frames": frames, "seconds": round(seconds, 3), "fps": round(frames / (seconds or 1), 2)}
    print_json({**total, "files": done, "failed": failed})


def checked(text: str, kind: type, meaning: str, good: Callable[[Any], bool] = lambda value: True) -> Any:
    """A number; "not ``meaning``" is said of what is none, or not ``good``."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not good(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {meaning}")
    return value


def share(text: str) -> float:
    return checked(text, float, "a number from 0 to 1", lambda value: 0 <= value <= 1)


def vgg19_file(text: str) -> Path:
    """Where VGG19 alone is asked for its name may be left out."""
    name, equals, file = text.partition("=")
    if equals and name in BACKBONES and name != "vgg19":
        raise argparse.ArgumentTypeError(f"{text!r}: VGG19 alone measures here; allowed is [vgg19=]FILE")
    return Path(file if name == "vgg19" and equals else text)


def breadth(text: str) -> float | None:
    if text == "auto":
        return None
    from rtstyle.stylizers.strokes import BROADEST, FINEST  # not before one is given: it needs PyTorch

    allowed = f"a number from {FINEST:g} (finer) to {BROADEST:g} (broader), or auto"
    return checked(text, float, allowed, lambda value: FINEST <= value <= BROADEST)
