"""``rtstyle image IN... OUT``: pictures, or folders of them, restyled."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import (
    add_existing_options,
    add_report_options,
    add_style_options,
    not_done,
    print_json,
    print_totals,
    say,
    say_closed,
    say_error,
    shows_progress,
)
from rtstyle.errors import RtstyleError
from rtstyle.stylizers.defaults import CANVAS

if TYPE_CHECKING:
    from rtstyle.api import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", metavar="IN", help="picture files, or folders")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture file, or a folder")
    add_style_options(parser, canvas=CANVAS)
    add_existing_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from rtstyle.api import stylize_image
    from rtstyle.stylizers.loading import engine_for_pictures, load_stylizer

    for folder in filter(Path.is_dir, options.inputs):
        say_closed(folder)
    jobs = _jobs(options.inputs, options.output)
    single = len(jobs) == 1
    jobs = not_done(options, jobs)
    if not jobs:
        if options.json:
            print_totals([], [])
        return 0
    engine = engine_for_pictures(options.engine)
    ways = (options.strength, options.device, engine)
    stylizer = load_stylizer(options.style, *ways, strokes=options.strokes, canvas=options.canvas)
    done: list[Summary] = []
    failed: list[dict[str, str]] = []
    for source, output in tqdm(jobs, unit="picture", disable=not shows_progress(options), leave=False):
        try:
            summary = stylize_image(source, output, stylizer=stylizer, overwrite=options.overwrite)
        except RtstyleError as error:
            if single:
                raise
            failed.append({"input": str(source), "error": str(error)})
            say_error(str(error))
        else:
            done.append(summary)
            say(options, summary.notes, source.name)
    seconds = sum(summary.seconds for summary in done)
    if done:
        say(options, [f"{options.output}: {len(done)} picture{'s' * (len(done) > 1)}, {seconds:.1f} s"])
    if options.json and single:
        print_json(done[0].as_dict())
    elif options.json:
        print_totals([summary.as_dict() for summary in done], failed)
    if failed:
        raise RtstyleError(
            f"{len(failed)} of {len(jobs)} pictures failed{', the others are done' if done else ''}"
        )
    return 0


def _jobs(inputs: list[Path], output: Path) -> list[tuple[Path, Path]]:
    """(input, output) pairs: one file to one file, else into a folder with each folder's tree kept."""
    from rtstyle.media.image_formats import READABLE, find_images, is_image_name

    if len(inputs) == 1 and not inputs[0].is_dir() and not output.is_dir() and output.suffix:
        return [(inputs[0], output)]
    if output.suffix and not output.is_dir() and is_image_name(output):
        raise RtstyleError(f"{output}: several pictures need a folder as output, this is one file's name")
    jobs: dict[Path, Path] = {}
    converted: list[tuple[Path, Path]] = []
    for source in inputs:
        found = find_images(source) if source.is_dir() else [source]
        within = source.is_dir() and output.resolve().is_relative_to(source.resolve())
        if not found:
            raise RtstyleError(f"{source}: holds no picture ({', '.join(READABLE)})")
        for picture in found:
            target = output / (picture.relative_to(source) if source.is_dir() else picture.name)
            if within and picture.resolve().is_relative_to(output.resolve()):
                continue  # results of an earlier run inside the input folder
            if not is_image_name(target):  # HEIC and GIF are read, not written
                converted.append((picture, target))
                continue
            if target in jobs and jobs[target] != picture:
                raise RtstyleError(f"{jobs[target]} and {picture} would both become {target}; run them apart")
            jobs[target] = picture
    taken = {str(target).casefold() for target in jobs}  # these keep their names; some disks know no case
    for picture, target in converted:
        kind = ".png" if target.suffix.lower() == ".gif" else ".jpg"
        name = target.with_suffix(kind)
        if str(name).casefold() in taken:  # IMG_1.heic beside IMG_1.jpg
            name = target.with_name(target.name.replace(".", "_") + kind)
        taken.add(str(name).casefold())
        jobs[name] = picture
    if not jobs:
        raise RtstyleError(f"{output}: holds all the pictures itself; name another folder as output")
    return sorted((source, target) for target, source in jobs.items())
