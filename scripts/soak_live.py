"""Does `rtstyle live` stay as it began? Two viewers, a recording, another style every 5 seconds. (Linux)

One viewer gives its camera, both watch, in a headless Chromium. Told at the end: memory, threads and open
files of the session's process after the first minute and at the end, and how far the recording's clock
went from the wall's.

    python scripts/soak_live.py --minutes 20
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av

from benchmark_live import chromium, open_page, write_y4m
from rtstyle.frame import Frame
from rtstyle.live.session import LiveSession
from rtstyle.studio import BrowserCamera, Studio
from rtstyle.stylizers.loading import load_palette

STYLES = ["starry_night_fast", "udnie_fast", "great_wave_fast", "klimt_adele_fast"]
SWITCH = 5.0  # seconds
ENDS = 300  # frames compared at each end of the recording


class Witness:
    """An output that notes when each frame was shown, by the clock of the wall."""

    name = "witness"

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}  # capture in milliseconds -> seconds, of the first and last frames

    def show(self, frame: Frame) -> None:
        self.seen[round(frame.time * 1000)] = time.time()
        if len(self.seen) > 3 * ENDS:  # as many as are compared, and no memory for the rest
            del self.seen[list(self.seen)[ENDS]]

    def close(self) -> None: ...


def serve(folder: Path) -> None:
    """The session, until standard input closes; what it saw goes to the folder."""
    witness = Witness()
    camera = BrowserCamera(640, 480)
    notes: list[str] = []
    session = LiveSession(
        camera,
        load_palette(STYLES, live=True),
        [witness],
        record=folder / "recorded.mkv",
        listener=notes.append,
    )
    with Studio(session, port=0, camera=camera) as studio:
        print(studio.url, flush=True)
        quitter = threading.Thread(target=lambda: (sys.stdin.read(), session.do("quit")))
        quitter.start()
        session.run()
        quitter.join()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    result = {"seen": list(witness.seen.items()), "notes": notes, "stats": session.stats.as_dict()}
    (folder / "witness.json").write_text(json.dumps({**result, "threads_left": left}))


def footprint(process: int) -> dict[str, float]:
    """MB in memory, threads and open files."""
    root = Path(f"/proc/{process}")
    pages = int((root / "statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": len(list((root / "task").iterdir())),
        "files": len(list((root / "fd").iterdir())),
    }


def watch(url: str, process: int, browser: Any, seconds: float) -> list[dict[str, float]]:
    """Footprints, one at every switch of style."""
    pages = [open_page(browser, url, own_camera=True), open_page(browser, url, own_camera=False)]
    marks, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        pages[len(marks) % 2].keyboard.press("n")
        pages[0].wait_for_timeout(1000 * SWITCH)
        marks.append(footprint(process))
        if len(marks) % 12 == 0:
            fps = [page.inner_text("#fps") for page in pages]
            print(f"{len(marks) * SWITCH / 60:4.0f} min  {marks[-1]}  fps of the viewers {fps}", flush=True)
    return marks


def drift(recorded: Path, seen: list[tuple[int, float]]) -> tuple[float, int]:
    """Seconds that the recording's clock went from the wall's between its ends; frames compared."""
    with av.open(str(recorded)) as container:
        stream = container.streams.video[0]
        times = [float(p.pts * stream.time_base) for p in container.demux(stream) if p.pts is not None]
    walls = dict(seen)
    first = min(walls)  # the first frame of both
    nearest = {round(1000 * (each - times[0])): each for each in times}
    pairs = []
    for capture, wall in sorted(walls.items()):
        for off in (0, -1, 1, -2, 2):  # milliseconds: both were rounded
            if capture - first + off in nearest:
                pairs.append(nearest[capture - first + off] - wall)
                break
    half = len(pairs) // 2
    return statistics.median(pairs[half:]) - statistics.median(pairs[:half]), len(pairs)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clip", type=Path, help="what the camera sees (the drawn scene)")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)  # its own other half
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_y4m(folder / "camera.y4m", options.clip, 4)
        command = [sys.executable, __file__, "--serve", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as session, chromium(folder / "camera.y4m") as browser:
            marks = watch(session.stdout.readline().strip(), session.pid, browser, 60 * options.minutes)
            browser.close()
            session.stdin.close()
            session.wait(30)
        told = json.loads((folder / "witness.json").read_text())
        seconds, compared = drift(folder / "recorded.mkv", told["seen"])
    after = marks[round(60 / SWITCH) - 1 : round(120 / SWITCH)] or marks
    last = marks[-len(after) :]
    for what in ("memory", "threads", "files"):
        first, end = (statistics.median(mark[what] for mark in part) for part in (after, last))
        print(f"{what}: {first:.1f} in the second minute, {end:.1f} in the last ({end - first:+.1f})")
    stats = told["stats"]
    print(f"recording against the wall: {1000 * seconds:+.1f} ms over the run ({compared} frames compared)")
    print(f"{stats['frames_out']} frames, {stats['fps_out']} fps; threads left {told['threads_left']}")
    print("notes:", told["notes"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
