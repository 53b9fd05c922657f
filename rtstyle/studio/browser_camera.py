"""The camera of a viewer's browser as a source of frames."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.studio.jpeg import decode
from rtstyle.threads import LOOK, latest

_SILENCE = 3.0  # seconds without a picture after which a browser has lost its turn


class BrowserCamera(Source):
    """Frames that one viewer's browser sends; while none does, those of another source.

    Each frame taken is the newest. Frames have the size of `info`, whatever the
    browser sends: they are scaled and cut to fill it. Times are `time.monotonic` at arrival.

    Args:
        width, height: pixels of the frames; unused with `otherwise`.
        rate: frames per second asked of the browser.
        otherwise: a live source shown while no browser sends; closed with this one.
    """

    def __init__(
        self,
        width: int = 640,
        height: int = 480,
        rate: Fraction = Fraction(30),
        otherwise: Source | None = None,
    ) -> None:
        self.info = otherwise.info if otherwise is not None else VideoInfo(width, height, Fraction(rate))
        self._otherwise = latest(otherwise) if otherwise is not None else None
        self._source = otherwise
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._owner: object | None = None
        self._heard = 0.0  # time of the owner's last sign of life
        self._stamps: deque[tuple[Fraction, object, float]] = deque(maxlen=64)  # of frames under way
        self._ended = False
        self._error: BaseException | None = None
        self._listener: Callable[[str], None] = lambda line: None
        self._thread = threading.Thread(target=self._read, name="rtstyle-otherwise", daemon=True)

    @property
    def otherwise(self) -> bool:
        """Whether another source is shown while no browser sends."""
        return self._source is not None

    @property
    def listener(self) -> Callable[[str], None]:
        """Told what happens to the other source, where that tells."""
        return self._listener

    @listener.setter
    def listener(self, listener: Callable[[str], None]) -> None:
        self._listener = listener
        if self._source is not None and hasattr(self._source, "listener"):
            self._source.listener = listener

    @property
    def owner(self) -> object | None:
        """Whose browser is the camera now."""
        with self._changed:
            return self._owner if time.monotonic() - self._heard < _SILENCE else None

    def claim(self, owner: object) -> None:
        """Make the browser of `owner` the camera. Raises RtstyleError while another one is."""
        with self._changed:
            if self._owner not in (None, owner) and time.monotonic() - self._heard < _SILENCE:
                raise RtstyleError("another viewer's camera is in use; it must be switched off there first")
            self._owner, self._heard = owner, time.monotonic()

    def release(self, owner: object) -> None:
        """The browser of `owner` is not the camera any more; nothing happens when it was not."""
        with self._changed:
            if self._owner is owner:
                self._owner = None

    def offer(self, owner: object, jpeg: bytes, stamp: float, arrived: float) -> None:
        """Take a picture from the browser of `owner`.

        Args:
            stamp: the browser's own time of capture, any unit; `stamp_of` gives it back.
            arrived: `time.monotonic` when the picture came.

        Raises RtstyleError for a viewer who has not claimed the camera, and for a picture that is none.
        """
        if self._owner is not owner:
            raise RtstyleError("this viewer's camera is not in use; switch it on first")
        image = _fill(decode(jpeg), self.info.width, self.info.height)
        moment = Fraction(round(arrived * 10**9), 10**9)
        frame = Frame(torch.from_numpy(image).permute(2, 0, 1), moment)
        with self._changed:
            self._heard = time.monotonic()
            self._stamps.append((moment, owner, stamp))
        self._put(frame)

    def stamp_of(self, owner: object, moment: Fraction) -> float | None:
        """The stamp a frame of that time was offered with, if it came from `owner`."""
        with self._changed:
            found = [stamp for then, who, stamp in self._stamps if then == moment and who is owner]
        return found[0] if found else None

    def __iter__(self) -> Iterator[Frame]:
        if self._otherwise is not None and self._thread.ident is None:
            self._thread.start()
        while True:
            with self._changed:
                while self._newest is None and not self._ended:
                    self._changed.wait(LOOK)
                frame, self._newest = self._newest, None
                if frame is None:
                    error, self._error = self._error, None
                    if error is not None:
                        raise error
                    return
            yield frame

    def stop(self) -> None:
        """End the frames, for a reader that waits in another thread. Safe to repeat."""
        with self._changed:
            self._ended = True
            self._newest = None
            self._changed.notify_all()
        if self._otherwise is not None:
            self._otherwise.end()

    def close(self) -> None:
        """Stop, and close the other source. Safe to repeat."""
        self.stop()
        if self._otherwise is not None:
            if self._thread.ident is not None:
                self._thread.join()
            self._otherwise.close()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self._newest = frame
            self._changed.notify_all()

    def _read(self) -> None:
        """Hand on what the other source gives, while no browser is the camera."""
        assert self._otherwise is not None
        try:
            for frame in self._otherwise:
                if self.owner is None:
                    self._put(frame)
        except BaseException as error:  # handed to the thread that takes the frames
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _fill(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An (H, W, 3) picture scaled to cover width x height, cut at the middle."""
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    scale = max(width / columns, height / rows)
    inner_width, inner_height = min(columns, round(width / scale)), min(rows, round(height / scale))
    left, top = (columns - inner_width) // 2, (rows - inner_height) // 2
    cut = image[top : top + inner_height, left : left + inner_width]
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (width, height), interpolation=smaller))
