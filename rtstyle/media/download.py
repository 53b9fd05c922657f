"""Pictures on a GPU as frames for an encoder: converted there, fetched as 4:2:0, half the bytes of RGB."""

from __future__ import annotations

import av
import torch
from torch import Tensor

from rtstyle.media.nv12 import planes, to_yuv420p


class Download:
    """RGB pictures to yuv420p frames in host memory, without tags. One object a thread.

    Copies have a stream of their own, so that they run beside the kernels of later pictures, and end in
    pinned memory, which PyTorch keeps for the next ones: the frame refers to it, nothing is copied again.

    Args:
        matrix, full: as for `nv12.to_rgb`.
    """

    def __init__(self, matrix: int, full: bool) -> None:
        self._matrix, self._full = matrix, full
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, image: Tensor) -> av.VideoFrame:
        """uint8 (3, H, W) with even sides, on any device, to a frame of the same size."""
        packed = self._fetch(to_yuv420p(image, self._matrix, self._full))
        # By way of NumPy: PyTorch marks pinned memory as CUDA's, which is no memory of a plain frame.
        samples = tuple(plane.numpy() for plane in planes(packed, *image.shape[1:]))
        return av.VideoFrame.from_dlpack(samples, format="yuv420p")

    def _fetch(self, packed: Tensor) -> Tensor:
        """The same in host memory, ready to be read."""
        if not packed.is_cuda:
            return packed
        if self._stream is None:
            self._stream = torch.cuda.Stream(packed.device)
        host = torch.empty(packed.shape, dtype=packed.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(packed.device))
        with torch.cuda.stream(self._stream):
            host.copy_(packed, non_blocking=True)
        # The end of the copy, not of what has been asked of the GPU since. `packed` lives until here.
        self._stream.synchronize()
        return host
