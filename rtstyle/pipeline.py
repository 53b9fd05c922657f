"""The main loop: `Prefetch` reads ahead, `Crew` restyles, `Background` writes behind.

Decoding, restyling and encoding overlap; queues between them are bounded. An error anywhere stops
all three, closes all three and is raised once, as it was.

A picture on a GPU is handed on before it is finished. All threads work on the GPU's default stream, which
does what it is asked in order; only whoever fetches a picture waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from time import perf_counter

import torch

from rtstyle.crew import Crew
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, Source, Stylizer
from rtstyle.threads import Background, Prefetch


@dataclass(slots=True)
class Progress:
    """How far a run has come; one record, updated after each frame."""

    frames: int = 0
    length: int | None = None  # frames to come in all, where known
    seconds: float = 0.0
    # Seconds the loop spent in each stage: waiting for a frame, restyling, waiting to hand it on.
    waiting: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "stylize": 0.0, "write": 0.0})

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


Listener = Callable[[Progress], None]


def run(source: Source, stylizer: Stylizer, sink: Sink, listener: Listener | None = None) -> Progress:
    """Restyle every frame of a source into a sink; both are closed at the end, whatever happens.

    Args:
        listener: called in this thread after each frame.

    Returns:
        The final `Progress`.

    Raises:
        RtstyleError: what the stylizer answers is no frame, or not at its time.
    """
    progress = Progress(length=source.info.length)
    clock = begin = perf_counter()
    given: deque[Fraction] = deque()  # times of the frames under way

    def lap(stage: str) -> None:
        nonlocal clock
        now = perf_counter()
        progress.waiting[stage] += now - clock
        clock, progress.seconds = now, now - begin

    def taken(frames: Prefetch) -> Iterator[Frame]:
        for frame in frames:
            given.append(frame.time)
            lap("read")
            yield frame
            lap("stylize")

    with Background(sink) as output, Prefetch(source) as frames, Crew(stylizer, source.info) as crew:
        getattr(stylizer, "reset", lambda: None)()  # a plain function has nothing to forget
        for styled in crew.restyle(taken(frames)):
            lap("stylize")
            _check(styled, given.popleft())
            output.write(styled)
            progress.frames += 1
            lap("write")
            if listener is not None:
                listener(progress)
    lap("write")
    return progress


def _check(styled: Frame, time: Fraction) -> None:
    """Raises RtstyleError for what a stylizer may not answer."""
    if not isinstance(styled, Frame):
        return  # the queue to the sink refuses it
    image = styled.image
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        found = f"{str(image.dtype).removeprefix('torch.')} {tuple(image.shape)}"
        raise RtstyleError(f"the stylizer answered an image of {found}; a frame's is uint8 (3, H, W), RGB")
    if styled.time != time:
        raise RtstyleError(
            f"the stylizer answered the frame of {float(time):g} s with one of {float(styled.time):g} s;"
            " dataclasses.replace(frame, image=...) keeps the time"
        )
