"""Several frames restyled at once by one thread each, and given back in their order.

On a processor this beats giving every frame all the cores: a network of this size has some hundred
parallel regions a frame, and at the end of each all cores wait for the last. One frame a core waits
for nobody (2 cores, 640x360: 53 frames a second in place of 43), and decoder and encoder, which want
a core now and then, hold up one frame only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from rtstyle.frame import Divisible, Frame, Stylizer, VideoInfo

# PyTorch's count of threads is the process's while a crew shares its cores out: none other may ask then.
_SHARING = threading.Lock()


class Crew:
    """Restyles with as many threads as the stylizer asks for, each on a frame of its own.

    A stylizer whose frames depend on one another (not `Divisible`), or that asks for one at a time,
    works in the caller's thread. Leaving the ``with`` block waits for frames under way and ends the threads.

    Args:
        info: of the frames to come.
    """

    def __init__(self, stylizer: Stylizer, info: VideoInfo) -> None:
        self._stylizer = stylizer
        self._pool: ThreadPoolExecutor | None = None
        if isinstance(stylizer, Divisible):
            with _SHARING:
                if (size := stylizer.at_once(info.width, info.height)) > 1:
                    self._prepare, self._size, self._pool = stylizer.prepare, size, _pool(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def restyle(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames, restyled, in order. Raises what the stylizer raised, in the place of that frame."""
        if self._pool is None:
            yield from map(self._stylizer, frames)
            return
        under_way: deque[Future[Frame]] = deque()
        for frame in frames:
            # One more than there are threads, so that none is idle while the oldest is handed on.
            if len(under_way) > self._size:
                yield under_way.popleft().result()
            under_way.append(self._pool.submit(self._prepare(frame)))
        while under_way:
            yield under_way.popleft().result()


def _pool(size: int) -> ThreadPoolExecutor:
    """Threads that share the processor's cores out among them."""
    import torch

    cores = torch.get_num_threads()
    ready = threading.Barrier(size + 1)

    def share() -> None:
        # The count belongs to the thread, but is set for threads to come as well; asking first keeps a
        # thread from taking that one later.
        torch.get_num_threads()
        torch.set_num_threads(max(1, cores // size))
        ready.wait()

    pool = ThreadPoolExecutor(size, "rtstyle-crew", initializer=share)
    for _ in range(size):
        pool.submit(lambda: None)
    ready.wait()
    torch.set_num_threads(cores)
    return pool
