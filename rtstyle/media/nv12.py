"""Samples of 4:2:0 video to RGB bytes and back, by formula, on whatever device they are.

What `color` has swscale do on the CPU, for pictures that lie on a GPU (ITU-T H.273, clause 8.3: luma is
the sum of R, G and B weighted with K_R, 1 - K_R - K_B and K_B, non-constant luminance). Sides are even: a
decoder's surface of odd sides lacks the last column or row of chroma.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# (K_R, K_B) of the matrices swscale can apply, by H.273 code point.
_WEIGHTS = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}  # fmt: skip


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
    kr, kb = _WEIGHTS[matrix]
    kg = 1 - kr - kb
    one = 1 if luma.dtype == torch.uint8 else 256  # samples of a level of 8 bits
    largest = (2**bits - 1) / 2 ** (bits - 8)  # in such levels
    black, swing, reach = (0.0, largest, largest) if full else (16.0, 219.0, 224.0)
    blue, red = (chroma.float().mul_(1 / one).sub_(128)).mul_(255 / reach).unbind(-1)
    # Chroma is turned into what it adds to each colour while there is a quarter of it.
    added = torch.stack(
        [
            red * (2 * (1 - kr)),
            blue * (-2 * kb * (1 - kb) / kg) - red * (2 * kr * (1 - kr) / kg),
            blue * (2 * (1 - kb)),
        ]
    ).add_(0.5 - black * 255 / swing)  # half a level, for the conversion to bytes cuts off
    rgb = _double(added[None], left)[0]
    return rgb.add_(luma.float(), alpha=255 / swing / one).clamp_(0, 255).to(torch.uint8)


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
    kr, kb = _WEIGHTS[matrix]
    black, swing, reach = (0.0, 255.0, 255.0) if full else (16.0, 219.0, 224.0)
    height, width = image.shape[1:]
    packed = torch.empty(height * width * 3 // 2, dtype=torch.uint8, device=image.device)
    luma, blue, red = planes(packed, height, width)
    values = image.float()
    luma.copy_(_luma(values, kr, kb).mul_(swing / 255).add_(black + 0.5).clamp_(0, 255))
    values = F.avg_pool2d(values[None], 2)[0]
    gray = _luma(values, kr, kb)
    for plane, colour, k in ((blue, values[2], kb), (red, values[0], kr)):
        share = (colour - gray).mul_(reach / 255 / 2 / (1 - k))
        plane.copy_(share.add_(128.5).clamp_(0, 255))
    return packed


def planes(packed: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views of what `to_yuv420p` gives: Y (H, W), Cb and Cr (H/2, W/2)."""
    luma, chroma = packed.split((height * width, height * width // 2))
    blue, red = chroma.view(2, height // 2, width // 2)
    return luma.view(height, width), blue, red


def _luma(rgb: Tensor, kr: float, kb: float) -> Tensor:
    red, green, blue = rgb
    return (red * kr).add_(green, alpha=1 - kr - kb).add_(blue, alpha=kb)
