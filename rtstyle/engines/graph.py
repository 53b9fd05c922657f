"""The engine for GPUs: the whole way of a picture recorded once for each size, and replayed for each frame.

A small network is some hundred short kernels, which the processor cannot ask for as fast as a GPU does
them. A CUDA graph asks for all of them in one call.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.engines.eager import Eager
from rtstyle.errors import RtstyleError
from rtstyle.networks import Network
from rtstyle.networks.blocks import InstanceNorm, ReflectConv

_KEPT = 4  # graphs; a live session that adapts its size goes to and fro between two or three
_WARM = 3  # runs before a recording, in which libraries choose their kernels and load them
_TRIES = 3  # recordings in a row that may fail: another thread's (a decoder's) use of the driver breaks some
# PyTorch records one graph at a time in a process, and up to 2.11 replays none meanwhile.
_RECORDING = threading.Lock()
_Key = tuple[int, int, torch.dtype]  # height, width, sample type


@dataclass(frozen=True, slots=True)
class _Recording:
    """A graph and the memory it reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    image: Tensor
    result: Tensor


class Graph(Eager):
    """As `Eager`, on a GPU: bytes to floats, network and bytes again are one CUDA graph for each size.

    Norms and borders are those of `kernels` where Triton can build them. Weights loaded later are seen by the
    graphs, since they are copied to where the others were.

    Attributes:
        notes: why it runs like `Eager`, or without those kernels, where it does; a sentence each.

    Raises RtstyleError for a device other than a GPU.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        if device.type != "cuda":
            raise RtstyleError(f"CUDA graphs run on a GPU, not on '{device}'; use engine eager there")
        super().__init__(network, device)
        self.name = "graph"
        self.notes: list[str] = []
        self._recorded: dict[_Key, _Recording] = {}
        self._failed = 0
        with torch.cuda.device(device):
            # One for all graphs: they never run at the same time, so that the largest size alone counts.
            self._pool = torch.cuda.graph_pool_handle()
            self._stream = torch.cuda.Stream()
            self._take_kernels()

    def copy(self) -> Graph:
        return Graph(self.network, self.device)

    def _take_kernels(self) -> None:
        """Have norms and borders made by kernels that keep channels_last, if they work here."""
        if reason := why_no_kernels(self.device, self.dtype):
            self._leave_kernels(reason)
            return
        from rtstyle.engines import kernels

        for part in self.network.modules():
            if isinstance(part, InstanceNorm):
                part.kernel = kernels.norm
            elif isinstance(part, ReflectConv):
                part.kernel = kernels.reflect

    def _leave_kernels(self, reason: str) -> None:
        self.notes.append(f"norms and borders are PyTorch's, which are slower: {reason}")
        for part in self.network.modules():
            if isinstance(part, InstanceNorm | ReflectConv):
                part.kernel = None

    def _restyled(self, image: Tensor) -> Tensor:
        with torch.cuda.device(self.device):
            recording = self._recording(image) if self.name == "graph" else None
            if recording is None:
                return super()._restyled(image)
            with _RECORDING:
                recording.image.copy_(image)
                recording.graph.replay()
                return recording.result.clone()  # the next replay writes there again

    def _recording(self, image: Tensor) -> _Recording | None:
        """Of pictures like this one; None where none can be made, or not now."""
        key = (*image.shape[1:], image.dtype)
        recording = self._recorded.pop(key, None)
        if recording is None:
            try:
                with _RECORDING:
                    if len(self._recorded) == _KEPT:
                        torch.cuda.synchronize()  # it may be running
                        del self._recorded[next(iter(self._recorded))]
                    recording = self._record(image)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                if not isinstance(error, RuntimeError):  # Triton's own: no room for a kernel
                    self._leave_kernels(_line(error))
                self._failed += 1
                if self._failed == _TRIES:
                    self._recorded.clear()
                    self.name = "eager"
                    # PyTorch ends a recording that broke with another error over the true one.
                    reason = _line(error.__context__ or error)
                    self.notes.append(f"no CUDA graph could be recorded, so it is slower: {reason}")
                return None
            self._failed = 0  # only tries in a row count: a film of hours may see a decoder begin often
        self._recorded[key] = recording  # put at the end again: the first is the one not used for longest
        return recording

    @torch.inference_mode(False)  # or its input could be written within that mode only
    def _record(self, image: Tensor) -> _Recording:
        # The input is no part of the graphs' pool: there another graph's replay would overwrite it.
        still = image.clone(memory_format=torch.contiguous_format)
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM):
                super()._restyled(still)
            try:
                # Other threads (a decoder's) may go on allocating memory meanwhile.
                with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                    result = super()._restyled(still)
            except BaseException:
                self._pool = torch.cuda.graph_pool_handle()  # that of a broken recording may take no other
                raise
        torch.cuda.current_stream().wait_stream(self._stream)
        return _Recording(graph, still, result)


def why_no_kernels(device: torch.device, dtype: torch.dtype = torch.float16) -> str:
    """What keeps the kernels from working on a GPU; empty where they do. They are built and run once."""
    try:
        from rtstyle.engines import kernels

        trial = torch.zeros(1, 3, 2, 2, device=device, dtype=dtype)
        scale = torch.zeros(3, device=device, dtype=dtype)
        kernels.norm(kernels.reflect(trial, 1), scale, scale, 1e-5, True)
        torch.cuda.current_stream(device).synchronize()
    except Exception as error:  # no Triton, no C compiler for its launcher, a GPU it does not know
        return _line(error)
    return ""


def _line(error: BaseException) -> str:
    """What an error says first, on one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
