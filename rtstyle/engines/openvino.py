"""The engine for processors: OpenVINO, in float32 or with 8-bit convolutions.

Nothing compiled is kept on disk: a size takes half a second, and OpenVINO's own cache (CACHE_DIR) gave none
of it back (2026.4.1). What costs minutes, to find out which convolutions may be in 8 bits, is kept in the
style's card.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from rtstyle.engines.eager import check_image, one_a_thread
from rtstyle.engines.openvino_cells import to_planes
from rtstyle.engines.openvino_graph import Untranslatable, build_model
from rtstyle.engines.openvino_import import openvino
from rtstyle.engines.reduced import Measured
from rtstyle.engines.signal_stack import kept_signal_stack
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_packed
from rtstyle.networks import Network
from rtstyle.style_file import check_tensors

__all__ = ["OpenVINO", "Untranslatable", "has_bfloat16"]

_KEPT = 6  # compiled models; a live session that adapts its size goes to and fro between two or three
_Key = tuple[int, int, torch.dtype, int, int | None]  # height, width, sample type, threads, of `measured`


class OpenVINO:
    """A copy of a network as OpenVINO models, one for each size and sample type.

    In float32 the weights are inputs of the model, so that `load` is instant and styles may be mixed anew for
    every frame. Weights that were measured to be as good in 8 bits are part of a model of their own, which
    takes a tenth of a second to compile: where float32's is there already, it restyles meanwhile.

    Args:
        measured: weights and what of the network may be computed less precisely with them.

    Raises RtstyleError for a device other than the CPU, and Untranslatable.
    """

    @torch.inference_mode(False)  # as `Eager`
    def __init__(self, network: Network, device: torch.device, measured: Measured = ()) -> None:
        if device.type != "cpu":
            raise RtstyleError(f"OpenVINO runs on the CPU here, not on '{device}'; use engine eager there")
        self.device = device
        self.network = copy.deepcopy(network).to(device, torch.float32).eval().requires_grad_(False)
        self.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._measured = [(_copied(state), reduced) for state, reduced in measured]
        self._present = self._find(self.network.state_dict())
        self._requests: dict[_Key, openvino.InferRequest] = {}
        self._ahead: tuple[_Key, Future[openvino.InferRequest]] | None = None
        smallest = network.smallest_side
        build_model(self.network, smallest, smallest, torch.uint8)  # refuses what it cannot translate

    @property
    def name(self) -> str:
        return "openvino" if self._present is None else "int8"

    def __call__(self, image: Tensor) -> Tensor:
        """As `Eager`'s."""
        check_image(image)
        request = self._request(image)
        pixels = to_packed(image)
        request.set_tensor("image", openvino.Tensor(pixels[None], shared_memory=True))
        request.infer()
        height, width = image.shape[1:]
        styled = torch.from_numpy(to_planes(request.get_output_tensor().data[0]))
        return styled[:, :height, :width].to(image.device)

    def at_once(self, width: int, height: int) -> int:
        """One a thread: all on one frame are as fast alone, but wait for each other beside a decoder."""
        return one_a_thread(self.network, width, height)

    @torch.inference_mode(False)
    def copy(self) -> OpenVINO:
        other = copy.copy(self)
        other.network, other._requests, other._ahead = copy.deepcopy(self.network), {}, None
        return other

    @torch.inference_mode(False)
    def load(self, state: Mapping[str, Tensor]) -> None:
        """As `Eager`'s."""
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        check_tensors(self.network, shapes, f"these weights do not fit network {self.network.name}")
        self.network.load_state_dict(state)  # in place: every model reads these very weights
        self._present = self._find(self.network.state_dict())

    def _find(self, state: Mapping[str, Tensor]) -> int | None:
        """Which of the measured weights these are, if any."""
        for place, (measured, _) in enumerate(self._measured):
            if all(torch.equal(state[key], value) for key, value in measured.items()):
                return place
        return None

    def _request(self, image: Tensor) -> openvino.InferRequest:
        """A compiled model's, for pictures like this one and as many threads as PyTorch would use."""
        size = (*image.shape[1:], image.dtype, torch.get_num_threads())
        key, exact = (*size, self._present), (*size, None)
        self._take_compiled()
        if key not in self._requests:
            if exact in self._requests:
                self._compile_ahead(key)
                key = exact
            else:
                self._requests[key] = self._compiled(*key)
                if len(self._measured) > 1:  # a mix of them may be next
                    self._compile_ahead(exact)
        request = self._requests[key] = self._requests.pop(key)  # at the end: first is what is unused longest
        if len(self._requests) > _KEPT:
            del self._requests[next(iter(self._requests))]
        return request

    def _compile_ahead(self, key: _Key) -> None:
        """In a thread of its own, one at a time: the newest wish comes again with the next picture."""
        if self._ahead is None and key not in self._requests:
            worker = ThreadPoolExecutor(1, "rtstyle-compile")
            self._ahead = key, worker.submit(self._compiled, *key)
            worker.shutdown(wait=False)

    def _take_compiled(self) -> None:
        if self._ahead is not None and self._ahead[1].done():
            key, made = self._ahead
            self._ahead = None
            self._requests[key] = made.result()

    def _compiled(
        self, height: int, width: int, dtype: torch.dtype, threads: int, measured: int | None
    ) -> openvino.InferRequest:
        network, reduced = self.network, None
        if measured is not None:
            state, reduced = self._measured[measured]
            network = copy.deepcopy(network)  # whose own weights may be others by now
            network.load_state_dict(state)
        model = build_model(network, height, width, dtype, reduced.ranges if reduced else None)
        # Said always: unasked it would be bfloat16 wherever the processor has that.
        precision = "f32"
        if reduced and reduced.bfloat16 and has_bfloat16():
            precision = "bf16"
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # else every model of one thread is put on the first core
        }
        try:
            with kept_signal_stack():  # compiling sets one that goes with the model (2026.4.1)
                request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1][:160]
            raise RtstyleError(
                f"OpenVINO cannot run this network here ({said}); use --engine eager"
            ) from error
        if reduced is None:
            for name, weight in self.network.state_dict().items():
                request.set_tensor(name, _shared(weight))
        return request


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().to("cpu", torch.float32, copy=True) for key, value in state.items()}


def _shared(tensor: Tensor) -> openvino.Tensor:
    """The very memory of a contiguous tensor: weights loaded later are seen at once."""
    return openvino.Tensor(tensor.numpy(), shared_memory=True)
