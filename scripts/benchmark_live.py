"""How live is `rtstyle live`? A camera's pictures through a browser, the server and back, in a Chromium.

Three things in one run, on this machine's cores: the studio's page with a 640x480 camera at 30 frames
a second (frames drawn, latency from capture to drawn); the plain loop that people begin with (read a
frame, restyle it by the classic network of this field as it is usually written, show it); and a session
alone, to find whether a switch of styles holds up the picture.

    python scripts/benchmark_live.py --seconds 60 --clip FILE --json live.json

Needs playwright and Chromium. Linux.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import cv2
import torch

from rtstyle.benchmark.plain import load_plain
from rtstyle.frame import Source
from rtstyle.live.session import LiveSession
from rtstyle.live.stats import percentiles
from rtstyle.media.realtime import RealTime
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.styles import LIVE_STYLE
from rtstyle.stylizers.loading import load_palette
from rtstyle.threads import latest

WIDTH, HEIGHT, RATE = 640, 480, 30
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SETTLE = 15  # seconds until the size has been found
# Every picture drawn: how long after its capture, and when.
LISTEN = """window.shown = [];
document.getElementById("picture").addEventListener(
    "shown", ({ detail }) => shown.push([detail, performance.now()]))"""


def camera(clip: Path | None) -> Source:
    """What the camera sees, again and again."""
    size = (WIDTH, HEIGHT)
    return RealTime(clip, size=size) if clip else RealTime(SyntheticSource(*size, seconds=4))


def write_y4m(path: Path, clip: Path | None, seconds: float) -> None:
    """The camera's pictures as Chromium takes them for a camera."""
    source = camera(clip)
    begin = monotonic()
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in source:
            picture = cv2.resize(frame.image.permute(1, 2, 0).numpy(), (WIDTH, HEIGHT))
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
            if monotonic() - begin > seconds:
                break
    source.close()


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`rtstyle live` with the studio in a process of its own, and its address."""
    command = [sys.executable, "-m", "rtstyle", "live", "--camera", "browser", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if "rtstyle: open " in line:
                    yield process, line.split()[2]
                    break
            else:
                sys.exit("rtstyle live did not start")
        finally:
            Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would hold it up
            process.terminate()


@contextmanager
def chromium(y4m: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None) or sys.exit("no Chromium here")
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={y4m}", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def open_page(browser: Any, url: str, own_camera: bool) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    if own_camera:
        page.locator("#do-camera:not([disabled])").click()
    page.get_by_text("Live", exact=True).wait_for()
    return page


def through_the_browser(clip: Path | None, style: str, seconds: float) -> dict[str, Any]:
    """Frames a second on the page, and milliseconds from the camera to the page."""
    with tempfile.TemporaryDirectory() as folder:
        y4m, stats = Path(folder, "camera.y4m"), Path(folder, "stats.json")
        write_y4m(y4m, clip, 4)
        with (
            chromium(y4m) as browser,
            served("--style", style, "--quiet", "--stats", str(stats), "--fps", str(RATE)) as (process, url),
        ):
            page = open_page(browser, url, own_camera=True)
            page.wait_for_timeout(1000 * SETTLE)
            page.evaluate(LISTEN)
            page.wait_for_timeout(1000 * seconds)
            shown = page.evaluate("shown")
            size = page.text_content("#figures dt:text-is('Processed at') + dd")
            process.terminate()
    delays = [delay / 1000 for delay, _ in shown if delay is not None]
    span = (shown[-1][1] - shown[0][1]) / 1000
    return {
        "fps": (len(shown) - 1) / span,
        **percentiles(delays),
        "processed_at": size,
    }


def switching(styles: list[str], seconds: float) -> dict[str, Any]:
    """Milliseconds from capture to picture: the median frame, and the slowest of each 0.3 seconds.

    Those begin with a switch of style, every second, or half a second after it, for comparison.
    """
    session = LiveSession(camera(None), load_palette(styles, device="cpu", live=True), fps=RATE)
    running = Thread(target=session.run)
    running.start()
    begin, number, second = monotonic() + SETTLE, 0, -1
    delays, at_switch, between = [], [0.0] * int(seconds), [0.0] * int(seconds)
    while (now := monotonic() - begin) < int(seconds):
        if int(now) > second and now >= 0:
            second = int(now)
            session.do("style", name=styles[second % len(styles)])
        found = session.latest(number, timeout=0.1)
        if found is None:
            continue
        number = found[0]
        if now < 0:
            continue
        delay = 1000 * (monotonic() - float(found[2].time))
        delays.append(delay)
        for slowest, first in ((at_switch, 0.0), (between, 0.5)):
            if first <= now - second < first + 0.3:
                slowest[second] = max(slowest[second], delay)
    session.do("quit")
    running.join()
    session.source.close()
    return {"p50": statistics.median(delays), "slowest_at_switch": at_switch, "slowest_between": between}


def plain_loop(clip: Path | None, seconds: float) -> dict[str, float]:
    """The newest frame each time, as no camera's own queue would give it: latency at its best."""
    network = load_plain(torch.device("cpu"))
    source = camera(clip)
    delays: list[float] = []
    begin = monotonic()
    with latest(source) as frames, torch.no_grad():
        for frame in frames:
            restyled = network(frame.image.float()[None] / 255)[0].clamp(0, 1)
            show(restyled)
            delays.append(monotonic() - float(frame.time))
            if monotonic() - begin > seconds:
                break
    return {"fps": len(delays) / (monotonic() - begin), **percentiles(delays)}


def show(image: torch.Tensor) -> None:
    """What drawing into a window needs; there may be no screen here."""
    cv2.cvtColor((image * 255).byte().permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2BGR)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement (30)")
    parser.add_argument("--rounds", type=int, default=3, help="of browser and plain loop (3)")
    parser.add_argument("--clip", type=Path, help="what the camera sees (the drawn scene)")
    parser.add_argument("--style", default=LIVE_STYLE)
    parser.add_argument("--others", default="great_wave_fast,udnie_fast", help="styles to switch to as well")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        rounds.append(
            {
                "browser": through_the_browser(options.clip, options.style, options.seconds),
                "plain": plain_loop(options.clip, options.seconds),
            }
        )
        for name, figures in rounds[-1].items():
            at = f", processed at {figures['processed_at']}" if name == "browser" else ""
            line = "{fps:5.1f} fps, latency p50 {p50:.0f} ms, p95 {p95:.0f}, p99 {p99:.0f}".format(**figures)
            print(f"{name:8} {line}{at}", flush=True)
    switched = switching([options.style, *options.others.split(",")], options.seconds)
    print(f"switching {len(switched['slowest_at_switch'])} times: median frame {switched['p50']:.1f} ms")
    for name in ("slowest_at_switch", "slowest_between"):
        print(
            f"  {name.replace('_', ' ')}: median {statistics.median(switched[name]):.1f} ms,"
            f" of all {max(switched[name]):.1f} ms"
        )
    if options.json:
        options.json.write_text(json.dumps({"rounds": rounds, "switching": switched}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
