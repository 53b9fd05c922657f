"""The nouns of the frame pipeline: what flows (Frame) and the three parts it flows through.

The whole program is one loop::

    with source, sink:
        for frame in source:
            sink.write(stylizer(frame))

Nothing here imports torch at run time, so that naming the types costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture and the moment it is shown."""

    image: torch.Tensor  # uint8 (3, H, W), RGB, any device; uint16 for 16-bit still pictures
    time: Fraction = Fraction(0)  # seconds, exact, on the clock of its source
    duration: Fraction | None = None  # seconds it is shown, where the source says so


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a source knows of its frames before the first one."""

    width: int  # pixels, upright
    height: int  # pixels, upright
    rate: Fraction  # frames per second; for variable rates the mean
    length: int | None = None  # frames, None when live or unknown
    time_base: Fraction | None = None  # seconds; every frame time is a whole multiple (None: unknown)
    sample_aspect_ratio: Fraction = Fraction(1)  # width of one pixel over its height

    def __post_init__(self) -> None:
        """Take plain numbers for fractions. Raises RtstyleError for a rate that is none."""
        try:
            rate = Fraction(self.rate).limit_denominator(1_000_000)
        except (TypeError, ValueError, OverflowError):
            rate = Fraction(0)
        if rate <= 0:
            raise RtstyleError(f"the rate is {self.rate} frames a second; allowed are numbers above 0")
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "sample_aspect_ratio", Fraction(self.sample_aspect_ratio))


@runtime_checkable
class Source(Protocol):
    """Where frames come from. Iterate once; closing is safe to repeat."""

    info: VideoInfo

    def __iter__(self) -> Iterator[Frame]: ...
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@runtime_checkable
class Stylizer(Protocol):
    """A method of restyling: one frame in, one frame of the same size and time out."""

    def __call__(self, frame: Frame) -> Frame: ...

    def reset(self) -> None:
        """Forget earlier frames (a cut, a new video)."""


@runtime_checkable
class Divisible(Stylizer, Protocol):
    """A stylizer that can restyle several frames at once, since none depends on another's picture."""

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        """All that is left to do for this frame, ready to be done in any thread, beside others.

        Called for each frame in order: what the order decides (where a travel between styles has come
        to) is settled here.
        """
        ...

    def at_once(self, width: int, height: int) -> int:
        """Frames of that size that are best restyled at once, each by a thread of its own; 1 or more."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Where frames go.

    ``close`` finishes the output under its final name. ``abandon`` keeps what was written as a
    partial result. Leaving a ``with`` block calls one or the other. Both are safe to repeat.
    """

    def write(self, frame: Frame) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def to_float(image: torch.Tensor) -> torch.Tensor:
    """Integer samples to float32 in [0, 1]; uint8 is divided by 255, uint16 by 65535."""
    return image.float().div_(peak(image.dtype))


def to_bytes(values: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Float values in [0, 1] to integer samples, rounded and clamped; uint8 unless told uint16."""
    import torch

    dtype = dtype or torch.uint8
    # Integers in float32 are exact beyond 16 bits; half precision is not, so widen first.
    top = peak(dtype)
    return values.float().mul(top).add_(0.5).clamp_(0, top).to(dtype)


def peak(dtype: torch.dtype) -> int:
    """The largest sample: 255 or 65535. Raises TypeError for samples that are no image's."""
    peaks = {"torch.uint8": 255, "torch.uint16": 65535}
    try:
        return peaks[str(dtype)]
    except KeyError:
        raise TypeError(f"an image has samples of {dtype}; allowed are uint8 and uint16") from None


def to_packed(image: torch.Tensor) -> np.ndarray:
    """Integer samples (3, H, W), on any device, to (H, W, 3) as OpenCV, OpenVINO and screens take them.

    Not copied where they lie in memory like that; else in a thirtieth of PyTorch's time.
    """
    image = image.cpu()
    pixels = image.permute(1, 2, 0)
    if pixels.is_contiguous():
        return pixels.numpy()
    import cv2

    return cv2.merge([plane.contiguous().numpy() for plane in image])
