"""What is kept of a live run while it goes on: snapshots and recordings, written by threads of their own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from rtstyle.errors import RtstyleError, one_line
from rtstyle.frame import Frame, VideoInfo
from rtstyle.live.outputs import Mailbox
from rtstyle.live.recording import SUFFIX, Recording, timed_path
from rtstyle.live.snapshot import write_pair

# Seconds that the end waits for a recording or a snapshot: only a sick disk takes so long.
PATIENCE = 5.0
# Snapshots that may wait to be written; two frames each are in memory.
_SNAPSHOTS = 3


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
        self._snapshots: deque[tuple[Frame, Frame]] = deque()  # not yet written
        self._writer: threading.Thread | None = None  # of them
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
        """Write (original, restyled). RtstyleError when there is none yet, or too many wait."""
        if pair is None:
            raise RtstyleError("no snapshot yet: no picture has come from the camera")
        with self._lock:
            if len(self._snapshots) >= _SNAPSHOTS:
                raise RtstyleError("the last snapshots are still being written; try again in a moment")
            self._snapshots.append(pair)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="rtstyle-snapshot", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._snapshots:
                    self._writer = None
                    return
                pair = self._snapshots.popleft()
            try:
                self._say(f"snapshot: {write_pair(self._folder, *pair)}")
            except RtstyleError as error:
                self._say(str(error))
            except Exception as error:  # any: those that come after must be written
                self._say(f"snapshot: {one_line(error)}")

    def end(self) -> list[Mailbox]:
        """Nothing new is begun from now on. Returns the recordings that are still to be finished."""
        with self._lock:
            self._ended = True
            return [*self._finishing, *([self._recorder] if self._recorder is not None else [])]

    def join(self) -> None:
        """Wait for snapshots under way."""
        with self._lock:
            writer = self._writer
        if writer is not None:
            writer.join(PATIENCE)
