"""What is kept of a live run while it goes on: snapshots and recordings, each written by its own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.live.outputs import Mailbox
from rtstyle.live.recording import SUFFIX, Recording, timed_path
from rtstyle.live.snapshot import write_pair

# Seconds that the end waits for a recording or a snapshot: only a sick disk takes so long.
PATIENCE = 5.0


class Keeper:
    """Snapshots, and at most one recording at a time. Its methods may be called from any thread.

    Args:
        folder: where files with names made here go; made when first used.
        info: of the frames.
        open_mailbox: starts the thread that writes a recording.
        say: told what was written, or why it was not.
    """

    def __init__(
        self,
        folder: Path,
        info: VideoInfo,
        open_mailbox: Callable[[Recording], Mailbox],
        say: Callable[[str], None],
    ) -> None:
        self._folder, self._info, self._open, self._say = folder, info, open_mailbox, say
        self._lock = threading.Lock()
        self._recorder: Mailbox | None = None
        self._name, self._since = "", 0.0  # of its file, and on time.monotonic
        self._finishing: list[Mailbox] = []  # recordings switched off
        self._writers: list[threading.Thread] = []  # of snapshots
        self._ended = False

    @property
    def recorder(self) -> Mailbox | None:
        """Where frames to be recorded go."""
        return self._recorder

    @property
    def recording(self) -> str | None:
        """The name of the file being recorded."""
        recorder = self._recorder
        return self._name if recorder is not None and recorder.alive else None

    @property
    def recorded(self) -> float | None:
        """Seconds since the recording began."""
        return monotonic() - self._since if self.recording is not None else None

    def begin(self, recording: Recording) -> None:
        self._name, self._since = recording.path.name, monotonic()
        self._recorder = self._open(recording)

    def record(self, on: bool | None = None) -> None:
        """Switch the recording on or off, or the other way round. RtstyleError for another value."""
        if on is not None and not isinstance(on, bool):
            raise RtstyleError(f"on is {on!r}; it takes true, false, or nothing for the other way round")
        with self._lock:
            recorder = self._recorder
            running = recorder is not None and recorder.alive
            if running == (not running if on is None else on) or self._ended:
                return
            if recorder is not None:  # it finishes by itself; the end of the run waits for it
                recorder.end()
                self._finishing = [*(each for each in self._finishing if each.alive), recorder]
            self._recorder = None
            if not running:
                self.begin(Recording(timed_path(self._folder, SUFFIX), self._info, self._say))

    def snapshot(self, pair: tuple[Frame, Frame] | None) -> None:
        """Write (original, restyled). RtstyleError when there is no picture yet."""
        if pair is None:
            raise RtstyleError("no snapshot yet: no picture has come from the camera")

        def write() -> None:
            try:
                self._say(f"snapshot: {write_pair(self._folder, *pair)}")
            except RtstyleError as error:
                self._say(str(error))

        writer = threading.Thread(target=write, name="rtstyle-snapshot", daemon=True)
        writer.start()
        with self._lock:
            self._writers = [*(each for each in self._writers if each.is_alive()), writer]

    def end(self) -> list[Mailbox]:
        """Nothing new is begun from now on. Returns the recordings that are still to be finished."""
        with self._lock:
            self._ended = True
            return [*self._finishing, *([self._recorder] if self._recorder is not None else [])]

    def join(self) -> None:
        """Wait for snapshots under way."""
        with self._lock:
            writers = self._writers
        for writer in writers:
            writer.join(PATIENCE)
