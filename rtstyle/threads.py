"""Threads around the main loop: read ahead, take the latest, write behind; the queues between are bounded.

An error in one of them is handed to the thread that waits for it, and raised there once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, Source

# Frames in flight on each side. More hides no more, since stages are steady, and costs memory: 4 took 36 MB
# more at 720p.
DEPTH = 2
# Seconds. A driver or a network may hold a read for longer; whoever ends a live run does not wait for it.
_LIVE_PATIENCE = 1.0
# Seconds between two looks of who waits. Windows hears no Ctrl-C while Python before 3.14 waits for ever.
LOOK = 0.5


class FrameQueue:
    """Frames from one thread to another, at most `depth` at a time.

    With `drop_oldest` the giver never waits: a full queue loses its oldest frame, counted in `dropped`.
    """

    def __init__(self, depth: int, drop_oldest: bool = False) -> None:
        self._depth = depth
        self._drop_oldest = drop_oldest
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> bool:
        """Hand a frame over; False when nobody takes frames any more.

        Raises RtstyleError for what is no frame: None would look like the end.
        """
        if not isinstance(frame, Frame):
            raise RtstyleError(
                f"a {type(frame).__name__} came where a Frame should; does the source or stylizer return one?"
            )
        with self._changed:
            while len(self._frames) >= self._depth and not self._ended:
                if self._drop_oldest:
                    self._frames.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait(LOOK)
            if self._ended:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def get(self) -> Frame | None:
        """The next frame; None after the last. Raises what ended the giver, once."""
        with self._changed:
            while not self._frames and not self._ended:
                self._changed.wait(LOOK)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            self._raise_once()
            return None

    def end(self, error: BaseException | None = None, discard: bool = False) -> None:
        """No more frames will come (or be taken). Frames already handed over stay, unless discarded."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            if discard:
                self._frames.clear()
            self._changed.notify_all()

    def raise_once(self) -> None:
        with self._changed:
            self._raise_once()

    def _raise_once(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


class Prefetch(Source):
    """A source that reads another one ahead, in a thread of its own.

    Args:
        source: closed with this one, by whoever closes this.
        depth: frames read ahead at most.
        drop_oldest: never hold the source up; see `latest`.
        patience: seconds that `close` waits for a read under way; None: as long as it takes. A reader
            left behind closes the source when its read returns.
    """

    def __init__(
        self, source: Source, depth: int = DEPTH, drop_oldest: bool = False, patience: float | None = None
    ) -> None:
        self.info = source.info
        self._source = source
        self._patience = patience
        self._queue = FrameQueue(depth, drop_oldest)
        self._thread = threading.Thread(target=self._read, name="rtstyle-read", daemon=True)
        self._closed = False
        self._handover = threading.Lock()  # of the source, from reader to closer
        self._reading = True
        self._left_behind = False

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while (frame := self._queue.get()) is not None:
            yield frame

    def end(self) -> None:
        """No more frames: whoever waits for one, waits no longer. From any thread; `close` still follows.

        A source that waits by itself (for a camera to come back) has a method `stop`, which is called.
        """
        self._queue.end(discard=True)
        getattr(self._source, "stop", lambda: None)()

    def close(self) -> None:
        """Stop reading, wait for the reader, close the source. Safe to repeat."""
        if self._closed:
            return
        self._closed = True
        self.end()
        # A container must not be closed while another thread decodes it: that crashes the process.
        if self._thread.ident is not None:
            self._thread.join(self._patience)
        with self._handover:
            self._left_behind = self._thread.is_alive() and self._reading
        if not self._left_behind:
            self._source.close()

    def _read(self) -> None:
        try:
            for frame in self._source:
                if not self._queue.put(frame):
                    return
            self._queue.end()
        except BaseException as error:  # handed to the thread that consumes
            self._queue.end(error)
        finally:
            with self._handover:
                self._reading = False
            if self._left_behind:
                self._source.close()


def latest(source: Source) -> Prefetch:
    """A live source that never queues: each frame taken is the newest one; the missed are counted."""
    return Prefetch(source, depth=1, drop_oldest=True, patience=_LIVE_PATIENCE)


class Background(Sink):
    """A sink that hands frames to another one in a thread of its own.

    An error of the other sink is raised by the next `write`, or by `close`; never twice.
    """

    def __init__(self, sink: Sink, depth: int = DEPTH) -> None:
        self._sink = sink
        self._queue = FrameQueue(depth)
        self._thread = threading.Thread(target=self._write, name="rtstyle-write", daemon=True)
        self._thread.start()
        self._closed = False
        self._failed = False

    def write(self, frame: Frame) -> None:
        if not self._queue.put(frame):
            self._queue.raise_once()
            raise RuntimeError("this sink is closed; no frame can be written to it")

    def close(self) -> None:
        """Write what is queued, then finish the output. Safe to repeat."""
        if not self._end():
            return
        if self._failed:
            self._sink.abandon()
            self._queue.raise_once()
        else:
            self._sink.close()

    def abandon(self) -> None:
        """Write what is queued, then leave the output as a partial one. Safe to repeat."""
        if self._end():
            self._sink.abandon()

    def _end(self) -> bool:
        """Wait until what is queued is written; False where that was done before."""
        if self._closed:
            return False
        self._closed = True
        self._queue.end()
        self._thread.join()
        return True

    def _write(self) -> None:
        try:
            while (frame := self._queue.get()) is not None:
                self._sink.write(frame)
        except BaseException as error:  # handed to the thread that writes
            self._failed = True
            self._queue.end(error, discard=True)
