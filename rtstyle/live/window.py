"""The live picture in a window of OpenCV, steered by keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

import cv2
import numpy as np

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_packed
from rtstyle.live.session import LiveSession
from rtstyle.stylizers.defaults import CANVAS
from rtstyle.stylizers.strokes import scaled

TITLE = "rtstyle"
_WAIT = 0.05  # seconds: keys are looked at so often when no frame comes
_SPLIT_STEP, _STRENGTH_STEP = 0.05, 0.1
_TOUR, _TRAVEL = 8.0, 2.0  # seconds a style, and from one to the next

Press = Callable[[LiveSession], None]


def _does(action: str, **arguments: Any) -> Press:
    return lambda session: session.do(action, **arguments)


def _stronger(by: float) -> Press:
    def press(session: LiveSession) -> None:
        strength = session.palette.strength + by
        session.do("strength", value=round(min(max(strength, 0.0), 1.0), 2))

    return press


def _canvas(session: LiveSession) -> None:
    session.do("canvas", value=0.0 if session.state()["canvas"] else CANVAS)


def _split_moved(by: float) -> Press:
    def press(session: LiveSession) -> None:
        position = session.state()["split"]
        session.do("split", position=round(min(max((0.5 if position is None else position) + by, 0), 1), 2))

    return press


def _travelled(session: LiveSession) -> None:
    state = session.state()
    names = [style["name"] for style in state["styles"]]
    strongest = max(state["mix"], key=state["mix"].__getitem__)
    session.do("travel", to=names[(names.index(strongest) + 1) % len(names)], seconds=_TRAVEL)


def _tour(session: LiveSession) -> None:
    session.do("tour", seconds=0.0 if session.state()["tour"] else _TOUR)


# (keys, what they do, how the help says it)
KEYS: tuple[tuple[str, Press, str], ...] = (
    ("n ", _does("next"), "n, space, right  next style"),
    ("b", _does("previous"), "b, left    previous style"),
    ("v", _travelled, "v          travel to the next style"),
    ("t", _tour, "t          tour of all styles"),
    ("+=", _stronger(_STRENGTH_STEP), "+          more style"),
    ("-", _stronger(-_STRENGTH_STEP), "-          less style"),
    ("k", _canvas, "k          strokes in bare places too"),
    ("s", _does("split"), "s          before / after"),
    ("[,", _split_moved(-_SPLIT_STEP), "[ ]        move the line"),
    ("].", _split_moved(_SPLIT_STEP), ""),
    ("f", _does("freeze"), "f          freeze"),
    ("m", _does("mirror"), "m          mirror"),
    ("p", _does("snapshot"), "p          picture (PNG pair)"),
    ("r", _does("record"), "r          record on / off"),
    ("q\x1b", _does("quit"), "q, Esc     quit"),
)
# Left and right as X11, macOS and Windows number them: what they do in the studio.
_ARROWS = {0xFF51: "b", 0xFF53: "n", 0xF702: "b", 0xF703: "n", 0x250000: "b", 0x270000: "n"}
_HELP = ["1-9        style by number", *(line for *_, line in KEYS if line), "h          hide this"]


def why_no_window() -> str | None:
    """Why no window can be opened here, in one line; None where one can.

    cv2.imshow without a display ends the whole process, so all is looked at before, at last by opening
    a window in another process (half a second).
    """
    build = cv2.getBuildInformation()
    gui = build.partition("GUI:")[2].split()
    if not gui or gui[0] == "NONE":
        return (
            "no window: the installed OpenCV is the headless build; for windows"
            " pip uninstall opencv-python-headless && pip install opencv-python, or use --studio"
        )
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        only = " (Wayland needs XWayland)" if os.environ.get("WAYLAND_DISPLAY") else ""
        return f"no window: there is no display, DISPLAY is not set{only}; use --studio, --record or --stream"
    trial = f"import cv2; cv2.namedWindow({TITLE!r}); cv2.waitKey(1)"
    try:
        done = subprocess.run([sys.executable, "-c", trial], capture_output=True, timeout=20)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        display = os.environ.get("DISPLAY", "")
        return f"no window: the display {display} does not answer; use --studio, --record or --stream"
    return None


class Window:
    """Shows a session and hands it keys; its own thread must be the main one.

    Args:
        gui: the module with OpenCV's window functions.
    """

    name = "window"

    def __init__(self, session: LiveSession, gui: Any = cv2) -> None:
        self._session = session
        self._gui = gui
        self._help = False
        self._said = 0  # number of the last note shown
        self._note, self._until = "", 0.0

    def run(self) -> None:
        """Show frames until the session ends; closing the window ends it."""
        gui, session = self._gui, self._session
        gui.namedWindow(TITLE, gui.WINDOW_NORMAL | gui.WINDOW_KEEPRATIO)
        info, number = session.source.info, 0
        picture: np.ndarray = np.zeros((info.height, info.width, 3), np.uint8)
        gui.resizeWindow(TITLE, info.width, info.height)
        try:
            while not session.ended:
                newest = session.latest(number, timeout=_WAIT)
                if newest is not None:
                    number, _, shown = newest
                    # Enlarged here, so that text is drawn at the window's own sharpness.
                    image = scaled(shown.image, (info.width, info.height))
                    picture = cv2.cvtColor(to_packed(image), cv2.COLOR_RGB2BGR)
                gui.imshow(TITLE, drawn_over(picture, self._lines()))
                self.press(gui.waitKeyEx(1))
                if newest is not None:
                    session.stats.shown(self.name, monotonic() - float(shown.time))
                if gui.getWindowProperty(TITLE, gui.WND_PROP_VISIBLE) < 1:
                    session.do("quit")
        finally:
            gui.destroyAllWindows()

    def press(self, code: int) -> None:
        """Do what a key says, as cv2.waitKeyEx returns it; -1 and unknown ones do nothing."""
        key = _letter(code)
        if not key:
            return
        if key in "h?":
            self._help = not self._help
            return
        try:
            if key in "0123456789":
                self._session.do("number", n=int(key))
            for keys, press, _ in KEYS:
                if key in keys:
                    press(self._session)
        except RtstyleError as error:
            self._session.say(str(error))

    def _lines(self) -> list[str]:
        """What to write over the picture now."""
        session = self._session
        notes = session.notes
        if notes and notes[-1][0] != self._said:
            (self._said, self._note), self._until = notes[-1], monotonic() + 4
        lines = [self._note] if monotonic() < self._until else []
        if self._help:
            state = session.state()
            stats, (width, height) = state["stats"], state["size"]
            lines += [
                f"{session.palette.name}   strength {state['strength']:.2g}",
                f"{stats['fps_out']:.0f} fps   {stats['latency_ms']['p50']:.0f} ms"
                f"   {width}x{height}   {stats['dropped']} dropped",
                *_HELP,
            ]
        return lines


def _letter(code: int) -> str:
    """What a key's code means, "" for nothing here.

    The last 8 bits alone would make a Q of the left arrow: of 0xFF51, as X11 calls it.
    """
    if code < 0:
        return ""
    if arrow := _ARROWS.get(code) or _ARROWS.get(code & 0xFFFF):
        return arrow
    code &= 0xFFFF  # above are Shift and Num Lock
    if 0xFFB0 <= code <= 0xFFB9:  # digits of the keypad
        return str(code - 0xFFB0)
    return chr(code).lower() if code < 0x80 else ""


def drawn_over(picture: np.ndarray, lines: list[str]) -> np.ndarray:
    """A BGR picture (H, W, 3) with lines of white text on a darkened box, at the upper left."""
    if not lines:
        return picture
    height, width = picture.shape[:2]
    scale = min(max(height / 720, 0.4), 1.5) * 0.7
    line = round(30 * scale / 0.7)
    longest = max(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] for text in lines)
    drawn = picture.copy()
    drawn[: min(height, line * len(lines) + line // 2), : min(width, longest + line)] //= 3
    for place, text in enumerate(lines, 1):
        at = (line // 2, place * line)
        cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn
