"""How much memory does `rtstyle video` take, and does it grow? (Linux)

python scripts/benchmark_memory.py --size 1280x720 --frames 5000
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

from rtstyle.api import stylize_video
from rtstyle.media.null import MemorySource
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import Progress

SETTLED = 300  # frames after which buffers have their final size


def resident() -> float:
    """MB of this process that lie in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_clip(path: Path, width: int, height: int, frames: int) -> None:
    """In a process of its own, so that its memory does not count."""
    if (child := os.fork()) == 0:
        held = list(SyntheticSource(width, height, seconds=2))
        source = MemorySource(held, frames)
        with VideoFileSink(path, source.info, preset="ultrafast", crf=28) as sink:
            for frame in source:
                sink.write(frame)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("the clip could not be made")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--style")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    marks: dict[int, float] = {}

    def listen(progress: Progress) -> None:
        if progress.frames % SETTLED == 0 or progress.frames == options.frames:
            marks[progress.frames] = resident()
            print(
                f"frame {progress.frames:6}: {marks[progress.frames]:7.1f} MB, {progress.fps:.1f} fps",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "input.mp4")
        make_clip(clip, width, height, options.frames)
        stylize_video(clip, Path(folder, "output.mp4"), style=options.style, listener=listen)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    growth = marks[max(marks)] - marks[min(marks)]
    print(f"{options.size}: peak {peak:.0f} MB; from frame {min(marks)} to {max(marks)} {growth:+.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
