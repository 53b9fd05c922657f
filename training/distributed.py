"""One training run in several processes, as ``torchrun`` starts them: each has its slice of every batch."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch import distributed as torch_distributed

from rtstyle.errors import RtstyleError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run. Every method but ``share`` is a meeting: all must call it."""

    rank: int = 0  # of this process; 0 alone saves and speaks
    count: int = 1
    neighbours: int = 1  # of them on this machine, this one included

    def share(self, batch: int) -> range:
        """This process's places in a batch. Raises RtstyleError when the batch cannot be split evenly."""
        own, rest = divmod(batch, self.count)
        if rest:
            raise RtstyleError(f"a batch of {batch} cannot be split among {self.count} processes evenly")
        return range(self.rank * own, (self.rank + 1) * own)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over all processes into tensors of one type and device, in one exchange."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch_distributed.all_reduce(flat)
        flat /= self.count
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def from_first(self, find: Callable[[], T]) -> T:
        """What the first process finds. An RtstyleError of its own is raised in all."""
        if self.count == 1:
            return find()
        held: list[tuple[T | None, str]] = [(None, "")]
        if self.rank == 0:
            try:
                held = [(find(), "")]
            except RtstyleError as error:
                held = [(None, str(error))]
        torch_distributed.broadcast_object_list(held, src=0)
        found, error_text = held[0]
        if error_text:
            raise RtstyleError(error_text)
        return cast(T, found)

    def gather(self, value: T) -> list[T]:
        """What each process has, by rank."""
        if self.count == 1:
            return [value]
        held = [value] * self.count
        torch_distributed.all_gather_object(held, value)
        return held


ALONE = Processes()


def started_rank() -> int:
    """The rank torchrun gave this process, 0 where it was started alone."""
    return int(os.environ.get("RANK", "0"))


def started_count() -> int:
    """How many processes torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: str) -> str:
    """The device of this process: of several GPUs each process takes its own."""
    if "LOCAL_RANK" in os.environ and device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return device


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes torchrun started, joined through NCCL on GPUs and gloo elsewhere."""
    if started_count() == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch_distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        yield Processes(torch_distributed.get_rank(), torch_distributed.get_world_size(), neighbours)
    finally:
        torch_distributed.destroy_process_group()
