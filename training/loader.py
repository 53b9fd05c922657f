"""Batches prepared ahead by threads: decoding, cropping and moving photos while the network learns."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from rtstyle.training.clips import Clips
from rtstyle.training.data import Photos
from rtstyle.training.motion import Views, two_views


@dataclass(frozen=True)
class Batch:
    """Photos (B, 3, crop, crop) in [0, 1] and the two views of each that the network is shown."""

    photo: Tensor
    views: Views

    def to(self, device: torch.device) -> "Batch":
        """On that device, channels last; from pinned memory the copy runs beside the computation."""
        return Batch(
            _moved(self.photo, device), Views(*(_moved(part, device) for part in _parts(self.views)))
        )

    def pinned(self) -> "Batch":
        return Batch(self.photo.pin_memory(), Views(*(part.pin_memory() for part in _parts(self.views))))


def make_batch(photos: Photos, noise: float, places: range, crop: int, clips: Clips | None = None) -> Batch:
    """The pictures of some places of the row, each with its own dice: the same in any split of a batch.

    Where there are clips, some places take a pair of their frames.
    """
    made = [(clips and clips.views_at(place, crop)) or _still(photos, noise, place, crop) for place in places]
    crops, views = zip(*made, strict=True)
    together = (torch.cat(parts) for parts in zip(*map(_parts, views), strict=True))
    return Batch(torch.cat(crops), Views(*together))


def _still(photos: Photos, noise: float, place: int, crop: int) -> tuple[Tensor, Views]:
    photo = photos.crop_at(place, crop)[None]
    return photo, two_views(photo, noise, _dice(photos.seed, place))


def batches(
    photos: Photos,
    noise: float,
    steps: range,
    *,
    threads: int,
    pin: bool,
    shape: Callable[[int], tuple[int, int]] | None = None,
    share: Callable[[int], range] = range,
    clips: Clips | None = None,
) -> Iterator[Batch]:
    """The batches of these steps in order, cut down to a share of each, prepared ahead by threads.

    ``shape``: how many photos a step has, ``photos.batch`` at most, and the side of their crops; those of
    ``photos`` if None. ``share``: which of so many are wanted. ``pin``: for a GPU. Neither threads nor share
    change what a picture looks like. Closing the iterator stops the threads.
    """

    def prepare(step: int) -> Batch:
        count, crop = shape(step) if shape else (photos.batch, photos.crop)
        first, own = step * photos.batch, share(count)
        batch = make_batch(photos, noise, range(first + own.start, first + own.stop), crop, clips)
        return batch.pinned() if pin else batch

    # On a GPU run the processor only loads: each thread works alone, or all would fight for the cores.
    setup = (lambda: torch.set_num_threads(1)) if pin else None
    pool = ThreadPoolExecutor(threads, "loader", initializer=setup)
    waiting: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(prepare, step))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _dice(seed: int, place: int) -> torch.Generator:
    """The dice of one picture, the same in every run of one seed."""
    state = np.random.SeedSequence([seed, place, 2]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(state))


def _parts(views: Views) -> tuple[Tensor, ...]:
    return tuple(getattr(views, item.name) for item in fields(Views))


def _moved(part: Tensor, device: torch.device) -> Tensor:
    return part.to(device, non_blocking=True, memory_format=torch.channels_last)
