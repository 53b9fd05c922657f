"""``rtstyle live``: a camera restyled, in a window, in a browser, as a camera, to a file or a stream."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.live_inputs import camera_of, palette_of
from rtstyle.cli.options import add_style_options, counted, print_json, say
from rtstyle.errors import RtstyleError
from rtstyle.styles import LIVE_STYLE
from rtstyle.stylizers.defaults import CANVAS

if TYPE_CHECKING:
    from rtstyle.frame import Source
    from rtstyle.live.outputs import Output
    from rtstyle.live.session import LiveSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--camera", default="0", metavar="SPEC",
        help="a camera (0, /dev/video0), a video file (played and looped), an address (rtsp://...),"
        " 'synthetic' (a drawn scene), 'browser' (the studio viewer's own camera) (0)",
    )  # fmt: skip
    parser.add_argument("--camera-size", metavar="WxH|H", help="what to ask the camera for (its own choice)")
    add_style_options(
        parser,
        canvas=CANVAS,
        unasked=f"{LIVE_STYLE} and others it mixes with",
        several="to begin with; a,b are both at hand",
        strokes=1.0,  # the size adapts already
    )
    parser.add_argument("--tour", type=float, metavar="SECONDS", help="go through the styles, so long each")
    group = parser.add_argument_group("outputs", "several at once; a window if none, or else the studio")
    group.add_argument("--window", action="store_true", help="a window; h shows its keys")
    group.add_argument("--studio", action="store_true", help="a page for the browser")
    group.add_argument("--host", metavar="ADDRESS", help="what the studio listens on (127.0.0.1)")
    group.add_argument("--port", type=int, metavar="N", help="its port (8350)")
    group.add_argument(
        "--certificate", nargs=2, type=Path, metavar=("CERT", "KEY"),
        help="PEM files for HTTPS, over which browsers of other machines give their camera",
    )  # fmt: skip
    group.add_argument("--virtual-camera", metavar="DEV", help="a camera for other programs: /dev/video10")
    group.add_argument("--record", type=Path, metavar="FILE", help="a file: mkv, mp4, mov or webm")
    group.add_argument("--stream", metavar="URL", help="rtmp://, rtsp://, udp:// or srt:// address")
    group.add_argument(
        "--folder", type=Path, default=Path("rtstyle-live"), metavar="DIR",
        help="for pictures and recordings made while it runs (rtstyle-live)",
    )  # fmt: skip
    group = parser.add_argument_group("speed")
    group.add_argument("--fps", type=float, default=30, help="held by a smaller picture if need be (30)")
    group.add_argument("--size", metavar="WxH|H", help="restyle at this size, whatever the speed")
    group.add_argument("--duration", type=float, metavar="SECONDS", help="end by itself")
    group = parser.add_argument_group("report")
    group.add_argument("--stats", type=Path, metavar="FILE", help="write figures as JSON at the end")
    group.add_argument("--json", action="store_true", help="print them on stdout")
    group.add_argument("--quiet", action="store_true", help="no notes")


def run(options: argparse.Namespace) -> int:
    from rtstyle.live.recording import check_recording
    from rtstyle.live.session import LiveSession
    from rtstyle.media.geometry import parse_size
    from rtstyle.media.output import check_writable
    from rtstyle.media.realtime import public_address

    if options.duration is not None and not 0 < options.duration < 1e9:
        raise RtstyleError(f"--duration {options.duration}; allowed are seconds above 0")
    if not 0 < options.fps <= 1000:
        raise RtstyleError(f"--fps {options.fps}; allowed are numbers above 0 to 1000")
    if options.port is not None and not 0 <= options.port <= 65535:
        raise RtstyleError(f"--port {options.port}; allowed are 0 (any that is free) to 65535")
    if options.stats is not None:
        if options.stats.exists():
            raise RtstyleError(f"{options.stats}: exists already; write the figures to another file")
        check_writable(options.stats)
    if options.record is not None:  # before any output is opened
        check_recording(options.record)
        check_writable(options.record)
    windowed, served = _places(options)
    size = parse_size(options.size) if options.size else None
    palette, styles, titles = palette_of(options)
    with ExitStack() as stack:
        source = camera_of(options, served)
        unbegun = stack.enter_context(ExitStack())
        unbegun.callback(source.close)
        session: LiveSession = LiveSession(
            source,
            palette,
            _outputs(options, source, lambda line: session.say(line)),
            fps=options.fps,
            size=size,
            titles=titles,
            folder=options.folder,
            record=options.record,
            listener=lambda line: say(options, [line]),
            watched=windowed or served,
        )
        if options.tour is not None:
            session.do("tour", seconds=options.tour)
        if served:
            _serve(options, session, styles, stack)
        # A run closes it, once. A reader that hangs in it is left alone: to close then ends the process.
        unbegun.pop_all()
        try:
            _run(options, session, windowed)
        finally:
            _report(options, session)
    if not session.stats.latency.count:
        raise RtstyleError(f"no frame came from --camera {public_address(options.camera)}")
    return 1 if session.broken else 0


def _places(options: argparse.Namespace) -> tuple[bool, bool]:
    """Whether to open a window and whether to serve the studio."""
    page = (options.host, options.port, options.certificate)  # who names them means it
    served = options.studio or options.camera == "browser" or any(each is not None for each in page)
    windowed = options.window
    anything = windowed or served or options.virtual_camera or options.record or options.stream
    if windowed or not anything:
        from rtstyle.live.window import why_no_window

        reason = why_no_window()
        if reason is None:
            windowed = True
        elif windowed:
            raise RtstyleError(reason)
        else:
            served = True
            say(options, [f"{reason.partition(';')[0]}; the studio is opened in its place"])
    return windowed, served


def _outputs(options: argparse.Namespace, source: Source, note: Any) -> list[Output]:
    outputs: list[Output] = []
    if options.virtual_camera:
        from rtstyle.live.virtual_camera import open_virtual_camera

        outputs.append(open_virtual_camera(options.virtual_camera, source.info))
    if options.stream:
        from rtstyle.live.stream import StreamOutput

        outputs.append(StreamOutput(options.stream, source.info, note))
    return outputs


def _serve(options: argparse.Namespace, session: LiveSession, styles: list[str], stack: ExitStack) -> None:
    from rtstyle.studio import BrowserCamera, Studio, thumbnails
    from rtstyle.studio.access import is_loopback

    host = "127.0.0.1" if options.host is None else options.host
    port = {} if options.port is None else {"port": options.port}
    camera = session.source if isinstance(session.source, BrowserCamera) else None
    studio = Studio(
        session,
        host,
        camera=camera,
        thumbnails=thumbnails(styles),
        certificate=options.certificate and tuple(options.certificate),
        **port,
    )
    stack.enter_context(studio)
    print(f"rtstyle: open {studio.url} in a browser", file=sys.stderr)
    if not is_loopback(host) and not options.certificate:
        say(options, ["over http:// browsers of other machines watch, but give no camera; see --certificate"])


def _run(options: argparse.Namespace, session: LiveSession, windowed: bool) -> None:
    if not windowed:
        session.run(options.duration)
        return
    from rtstyle.live.window import Window

    # A window belongs to the main thread on every system, so the session gets another one.
    with ThreadPoolExecutor(1, "rtstyle-live") as pool:
        running = pool.submit(session.run, options.duration)
        try:
            Window(session).run()
        finally:
            session.do("quit")
        running.result()


def _report(options: argparse.Namespace, session: LiveSession) -> None:
    figures = session.stats.as_dict()
    state = session.state()
    kept = ("camera", "size", "fps", "device", "engine")
    figures = {**figures, **{name: state[name] for name in kept}, "style": session.palette.name}
    latency = figures["latency_ms"]
    if figures["frames_out"]:
        line = (
            f"{counted(figures['frames_out'])} in {figures['seconds']:.1f} s ({figures['fps_out']:.1f} fps),"
            f" {figures['dropped']} dropped; from camera to picture {latency['p50']:.0f} ms,"
            f" 95 of 100 within {latency['p95']:.0f} ms"
        )
        say(options, [line])
    if options.json:
        print_json(figures)
    if options.stats is not None:
        try:
            options.stats.write_text(json.dumps(figures, indent=2) + "\n")
        except OSError as error:
            raise RtstyleError(f"{options.stats}: cannot be written ({error.strerror})") from None
