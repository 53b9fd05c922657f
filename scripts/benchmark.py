"""How fast is `rtstyle video`, and does it keep its slowest stage busy?

Each stage alone (decode to nowhere, network on frames in memory, encode of frames in memory), then all
together through files, in rounds; medians and spread. The input is the drawn scene, H.264.

    python scripts/benchmark.py --sizes 640x360,1280x720 --styles starry_night,NAME --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import av
import torch

from rtstyle.api import load_stylizer, stylize_video
from rtstyle.frame import Frame, Source, Stylizer
from rtstyle.media.null import MemorySource, NullSink
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import run
from rtstyle.styles import load_style


class Untouched:
    """A stylizer that does nothing."""

    def __call__(self, frame: Frame) -> Frame:
        return frame

    def reset(self) -> None: ...


def measure(
    folder: Path, size: tuple[int, int], styles: list[str], frames: int, rounds: int
) -> dict[str, dict]:
    """fps of every stage and of every style, name -> {median, fastest, slowest}."""
    held = list(SyntheticSource(*size, seconds=2))
    clip = folder / "input.mp4"
    encode(MemorySource(held, frames), Untouched(), clip)
    stylizers = {name: load_stylizer(name) for name in styles}
    timed: dict[str, Callable[[], object]] = {
        "decode": lambda: run(VideoFileSource(clip), Untouched(), NullSink()),
        "encode": lambda: encode(MemorySource(held, frames), Untouched(), folder / "encode.mp4"),
    }
    for name, stylizer in stylizers.items():
        timed[f"{name}: network"] = lambda s=stylizer: run(MemorySource(held, frames), s, NullSink())
        timed[f"{name}: video"] = lambda s=stylizer: stylize_video(
            clip, folder / "output.mp4", stylizer=s, overwrite=True
        )
    for stylizer in stylizers.values():  # warm up
        stylizer(held[0])
    fps: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):  # in turns: a disturbance of the machine meets all alike
        for name, job in timed.items():
            begin = perf_counter()
            job()
            fps[name].append(frames / (perf_counter() - begin))
    return {
        name: {"median": statistics.median(f), "slowest": min(f), "fastest": max(f)}
        for name, f in fps.items()
    }


def encode(source: Source, stylizer: Stylizer, path: Path) -> None:
    run(source, stylizer, VideoFileSink(path, source.info, overwrite=True))


def report(size: str, figures: dict[str, dict], styles: list[str]) -> list[dict]:
    """Print one table; return its rows with the share of the slowest stage that the whole reaches."""
    print(f"\n{size:28} {'median fps':>10}  (slowest .. fastest round)")
    for name, f in figures.items():
        print(f"  {name:26} {f['median']:10.1f}  ({f['slowest']:.1f} .. {f['fastest']:.1f})")
    rows = []
    for style in styles:
        stages = {name: figures[name]["median"] for name in ("decode", f"{style}: network", "encode")}
        slowest = min(stages, key=stages.__getitem__)
        share = figures[f"{style}: video"]["median"] / stages[slowest]
        print(f"  {style}: video reaches {share:.2f} of its slowest stage alone ({slowest})")
        rows.append({"size": size, "style": style, "share_of_slowest_stage": share, "slowest": slowest})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="640x360,1280x720")
    parser.add_argument("--styles", default="starry_night")
    parser.add_argument("--frames", type=int, default=90, help="in each timed run (90)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    styles = options.styles.split(",")
    machine = {
        "torch": torch.__version__, "av": av.__version__, "cores": os.cpu_count(),
        "threads": torch.get_num_threads(), "platform": platform.platform(terse=True),
        "networks": {name: load_style(name)[0].network for name in styles},
    }  # fmt: skip
    print(json.dumps(machine))
    result: dict[str, object] = {"machine": machine, "sizes": {}, "shares": []}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            width, height = map(int, size.split("x"))
            figures = measure(Path(folder), (width, height), styles, options.frames, options.rounds)
            result["sizes"][size] = figures  # type: ignore[index]
            result["shares"] += report(size, figures, styles)  # type: ignore[operator]
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
