"""Where live frames go: each output on a thread of its own, so that none holds up another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rtstyle.frame import Frame
from rtstyle.threads import FrameQueue


class Output(Protocol):
    """Takes shown frames. Both methods are called from one and the same thread, its mailbox's."""

    name: str  # for figures and notes: "recording", "virtual camera"

    def show(self, frame: Frame) -> None:
        """Take a frame; `frame.time` is its capture on time.monotonic. An error ends this output."""

    def close(self) -> None:
        """Finish; after an error of `show` too."""


class Mailbox:
    """The thread of one output and the slot before it, where the newest frame wins.

    Args:
        depth: frames that may wait; one, unless an output should keep all it can (a recording).
        shown: called after each frame, with the name and the seconds since its capture.
        failed: called once with one line when the output breaks; it is closed then.
    """

    def __init__(
        self,
        output: Output,
        *,
        depth: int = 1,
        shown: Callable[[str, float], None] = lambda name, seconds: None,
        failed: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.output = output
        self._queue = FrameQueue(depth, drop_oldest=True)
        self._shown = shown
        self._failed = failed
        self._told = self._taken = 0  # frames dropped that were told, and frames shown
        self._thread = threading.Thread(target=self._run, name=f"rtstyle-{output.name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def newly_dropped(self) -> int:
        """Frames that a newer one replaced, since this was asked before."""
        before, self._told = self._told, self._queue.dropped
        return self._told - before

    def put(self, frame: Frame) -> None:
        """Hand a frame over; never waits, and does nothing once the output has ended."""
        self._queue.put(frame)

    def end(self) -> None:
        """No more frames; what waits is still shown. The output closes in its own thread."""
        self._queue.end()

    def join(self, seconds: float) -> bool:
        """Wait for the end; False when the output hangs: so many seconds go by and it takes no frame."""
        taken = None
        while self.alive and taken != self._taken:
            taken = self._taken
            self._thread.join(seconds)
        return not self.alive

    def _run(self) -> None:
        name = self.output.name
        broken = False
        try:
            while (frame := self._queue.get()) is not None:
                self.output.show(frame)
                self._taken += 1
                self._shown(name, time.monotonic() - float(frame.time))
        except Exception as error:  # any: an output must not end the others
            broken = True
            self._queue.end(discard=True)
            self._failed(f"{name} ended: {error or type(error).__name__}")
        try:
            self.output.close()
        except Exception as error:
            if not broken:  # what broke it was said
                self._failed(f"{name} could not be finished: {error or type(error).__name__}")
