"""The frames that are measured with: held in memory, in a file, and as a decoder gives them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import torch

from rtstyle.frame import Frame, Source
from rtstyle.media.containers import open_media, picture_stream
from rtstyle.media.decoding import Damage, decode
from rtstyle.media.geometry import fit
from rtstyle.media.null import MemorySource
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink

RATE = Fraction(30)  # frames a second of the clip: as fast as it can be, whatever this says
HELD = 24  # frames; shown forward, backward, forward
HELD_BYTES = 2**28  # fewer where they are large
DRAWN = (640, 360)
_CPU = torch.device("cpu")

T = TypeVar("T")


class Scene:
    """One size's frames.

    Args:
        held: frames in memory, in order, all of one size; at least one.
        folder: where its files are made.
    """

    def __init__(self, held: Sequence[Frame], folder: Path) -> None:
        self.held = list(held)
        self._there: dict[torch.device, list[Frame]] = {}
        _, self.height, self.width = held[0].image.shape
        self.name = f"{self.width}x{self.height}"
        self.clip = folder / f"{self.name}.mp4"
        self.output = folder / "output.mp4"

    def frames(self, device: torch.device = _CPU) -> list[Frame]:
        """The frames there and back, in the memory of a device: what a network is measured with."""
        if device not in self._there:
            held = [Frame(frame.image.to(device), frame.time) for frame in self.held]
            self._there[device] = there_and_back(held)
        return self._there[device]

    def write_clip(self, length: int) -> None:
        """Make `clip`: so many frames in H.264, as `rtstyle video` encodes."""
        source = MemorySource(self.frames(), length, RATE)
        with VideoFileSink(self.clip, source.info, overwrite=True) as sink:
            for frame in source:
                sink.write(frame)

    def decoded(self) -> list[av.VideoFrame]:
        """The clip's first frames as decoded, as many as are held."""
        with open_media(self.clip) as container:
            frames = decode(container, picture_stream(container, self.clip), Damage())
            return list(islice(frames, len(self.held)))


def there_and_back(items: Sequence[T]) -> list[T]:
    """Items to be shown again and again without a jump: forward, then backward without the two ends."""
    return [*items, *reversed(items[1:-1])]


def drawn_frames() -> list[Frame]:
    """The drawn scene at its own size: what `laid_out` fills every other size with."""
    width, height = DRAWN
    return list(SyntheticSource(width, height, RATE, seconds=float(HELD / RATE)))


def laid_out(drawn: Sequence[Frame], wanted: tuple[int | None, int]) -> list[Frame]:
    """The drawn scene beside itself, mirrored, until it fills the size; cut where that is smaller.

    Enlarged, it would be smoother than any camera's picture, and every codec faster; drawing it at
    3840x2160 takes half a minute a frame. So every size has the same detail per pixel.

    Args:
        wanted: (width or None, height) as `geometry.parse_size` returns it.
    """
    width, height, _ = fit(wanted, *DRAWN, Fraction(1))
    down, across = max(0, height - DRAWN[1]), max(0, width - DRAWN[0])

    def fill(frame: Frame) -> Frame:
        rows = np.pad(frame.image.numpy(), ((0, 0), (0, down), (0, across)), mode="symmetric")
        return Frame(torch.from_numpy(rows[:, :height, :width].copy()), frame.time)

    return [fill(frame) for frame in drawn[: _most(width, height)]]


def filmed_frames(path: Path, wanted: tuple[int | None, int]) -> list[Frame]:
    """The first frames of a video, scaled. Raises RtstyleError for a file that cannot be read."""
    source: Source
    with VideoFileSource(path, size=wanted) as source:
        return list(islice(source, _most(source.info.width, source.info.height)))


def _most(width: int, height: int) -> int:
    return max(1, min(HELD, HELD_BYTES // (3 * width * height)))
