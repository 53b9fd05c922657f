"""``rtstyle benchmark``: how fast, how soon, with how much memory, against what this machine can do."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.benchmark_report import closing_lines, opening_lines, size_lines
from rtstyle.cli.options import add_report_options, print_json, say, shows_progress
from rtstyle.cli.outputs import check_picture
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch

    from rtstyle.benchmark.candidates import Candidate
    from rtstyle.benchmark.energy import Energy

_EPILOG = """fps is throughput, several frames at once where that is faster; latency is of one frame with
nothing else under way. Every run is repeated in rounds, all things in turn; figures are medians. Other work
on the machine shows in the spread: let it rest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    group = parser.add_argument_group("what")
    group.add_argument(
        "--sizes", default="360p,720p,1080p", metavar="LIST", help="heights or WxH (360p,720p,1080p)"
    )
    group.add_argument("--styles", metavar="LIST", help="names or files of styles (the default style)")
    group.add_argument("--engines", metavar="LIST", help="what runs the network (all that work here)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument(
        "--compare", action="store_true",
        help="measure the classic network as usually written too, and how many times faster each style is",
    )  # fmt: skip
    group.add_argument("--input", type=Path, metavar="FILE", help="a video to restyle (a drawn scene)")
    group = parser.add_argument_group("how")
    group.add_argument("--seconds", type=float, default=2, help="of each run, 3 frames at least (2)")
    group.add_argument("--rounds", type=int, default=3, help="how often all is measured, in turn (3)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw fps against pixels there")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing plot")
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from rtstyle.media.geometry import parse_size
    from rtstyle.styles import DEFAULT_STYLE

    _check(options)
    # From small to large: memory once taken stays with the process.
    wanted = sorted(map(parse_size, _names(options.sizes, "--sizes")), key=_pixels)
    styles = _names(options.styles, "--styles") if options.styles is not None else [DEFAULT_STYLE]
    engines = _names(options.engines, "--engines") if options.engines is not None else []
    return _measure(options, wanted, styles, engines)


def _measure(
    options: argparse.Namespace,
    wanted: list[tuple[int | None, int]],
    styles: list[str],
    engines: list[str],
) -> int:
    from rtstyle.benchmark.candidates import load_candidates, plain_candidates
    from rtstyle.benchmark.energy import Energy
    from rtstyle.benchmark.machine import machine_facts
    from rtstyle.engines import pick_device

    device = pick_device(options.device)

    def load() -> tuple[list[Candidate], list[str]]:
        candidates, notes = load_candidates(styles, engines, str(device))
        return candidates + (plain_candidates(device) if options.compare else []), notes

    _, notes = load()
    energy = Energy(device)
    result: dict[str, Any] = {
        "machine": machine_facts(device),
        "input": str(options.input) if options.input else "the drawn scene",
        "seconds": options.seconds,
        "rounds": options.rounds,
        "sizes": [],
        "energy_of": energy.of,
        "notes": [*notes, *(f"energy is not measured: {each}" for each in energy.why)],
    }
    say(options, result["notes"])
    if not options.json:
        print("\n".join(opening_lines(result)))
    try:
        _measure_sizes(options, wanted, lambda: load()[0], device, energy, result)
    finally:  # what Ctrl-C leaves is whole sizes
        _finish(options, result)
    return 0


def _measure_sizes(
    options: argparse.Namespace,
    wanted: list[tuple[int | None, int]],
    load: Callable[[], list[Candidate]],
    device: torch.device,
    energy: Energy,
    result: dict[str, Any],
) -> None:
    """Add each size to the result, and print it where no JSON is asked for."""
    from tqdm import tqdm

    from rtstyle.benchmark.ceiling import ceilings
    from rtstyle.benchmark.measure import measure_size
    from rtstyle.benchmark.memory import available
    from rtstyle.benchmark.scene import Scene, drawn_frames, filmed_frames, laid_out

    with (
        tempfile.TemporaryDirectory(prefix="rtstyle-") as folder,
        tqdm(total=len(wanted), unit="size", disable=not shows_progress(options), leave=False) as bar,
    ):

        def note(line: str) -> None:
            result["notes"].append(line)
            with bar.external_write_mode(file=sys.stderr):
                say(options, [line])

        room = available()
        drawn = None if options.input else drawn_frames()
        for size in wanted:
            held = filmed_frames(options.input, size) if drawn is None else laid_out(drawn, size)
            scene = Scene(held, Path(folder))
            if any((scene.width, scene.height) == (had["width"], had["height"]) for had in result["sizes"]):
                bar.update()  # 90p and 160x90 are one
                continue
            bar.set_description(scene.name)
            found = measure_size(
                scene,
                load(),  # anew: some engines keep the memory of every size they have seen
                ceilings(device),
                seconds=options.seconds,
                rounds=options.rounds,
                room=room,
                energy=energy,
                tell=bar.set_postfix_str,
                note=note,
            )
            result["sizes"].append(found)
            bar.update()
            if not options.json:
                with bar.external_write_mode(file=sys.stdout):
                    print("\n".join(["", *size_lines(found)]), flush=True)


def _finish(options: argparse.Namespace, result: dict[str, Any]) -> None:
    from rtstyle.benchmark.figures import linear_fits, rounded
    from rtstyle.benchmark.plot import draw_speeds

    if not result["sizes"]:
        return
    result["linear"] = linear_fits(result["sizes"])
    if options.json:
        print_json(rounded(result))
    else:
        print("\n".join(["", *closing_lines(result)]))
    if options.plot is not None:
        machine = result["machine"]
        place = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
        draw_speeds(options.plot, result["sizes"], place)


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers and names that cannot work before minutes are spent."""
    if not 0 < options.seconds <= 3600:
        raise RtstyleError(f"--seconds is {options.seconds:g}; allowed are numbers above 0, up to 3600")
    if not 1 <= options.rounds <= 100:
        raise RtstyleError(f"--rounds is {options.rounds}; allowed are whole numbers from 1 to 100")
    if options.input is not None and not options.input.exists():
        raise RtstyleError(f"{options.input}: no such file")
    if options.plot is not None:
        inputs = [options.input] if options.input else []
        check_picture(options.plot, overwrite=options.overwrite, inputs=inputs, option="--plot")


def _names(text: str, option: str) -> list[str]:
    """The parts of a list with commas, each once."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise RtstyleError(f"{option} is '{text}'; write names with a comma between, as a,b")
    return list(dict.fromkeys(names))


def _pixels(size: tuple[int | None, int]) -> float:
    width, height = size
    return height * (width or height * 16 / 9)
