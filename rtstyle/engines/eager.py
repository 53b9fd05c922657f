"""The engine that runs everywhere: the network as it is, by PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.engines import planes
from rtstyle.engines.tiles import in_tiles
from rtstyle.errors import RtstyleError
from rtstyle.frame import peak, to_bytes, to_float
from rtstyle.networks import Network
from rtstyle.networks.blocks import Downward, InstanceNorm, Outward, ReflectConv, Upward
from rtstyle.style_file import check_tensors

MEMORY = 2**31  # bytes that frames restyled at once may take beside each other
# Bytes on a processor that one picture may take: 28 million pixels in swift, 3.9 in johnson. Larger ones are
# restyled in tiles, of half as much.
LARGEST = 2**32
_KERNELS: dict[type, Any] = {Downward: planes.downward, Upward: planes.upward, Outward: planes.outward}
_CPU_IS_FULL = "can't allocate memory"  # PyTorch's RuntimeError there, where a GPU's has a class of its own


def check_image(image: Tensor) -> None:
    """Raise RtstyleError for what is no tensor of shape (3, H, W) in uint8 or uint16."""
    if not isinstance(image, Tensor):
        advice = "of an array: torch.from_numpy(array).permute(2, 0, 1)"
        raise RtstyleError(f"an image is a tensor (3, H, W), got {type(image).__name__}; {advice}")
    if image.dim() != 3 or image.shape[0] != 3:
        shape = tuple(image.shape)
        raise RtstyleError(f"an image has shape (3, H, W), got {shape}; channels last? permute(2, 0, 1)")
    try:
        peak(image.dtype)
    except TypeError as error:
        raise RtstyleError(f"{error}; of floats in [0, 1]: (255 * image).round().to(torch.uint8)") from None


def one_a_thread(network: Network, width: int, height: int) -> int:
    """As many frames of that size as there are threads, as far as memory goes; 1 or more."""
    room = MEMORY // (width * height * network.bytes_per_pixel)
    return max(1, min(torch.get_num_threads(), room))


class Eager:
    """A copy of a network on one device, in the precision and memory layout that suit it there.

    Weights are channels_last, the layout convolutions run fastest in, and float16
    on CUDA where the network allows it. On the CPU half precision was slower than float32.
    """

    name = "eager"

    @torch.inference_mode(False)  # weights made within it could not be changed outside of it
    def __init__(self, network: Network, device: torch.device) -> None:
        half = device.type == "cuda" and network.supports_half
        self.device = device
        self.dtype = torch.float16 if half else torch.float32
        own = copy.deepcopy(network).eval().requires_grad_(False)
        self.network = own.to(device, self.dtype).to(memory_format=torch.channels_last)
        for part in self.network.modules():
            if isinstance(part, InstanceNorm | ReflectConv | Downward | Upward | Outward):
                # Of its own, or None: what another engine does with its is nothing of this one's.
                part.kernel = _KERNELS.get(type(part)) if device.type == "cpu" else None
            elif isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1):
                # Both layouts are the same here but for the strides noted, and those of channels_last
                # ask for a picture in channels_last.
                part.weight.data = part.weight.data.flatten(1)[..., None, None]

    def __call__(self, image: Tensor) -> Tensor:
        """Restyle uint8 or uint16 (3, H, W) of any size; the result has its shape, dtype and device.

        Raises RtstyleError for another shape, and when the device's memory is too small.
        """
        check_image(image)
        try:
            return self._restyled(image.to(self.device, non_blocking=True)).to(image.device)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, torch.OutOfMemoryError | MemoryError) and _CPU_IS_FULL not in str(error):
                raise
            height, width = image.shape[1:]
            onward = "end other programs, or make it smaller"
            if self.device.type == "cuda":
                onward = "the processor takes any size: --device cpu"
            raise RtstyleError(
                f"{self.device} has too little memory for a picture of {width}x{height}; {onward}"
            ) from error

    def at_once(self, width: int, height: int) -> int:
        """One a thread as far as memory goes on the CPU; a GPU has enough to do with one."""
        if self.device.type != "cpu":
            return 1
        return one_a_thread(self.network, width, height)

    def copy(self) -> Eager:
        return Eager(self.network, self.device)

    @torch.inference_mode(False)
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take other weights of the same network, of any precision, in place; between frames only."""
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        check_tensors(self.network, shapes, f"these weights do not fit network {self.network.name}")
        self.network.load_state_dict(state)  # copies: precision, place and layout stay as they are

    def _restyled(self, image: Tensor) -> Tensor:
        """(3, H, W) on the device to the same."""
        if self.device.type == "cpu" and image[0].numel() * self.network.bytes_per_pixel > LARGEST:
            return in_tiles(self.network, image, self._run, LARGEST / 2)
        return self._run(image[None])[0]

    def _run(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) on the device to the same."""
        height, width = images.shape[-2:]
        with torch.inference_mode():
            values = self.network(self._prepared(images))[..., :height, :width]
        # Outside inference mode, so that the result is an ordinary tensor to whoever gets it.
        return to_bytes(values, images.dtype)

    def _prepared(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], each side at least the smallest the network takes."""
        values = to_float(images).to(self.dtype)
        bottom, right = (max(0, self.network.smallest_side - side) for side in images.shape[-2:])
        return F.pad(values, (0, right, 0, bottom), mode="replicate") if bottom or right else values
