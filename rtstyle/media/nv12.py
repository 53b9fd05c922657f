"""Samples of 4:2:0 video to RGB bytes and back, by formula, on whatever device they are.

What `color` has swscale do on the CPU, for pictures that lie on a GPU (ITU-T H.273, clause 8.3: luma is
the sum of R, G and B weighted with K_R, 1 - K_R - K_B and K_B, non-constant luminance). Sides are even: a
decoder's surface of odd sides lacks the last column or row of chroma. On a GPU each way is one kernel of
`nv12_kernels`, where Triton can build it.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# (K_R, K_B) of the matrices swscale can apply, by H.273 code point.
_WEIGHTS = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}  # fmt: skip


class ToRgbFactors(NamedTuple):
    """R = gain Y + red_red Cr + offset and so on, of samples in levels of 8 bits, Cb and Cr less 128."""

    gain: float
    red_red: float
    blue_green: float
    red_green: float
    blue_blue: float
    offset: float  # half a level is in it, for the conversion to bytes cuts off


class ToYuvFactors(NamedTuple):
    """Y = gain (red R + green G + blue B) + offset; Cb = to_blue (B - that sum) + 128.5, and so on."""

    red: float
    green: float
    blue: float
    gain: float
    offset: float
    to_blue: float
    to_red: float


def to_rgb(
    luma: Tensor, chroma: Tensor, matrix: int, full: bool, bits: int = 8, left: bool = False
) -> Tensor:
    """The planes of NV12, or of P010 and its like, as an RGB picture.

    Args:
        luma: (H, W), uint8; or uint16, its upper `bits` used.
        chroma: (H/2, W/2, 2): Cb and Cr, likewise.
        matrix: H.273 code point; 1, 4, 5, 6, 7 or 9.
        full: black to white is 0 to the largest sample, not 16 to 235 (of 255).
        bits: of each sample.
        left: chroma lies between the two left ones of its four pixels, else in the middle of all four.

    Returns uint8 (3, H, W).
    """
    factors = to_rgb_factors(matrix, full, bits)
    if kernels := _kernels(luma.device):
        with torch.cuda.device(luma.device):  # Triton launches on the current one, not the picture's
            return kernels.to_rgb(luma, chroma, factors, left)
    one = samples_of_a_level(luma)
    blue, red = chroma.float().mul_(1 / one).sub_(128).unbind(-1)
    # Chroma is turned into what it adds to each colour while there is a quarter of it.
    added = torch.stack(
        [
            red * factors.red_red,
            blue * factors.blue_green + red * factors.red_green,
            blue * factors.blue_blue,
        ]
    ).add_(factors.offset)
    rgb = _double(added[None], left)[0]
    return rgb.add_(luma.float(), alpha=factors.gain / one).clamp_(0, 255).to(torch.uint8)


def to_rgb_factors(matrix: int, full: bool, bits: int) -> ToRgbFactors:
    """See `to_rgb`."""
    kr, kb = _WEIGHTS[matrix]
    kg = 1 - kr - kb
    largest = (2**bits - 1) / 2 ** (bits - 8)  # in levels of 8 bits
    black, swing, reach = (0.0, largest, largest) if full else (16.0, 219.0, 224.0)
    return ToRgbFactors(
        gain=255 / swing,
        red_red=255 / reach * 2 * (1 - kr),
        blue_green=-255 / reach * 2 * kb * (1 - kb) / kg,
        red_green=-255 / reach * 2 * kr * (1 - kr) / kg,
        blue_blue=255 / reach * 2 * (1 - kb),
        offset=0.5 - black * 255 / swing,
    )


def samples_of_a_level(plane: Tensor) -> int:
    """How many steps of a plane's type make one of 8 bits: uint16 has its bits at the top."""
    return 1 if plane.dtype == torch.uint8 else 256


def _double(chroma: Tensor, left: bool) -> Tensor:
    """(B, C, h, w) enlarged bilinearly by 2, each sample where it lies among its four pixels."""
    if not left:
        return F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    height, width = chroma.shape[2:]
    edged = torch.cat([chroma, chroma[..., -1:]], dim=3)
    # From the first sample to the one beyond the last: every other column is a sample itself.
    wide = F.interpolate(edged, size=(height, 2 * width + 1), mode="bilinear", align_corners=True)
    return F.interpolate(wide[..., :-1], scale_factor=(2.0, 1.0), mode="bilinear", align_corners=False)


def to_yuv420p(image: Tensor, matrix: int, full: bool) -> Tensor:
    """An RGB picture as the three planes of planar 4:2:0, one after another as `planes` names them.

    Chroma is the mean of its four pixels, as swscale's is but for a row above and below.

    Args:
        image: uint8 (3, H, W).
        matrix, full: as for `to_rgb`.

    Returns uint8 (H W 3/2,).
    """
    factors = to_yuv_factors(matrix, full)
    height, width = image.shape[1:]
    packed = torch.empty(height * width * 3 // 2, dtype=torch.uint8, device=image.device)
    luma, blue, red = planes(packed, height, width)
    if kernels := _kernels(image.device):
        with torch.cuda.device(image.device):
            kernels.to_yuv420p(image, luma, blue, red, factors)
        return packed
    values = image.float()
    luma.copy_(_luma(values, factors).mul_(factors.gain).add_(factors.offset).clamp_(0, 255))
    values = F.avg_pool2d(values[None], 2)[0]
    gray = _luma(values, factors)
    for plane, colour, factor in ((blue, values[2], factors.to_blue), (red, values[0], factors.to_red)):
        plane.copy_((colour - gray).mul_(factor).add_(128.5).clamp_(0, 255))
    return packed


def to_yuv_factors(matrix: int, full: bool) -> ToYuvFactors:
    """See `to_yuv420p`."""
    kr, kb = _WEIGHTS[matrix]
    black, swing, reach = (0.0, 255.0, 255.0) if full else (16.0, 219.0, 224.0)
    return ToYuvFactors(
        red=kr,
        green=1 - kr - kb,
        blue=kb,
        gain=swing / 255,
        offset=black + 0.5,
        to_blue=reach / 255 / 2 / (1 - kb),
        to_red=reach / 255 / 2 / (1 - kr),
    )


def planes(packed: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views of what `to_yuv420p` gives: Y (H, W), Cb and Cr (H/2, W/2)."""
    luma, chroma = packed.split((height * width, height * width // 2))
    blue, red = chroma.view(2, height // 2, width // 2)
    return luma.view(height, width), blue, red


def _luma(rgb: Tensor, factors: ToYuvFactors) -> Tensor:
    red, green, blue = rgb
    return (red * factors.red).add_(green, alpha=factors.green).add_(blue, alpha=factors.blue)


def _kernels(device: torch.device) -> ModuleType | None:
    """`nv12_kernels`, where they work."""
    return _tried(device) if device.type == "cuda" else None


@lru_cache
def _tried(device: torch.device) -> ModuleType | None:
    try:
        from rtstyle.media import nv12_kernels

        image = torch.zeros(3, 2, 2, dtype=torch.uint8, device=device)
        luma, chroma = image[0], torch.zeros(1, 1, 2, dtype=torch.uint8, device=device)
        with torch.cuda.device(device):
            nv12_kernels.to_yuv420p(image, luma, chroma[..., 0], chroma[..., 1], to_yuv_factors(1, False))
            nv12_kernels.to_rgb(luma, chroma, to_rgb_factors(1, False, 8), False)
            torch.cuda.current_stream().synchronize()
    except torch.OutOfMemoryError:  # of now: it is no answer for good
        raise
    except Exception:  # no Triton, no C compiler for its launcher, a GPU it does not know: `doctor` says
        return None
    return nv12_kernels
