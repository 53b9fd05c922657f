"""The formulas of `nv12` as one kernel each way, in Triton, for pictures in a GPU's memory.

As PyTorch's operations they are some twenty short kernels a picture, and to ask for those takes the
processor longer than the GPU takes to restyle it.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from rtstyle.media.nv12 import ToRgbFactors, ToYuvFactors, samples_of_a_level

_HIGH, _WIDE = 4, 256  # pixels, or cells of 2x2, that a program makes
_WAY = {"num_warps": 4}


def to_rgb(luma: Tensor, chroma: Tensor, factors: ToRgbFactors, left: bool) -> Tensor:
    """See `nv12.to_rgb`; rows of the planes may be padded."""
    height, width = luma.shape
    chroma = chroma if chroma.stride(2) == 1 and chroma.stride(1) == 2 else chroma.contiguous()
    luma = luma if luma.stride(1) == 1 else luma.contiguous()
    image = torch.empty(3, height, width, dtype=torch.uint8, device=luma.device)
    grid = (triton.cdiv(width, _WIDE), triton.cdiv(height, _HIGH))
    _to_rgb[grid](
        luma, chroma, image, height, width, luma.stride(0), chroma.stride(0),
        1 / samples_of_a_level(luma), *factors, left, _HIGH, _WIDE, **_WAY,
    )  # fmt: skip
    return image


def to_yuv420p(image: Tensor, luma: Tensor, blue: Tensor, red: Tensor, factors: ToYuvFactors) -> None:
    """See `nv12.to_yuv420p`; the planes are written to, and lie in rows without padding."""
    height, width = luma.shape
    grid = (triton.cdiv(width // 2, _WIDE), triton.cdiv(height // 2, _HIGH))
    _to_yuv420p[grid](
        image, luma, blue, red, height // 2, width // 2, *image.stride(), *factors, _HIGH, _WIDE, **_WAY
    )


# Offsets are 64 bits wide where they count rows of planes.


@triton.jit
def _to_rgb(
    luma, chroma, image, height, width, luma_row, chroma_row,
    level, gain, red_red, blue_green, red_green, blue_blue, offset,
    LEFT: tl.constexpr, HIGH: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    y = tl.program_id(1) * HIGH + tl.arange(0, HIGH)[:, None]
    x = tl.program_id(0) * WIDE + tl.arange(0, WIDE)[None, :]
    there = (y < height) & (x < width)
    # A pixel is a quarter of a cell from the middle of its own 2x2 cell: three parts of its chroma, one
    # of its neighbour's. With chroma at the left the even columns have their own, the odd ones the mean.
    own_y, own_x = y // 2, x // 2
    near_y = tl.minimum(tl.maximum(own_y + 2 * (y % 2) - 1, 0), height // 2 - 1)
    if LEFT:
        near_x = tl.minimum(own_x + x % 2, width // 2 - 1)
        share = 0.5
    else:
        near_x = tl.minimum(tl.maximum(own_x + 2 * (x % 2) - 1, 0), width // 2 - 1)
        share = 0.25
    row, near_row = own_y.to(tl.int64) * chroma_row, near_y.to(tl.int64) * chroma_row
    blue = _mixed(chroma, row, near_row, 2 * own_x, 2 * near_x, share, there) * level - 128
    red = _mixed(chroma + 1, row, near_row, 2 * own_x, 2 * near_x, share, there) * level - 128
    gray = tl.load(luma + y.to(tl.int64) * luma_row + x, mask=there, other=0).to(tl.float32)
    gray = gray * (gain * level) + offset
    place = image + y.to(tl.int64) * width + x
    plane = height.to(tl.int64) * width
    tl.store(place, _byte(gray + red * red_red), mask=there)
    tl.store(place + plane, _byte(gray + blue * blue_green + red * red_green), mask=there)
    tl.store(place + 2 * plane, _byte(gray + blue * blue_blue), mask=there)


@triton.jit
def _mixed(samples, row, near_row, x, near_x, share, there):
    """Bilinear: of four samples, rows three to one, columns by share."""
    own = tl.load(samples + row + x, mask=there, other=0).to(tl.float32) * (1 - share)
    own += tl.load(samples + row + near_x, mask=there, other=0).to(tl.float32) * share
    near = tl.load(samples + near_row + x, mask=there, other=0).to(tl.float32) * (1 - share)
    near += tl.load(samples + near_row + near_x, mask=there, other=0).to(tl.float32) * share
    return 0.75 * own + 0.25 * near


@triton.jit
def _to_yuv420p(
    image, luma, blue_plane, red_plane, high, wide, plane, row, column,
    red_share, green_share, blue_share, gain, offset, to_blue, to_red,
    HIGH: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    y = tl.program_id(1) * HIGH + tl.arange(0, HIGH)[:, None]
    x = tl.program_id(0) * WIDE + tl.arange(0, WIDE)[None, :]
    there = (y < high) & (x < wide)
    pixel = image + 2 * y.to(tl.int64) * row + 2 * x * column
    target = luma + 4 * y.to(tl.int64) * wide + 2 * x
    gray = tl.zeros((HIGH, WIDE), tl.float32)  # sums over the cell
    red_sum = tl.zeros((HIGH, WIDE), tl.float32)
    blue_sum = tl.zeros((HIGH, WIDE), tl.float32)
    for corner in tl.static_range(4):
        at = pixel + corner // 2 * row + corner % 2 * column
        red = tl.load(at, mask=there, other=0).to(tl.float32)
        green = tl.load(at + plane, mask=there, other=0).to(tl.float32)
        blue = tl.load(at + 2 * plane, mask=there, other=0).to(tl.float32)
        light = red * red_share + green * green_share + blue * blue_share
        tl.store(target + corner // 2 * 2 * wide + corner % 2, _byte(light * gain + offset), mask=there)
        gray += light
        red_sum += red
        blue_sum += blue
    cell = y.to(tl.int64) * wide + x
    tl.store(blue_plane + cell, _byte((blue_sum - gray) * (to_blue / 4) + 128.5), mask=there)
    tl.store(red_plane + cell, _byte((red_sum - gray) * (to_red / 4) + 128.5), mask=there)


@triton.jit
def _byte(value):
    return tl.minimum(tl.maximum(value, 0.0), 255.0).to(tl.uint8)
