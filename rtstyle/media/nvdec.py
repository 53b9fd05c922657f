"""Video decoded by a GPU's own decoder (NVDEC), the pictures left in its memory and made RGB there.

PyAV hands out a decoded surface as planes (DLPack). FFmpeg fills it and takes it back in the order of
CUDA's legacy default stream of the context PyTorch uses too, and that is PyTorch's default stream: what is
asked of a surface on this stream comes after its decoding and before its next use, and nobody has to wait.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import av
import torch
from av.codec.hwaccel import HWAccel, HWConfig, HWDeviceType

from rtstyle.media.color import FULL, ColorTags, ToRgb, tags_of, unreadable_matrix
from rtstyle.media.geometry import stretch
from rtstyle.media.nv12 import to_rgb

# What FFmpeg hands to NVDEC. Not AV1, for which it takes a decoder of its own first.
_CODECS = ("h264", "hevc", "vp8", "vp9", "mpeg2video", "mpeg4", "mjpeg")
_DECODED = ("yuv420p", "yuvj420p", "yuv420p10le")  # samples as the CPU's decoder names them
_NARROWEST = 48  # of any codec, pixels
_LIBRARY = "libnvcuvid.so.1"
_BITS = {"nv12": 8, "p010le": 10, "p016le": 12}  # as NVDEC gives them


@contextmanager
def accelerator(device: torch.device) -> Iterator[HWAccel]:
    """What `av.open` needs to decode on a GPU: inside the ``with`` block, and in its thread.

    FFmpeg joins the CUDA context that is current then. It cannot take PyTorch's as the device's primary
    one, because it wants other flags for that, and surfaces of a context of its own PyTorch could not read.
    """
    with torch.cuda.device(device):
        torch.zeros(1, device=device)  # a thread has no current context before its first use of the GPU
        yield HWAccel(
            "cuda",
            str(torch.cuda.current_device()),
            allow_software_fallback=True,
            options={"primary_ctx": "0", "current_ctx": "1"},
            is_hw_owned=True,
        )


def codecs(device: torch.device) -> list[str]:
    """What a GPU may decode; the card may know less, which shows when a file is opened.

    Empty where FFmpeg was built without CUDA. Raises av.error.FFmpegError where FFmpeg cannot use the GPU,
    and RuntimeError where PyTorch cannot, or the driver came without its decoder.
    """
    there = [av.Codec(name, "r") for name in _CODECS if name in av.codecs_available]
    built = [each for each in there if any(_is_cuda(config) for config in each.hardware_configs)]
    if built:
        with accelerator(device) as hwaccel:
            hwaccel.create(built[0])
        if sys.platform == "linux":
            _check_driver()
    return [each.name for each in built]


def _check_driver() -> None:
    """FFmpeg loads the driver's decoder when a file is opened, and then says no more than that it failed."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise RuntimeError(
            f"the driver's {_LIBRARY} is missing; a container needs the driver capability 'video'"
        ) from error


def _is_cuda(config: HWConfig) -> bool:
    return config.is_supported and config.device_type == HWDeviceType.cuda


def refusal(first: av.VideoFrame) -> str:
    """Why a stream is left to the CPU's decoder, whose first frame this is; empty where it is not."""
    if first.width % 2 or first.height % 2:
        return f"odd sides ({first.width}x{first.height})"
    if first.width < _NARROWEST:
        return f"too narrow ({first.width})"
    if first.format.name not in _DECODED:
        return f"its samples ({first.format.name})"
    if first.interlaced_frame:
        return "interlaced"
    if tags_of(first).is_hdr:
        return "HDR"
    if unreadable_matrix(first) is not None:
        return "its colour matrix"
    return "where its chroma lies" if chroma_left(first) is None else ""


def chroma_left(frame: av.VideoFrame) -> bool | None:
    """Whether swscale takes the chroma of a 4:2:0 frame to lie at the left (see `nv12`) or in the middle.

    PyAV does not tell what the decoder says of it, so swscale is tried on a ramp that says the same. None
    for other places. The frame is more than 16 pixels wide.
    """
    ramp = frame.reformat(width=16, height=16, format="yuv420p")  # keeps what is said
    levels = torch.full((16, 16), 128, dtype=torch.uint8)
    steps = 10 * torch.arange(8)
    chroma = (58 + steps + steps[:, None]).byte()
    for plane, values in zip(ramp.planes, (levels, chroma, chroma), strict=True):
        torch.from_dlpack(plane).copy_(values)
    tags = ColorTags(1, FULL)
    right = ToRgb()(ramp, tags).int()
    for left in (True, False):
        seen = to_rgb(levels, torch.stack([chroma, chroma], 2), tags.matrix, True, left=left).int()
        if (seen - right).abs().max() <= 1:
            return left
    return None


def difference(first: av.VideoFrame | None, like: av.VideoFrame) -> str:
    """Why a stream is left to the CPU's decoder after all: its first frame by the GPU and by the CPU."""
    if first is None:
        return "the GPU decoded nothing"
    if first.sw_format is None or first.sw_format.name not in _BITS:
        return "the GPU has no decoder for it"
    facts = [(each.width, each.height, each.pts, tags_of(each)) for each in (first, like)]
    return "" if facts[0] == facts[1] else "the GPU's first frame is another one"


def in_reach(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same frames, but in host memory from the first interlaced one on: filters work there."""
    interlaced = False
    for frame in frames:
        interlaced |= frame.interlaced_frame
        samples = frame.sw_format  # None in host memory
        yield frame.reformat(format=samples.name) if interlaced and samples is not None else frame


class SurfaceToRgb(ToRgb):
    """As `ToRgb`, and surfaces on the GPU become images there. One object a thread.

    Args:
        left: as `chroma_left` tells of the stream.
    """

    def __init__(self, size: tuple[int, int] | None = None, left: bool = False) -> None:
        super().__init__(size)
        self._left = left

    def __call__(self, frame: av.VideoFrame, tags: ColorTags) -> torch.Tensor:
        """Returns uint8 (3, H, W), on the GPU if the frame is; `frame` may be dropped at once."""
        bits = _BITS.get(frame.sw_format.name) if frame.sw_format is not None else None
        if bits is None or frame.width % 2 or frame.height % 2 or tags.is_hdr:
            return super().__call__(frame, tags)  # swscale fetches a surface by itself
        image = surface_to_rgb(frame, tags, bits, self._left)
        return stretch(image, self._size or (frame.width, frame.height))


def surface_to_rgb(frame: av.VideoFrame, tags: ColorTags, bits: int, left: bool = False) -> torch.Tensor:
    """NV12, P010 or P016 with even sides, on any device, as uint8 (3, H, W) there."""
    # Not `torch.from_dlpack`: it names a stream, which PyAV refuses. Each tensor keeps the frame's memory.
    luma, chroma = (torch.utils.dlpack.from_dlpack(plane.__dlpack__()) for plane in frame.planes)
    return to_rgb(luma, chroma, tags.matrix, tags.range == FULL, bits, left)
