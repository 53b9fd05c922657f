"""The engine for processors: OpenVINO, in float32 or with 8-bit convolutions."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from rtstyle.engines.eager import check_image, one_a_thread
from rtstyle.engines.openvino_cells import to_planes
from rtstyle.engines.openvino_graph import Untranslatable, build_model
from rtstyle.engines.openvino_import import openvino
from rtstyle.engines.reduced import Reduced
from rtstyle.engines.signal_stack import kept_signal_stack
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_packed
from rtstyle.networks import Network
from rtstyle.styles import check_tensors

__all__ = ["OpenVINO", "Untranslatable", "has_bfloat16"]

_KEPT = 4  # compiled models; a live session that adapts its size goes to and fro between two or three
_Key = tuple[int, int, torch.dtype, int, bool]  # height, width, sample type, threads, in 8 bits


class OpenVINO:
    """A copy of a network as OpenVINO models, one for each size and sample type.

    Compiling one takes a tenth of a second, once. In float32 the weights are inputs of the model, so that
    `load` is instant and styles may be mixed anew for every frame. What `reduced` names is computed in 8 bits
    as long as the weights are those the engine began with; any others run in float32.

    Raises RtstyleError for a device other than the CPU, and Untranslatable.
    """

    def __init__(self, network: Network, device: torch.device, reduced: Reduced | None = None) -> None:
        if device.type != "cpu":
            raise RtstyleError(f"OpenVINO runs on the CPU here, not on '{device}'; use engine eager there")
        self.device = device
        self.network = copy.deepcopy(network).to(device, torch.float32).eval().requires_grad_(False)
        self.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._reduced = reduced
        self._measured = copy.deepcopy(self.network.state_dict()) if reduced is not None else {}
        self._in_8_bits = reduced is not None
        self._requests: dict[_Key, openvino.InferRequest] = {}
        smallest = network.smallest_side
        build_model(self.network, smallest, smallest, torch.uint8)  # refuses what it cannot translate

    @property
    def name(self) -> str:
        return "int8" if self._in_8_bits else "openvino"

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

    def copy(self) -> OpenVINO:
        other = copy.copy(self)
        other.network, other._requests = copy.deepcopy(self.network), {}
        return other

    def load(self, state: Mapping[str, Tensor]) -> None:
        """As `Eager`'s."""
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        check_tensors(self.network, shapes, f"these weights do not fit network {self.network.name}")
        self.network.load_state_dict(state)  # in place: every model reads these very weights
        own, measured = self.network.state_dict(), self._measured.items()
        self._in_8_bits = bool(measured) and all(torch.equal(own[key], value) for key, value in measured)

    def _request(self, image: Tensor) -> openvino.InferRequest:
        """A compiled model's, for pictures like this one and as many threads as PyTorch would use."""
        key = (*image.shape[1:], image.dtype, torch.get_num_threads(), self._in_8_bits)
        request = self._requests.pop(key, None) or self._compiled(*key)
        self._requests[key] = request  # put at the end again: the first is the one not used for longest
        if len(self._requests) > _KEPT:
            del self._requests[next(iter(self._requests))]
        return request

    def _compiled(
        self, height: int, width: int, dtype: torch.dtype, threads: int, in_8_bits: bool
    ) -> openvino.InferRequest:
        reduced = self._reduced if in_8_bits else None
        model = build_model(self.network, height, width, dtype, reduced.ranges if reduced else None)
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
        if not in_8_bits:
            for name, weight in self.network.state_dict().items():
                request.set_tensor(name, _shared(weight))
        return request


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _shared(tensor: Tensor) -> openvino.Tensor:
    """The very memory of a contiguous tensor: weights loaded later are seen at once."""
    return openvino.Tensor(tensor.numpy(), shared_memory=True)
