"""One live run: frames in, restyled frames out to any number of outputs, steered while it goes on."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source
from rtstyle.live.adapt import Adapt
from rtstyle.live.controls import ACTIONS, Controls, call
from rtstyle.live.fan import Fan
from rtstyle.live.outputs import Output
from rtstyle.live.stats import Stats
from rtstyle.media.geometry import fit
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.strokes import scaled
from rtstyle.threads import Prefetch, latest

# A source counts as waiting (a camera unplugged) after so many seconds without a frame, and as many
# times as it takes between two.
_SILENCE, _MISSED = 1.0, 3
# Seconds that the first frame may take: a run's own seconds are counted from there.
_FIRST = 5.0

Size = tuple[int, int]


def _nothing() -> None:
    """What is called off where there is nothing to call off."""


class LiveSession:
    """Restyles the newest frame of a live source for outputs, until told to quit.

    Nothing queues: a frame that comes while another is restyled replaces the one that waits. Outputs
    given here are pushed to, each on its own thread; others pull with `latest`.

    Args:
        source: frames stamped at capture on time.monotonic; closed by `run`. Where it has a
            `listener`, that is set to the session's notes.
        palette: restyles; its styles can be chosen and mixed.
        outputs: closed by `run`.
        fps: frames a second to hold by choosing the processing size.
        size: processing size as `geometry.parse_size` returns it, in place of a chosen one.
        titles: of styles by name, for whoever shows them.
        folder: where snapshots and recordings go, made when first used.
        record: a file to record to from the start.
        listener: told each note, a line of what happened (from any thread).
        watched: whether anybody calls `latest`; where nobody does, the run ends with its last output.
    """

    def __init__(
        self,
        source: Source,
        palette: FeedForward,
        outputs: Iterable[Output] = (),
        *,
        fps: float = 30,
        size: tuple[int | None, int] | None = None,
        titles: Mapping[str, str] | None = None,
        folder: str | Path = "rtstyle-live",
        record: str | Path | None = None,
        listener: Callable[[str], None] = lambda line: None,
        watched: bool = True,
    ) -> None:
        if not 0 < fps <= 1000:
            raise RtstyleError(f"{fps} frames a second cannot be held; allowed are numbers above 0 to 1000")
        self.source, self.palette = source, palette
        self.stats = Stats()
        self.notes: deque[tuple[int, str]] = deque(maxlen=20)  # (number from 1, line), newest last
        self._titles = dict(titles or {})
        self._listener, self._watched = listener, watched
        self._fps = fps
        self._silence = max(_SILENCE, _MISSED / float(source.info.rate))
        self._camera: Size = (source.info.width, source.info.height)
        fixed = None if size is None else fit(size, *self._camera, source.info.sample_aspect_ratio)[:2]
        self._fixed: Size | None = fixed
        self._adapt = Adapt(*self._camera, fps)
        self._controls = Controls(palette)
        self._lock = threading.Lock()  # of notes
        self._changed = threading.Condition()  # of _newest, _ended
        self._newest: tuple[int, Frame, Frame] | None = None
        self._pair: tuple[Frame, Frame] | None = None  # original and restyled, without a split
        self._held: Frame | None = None  # the original of a frozen picture
        self._ended = False
        self._busy, self._done = False, 0.0  # with a frame, which may take long; when the last was done
        self._frames: Prefetch | None = None
        self._fan = Fan(
            outputs, source.info, Path(folder), None if record is None else Path(record), self.stats, self.say
        )
        if hasattr(source, "listener"):
            source.listener = self.say

    def run(self, seconds: float | None = None) -> Stats:
        """Run until `quit`, the end of the source or so many seconds from the first frame; then outputs end.

        Raises what ended the source, and KeyboardInterrupt; the outputs are finished all the same.
        """
        call_off = _nothing
        threads = torch.get_num_threads()
        # One core is left to capture, outputs and a browser: all threads of a frame wait for each other some
        # hundred times. On 2 cores beside a browser two threads took 78 ms a frame (p95) where one took 29.
        torch.set_num_threads(min(threads, max(1, (os.cpu_count() or 2) - 1)))
        self._fan.start()
        try:
            with latest(self.source) as frames:
                self._frames = frames
                call_off = self._end_after(None if seconds is None else seconds + _FIRST)
                for number, frame in enumerate(frames if not self._ended else ()):
                    if number == 0:
                        call_off()  # what is compiled for the first picture takes no time of the run
                    self._busy = True
                    self._step(frame, frames)
                    self._busy, self._done = False, monotonic()
                    if not self._watched and self._fan.unheard:
                        self.say("no output is left: the run ends")
                        break
                    if self._ended:
                        break
                    if number == 0:
                        call_off = self._end_after(seconds)
        finally:
            call_off()
            torch.set_num_threads(threads)
            self._quit()
            self.stats.end()
            self._fan.finish()
        return self.stats

    def _end_after(self, seconds: float | None) -> Callable[[], None]:
        """Quit in so many seconds, if any are given, unless what is returned is called before."""
        if seconds is None:
            return _nothing
        timer = threading.Timer(seconds, self._quit)
        timer.daemon = True
        timer.start()

        def call_off() -> None:
            timer.cancel()
            timer.join()  # or its thread might outlive the session by a moment

        return call_off

    def do(self, action: str, **arguments: Any) -> None:
        """Apply one of `ACTIONS`, from any thread, before the next frame is restyled.

        Arguments are those of the method of that name in `Controls`, or here: ``snapshot()``,
        ``record(on=None)``, ``quit()``. Raises RtstyleError for an unknown action, argument or value.
        """
        own = {
            "snapshot": lambda: self._fan.keeper.snapshot(self._pair),
            "record": self._fan.keeper.record,
            "quit": self._quit,
        }
        if action not in ACTIONS:
            raise RtstyleError(f"no action '{action}'; there are: {', '.join(ACTIONS)}")
        call(own.get(action) or getattr(self._controls, action), action, arguments)

    def latest(self, after: int = 0, timeout: float = 0.0) -> tuple[int, Frame, Frame] | None:
        """(number, original, shown) of the newest frame, numbers counting from 1.

        The shown one may be smaller than the camera's, of the size it was restyled at: whoever shows it
        enlarges it, at its own cost and in its own time.

        Args:
            after: only one with a larger number.
            timeout: seconds to wait for such a one; None is returned when there is none, and at the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number() > after, timeout)
            return self._newest if self._number() > after else None

    @property
    def broken(self) -> bool:
        """Whether an output ended by an error."""
        return self._fan.broken

    @property
    def ended(self) -> bool:
        """Whether the run is over or about to be."""
        return self._ended

    def state(self) -> dict[str, Any]:
        """All there is to show, JSON-ready.

        styles [{name, title}], mix {name: share}, strength 0..1, canvas 0..1, split (None or 0..1), frozen,
        mirror, tour (seconds, 0 for none), recording (None or the file's name), recorded (None or seconds of
        it), camera [width, height], size [width, height] processed, fixed_size (bool), fps (asked), waiting
        (no frame for a second), ended, notes [[number, line]], device, engine, stats (`Stats.recent`).
        """
        newest = self._newest
        with self._lock:
            notes = [list(note) for note in self.notes]
        return {
            "styles": [{"name": name, "title": self._titles.get(name, name)} for name in self.palette.styles],
            **self._controls.state(),
            "recording": self._fan.keeper.recording,
            "recorded": self._fan.keeper.recorded,
            "camera": list(self._camera),
            "size": list(self._size()),
            "fixed_size": self._fixed is not None,
            "fps": self._fps,
            "waiting": not self._busy and (newest is None or monotonic() - self._done > self._silence),
            "ended": self._ended,
            "notes": notes,
            "device": str(self.palette.engine.device),
            "engine": self.palette.engine.name,
            "stats": self.stats.recent(),
        }

    def say(self, line: str) -> None:
        """Note something that happened, for the listener and for `state`."""
        with self._lock:
            self.notes.append((self.notes[-1][0] + 1 if self.notes else 1, line))
        self._listener(line)

    def _step(self, frame: Frame, frames: Prefetch) -> None:
        taken = monotonic()
        controls = self._controls
        self._held = (self._held or frame) if controls.frozen else None
        original = replace(self._held or frame, time=frame.time)
        if controls.mirrored:
            original = replace(original, image=original.image.flip(2))
        controls.advance(frame.time)
        began = monotonic()
        restyled = self._restyle(original)
        done = monotonic()
        shown = restyled
        if controls.split_at is not None:
            shown = replace(original, image=controls.compose(original.image, self._enlarged(restyled).image))
        self._pair = original, restyled
        with self._changed:
            self._newest = self._number() + 1, original, shown
            self._changed.notify_all()
        self._fan.hand_out(lambda: self._enlarged(shown))
        now = monotonic()
        stages = {"capture": taken - float(frame.time), "restyle": done - began, "compose": now - done}
        self.stats.frame(now - float(frame.time), frames.dropped + self._number(), stages)

    def _restyle(self, frame: Frame) -> Frame:
        """At the processing size."""
        if self.palette.strength == 0:  # nothing to do, so nothing to lose
            self.palette.prepare(frame)  # a travel goes on
            return frame
        began = monotonic()
        restyled = self.palette(replace(frame, image=scaled(frame.image, self._size())))
        if self._fixed is None:
            self._adapt.took(monotonic() - began)
        return restyled

    def _enlarged(self, frame: Frame) -> Frame:
        """At the camera's size."""
        return replace(frame, image=scaled(frame.image, self._camera))

    def _size(self) -> Size:
        return self._fixed or self._adapt.size

    def _number(self) -> int:
        return self._newest[0] if self._newest is not None else 0

    def _quit(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._frames is not None:
            self._frames.end()
