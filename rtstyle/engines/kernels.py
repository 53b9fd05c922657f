"""Instance norm and reflection padding for GPUs, in channels_last and half precision, in Triton.

PyTorch's own copy channels_last to planes, and the convolution after them copies back. Here the pixels stay
as they lie. The norm is three kernels: the mean and the squared deviations of parts of the picture, so that
every multiprocessor has one; from them those of the whole (Chan, Golub, LeVeque 1983, "Algorithms for
Computing the Sample Variance", equation 1.5b); and the result. Sums are taken in float32, in a fixed
order: the same picture gives the same bytes.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_PARTS = 512  # of a picture at most: about four for each multiprocessor of a large GPU
_TILE = 4096  # values a program holds at once
_GROUP = 8  # channels a program joins the parts of
_WAY = {"num_warps": 8, "enable_fp_fusion": True}


def norm(features: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
    """(x - mean) / sqrt(variance + eps) · weight + bias for each picture and channel, then perhaps ReLU.

    Args:
        features: (B, C, H, W), of any floating type; copied if not in channels_last.
        weight, bias: (C,), contiguous.

    Returns a tensor like `features`, in channels_last.
    """
    features = features.contiguous(memory_format=torch.channels_last)
    count, channels, height, width = features.shape
    pixels = height * width
    columns = triton.next_power_of_2(channels)
    rows = max(1, _TILE // columns)
    share = triton.cdiv(triton.cdiv(pixels, _PARTS), rows) * rows  # pixels of a part; of the last one, fewer
    parts = triton.cdiv(pixels, share)
    # (mean, squared deviations) of parts, then (factor, summand) of channels
    partial = torch.empty(2, count, parts, channels, device=features.device)
    whole = torch.empty(2, count, channels, device=features.device)
    result = torch.empty_like(features)
    _part_moments[(parts, count)](features, partial, count, channels, pixels, share, rows, columns, **_WAY)
    _whole_moments[(triton.cdiv(channels, _GROUP), count)](
        partial, whole, weight, bias, count, channels, pixels, share, parts, eps, _PARTS, _GROUP, **_WAY
    )
    _apply[(triton.cdiv(pixels, rows), count)](
        features, whole, result, count, channels, pixels, relu, rows, columns, **_WAY
    )
    return result


def reflect(features: Tensor, width: int) -> Tensor:
    """As `blocks.reflect`: (B, C, H, W) with a border of mirrored pixels; in channels_last."""
    features = features.contiguous(memory_format=torch.channels_last)
    count, channels, height, across = features.shape
    shape = (count, channels, height + 2 * width, across + 2 * width)
    result = torch.empty(
        shape, dtype=features.dtype, device=features.device, memory_format=torch.channels_last
    )
    columns = triton.next_power_of_2(channels)
    pixels = max(1, _TILE // columns)
    grid = (triton.cdiv(shape[3], pixels), shape[2], count)
    _reflect[grid](features, result, channels, height, across, width, pixels, columns, **_WAY)
    return result


# Offsets of pictures, rows and parts are 64 bits wide, those inside a tile 32.


@triton.jit
def _part_moments(
    features, partial, count, channels, pixels, share, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    part, picture = tl.program_id(0), tl.program_id(1)
    row, column = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = column < channels
    tile = row[:, None] * channels + column[None, :]
    first = part * share
    last = tl.minimum(first + share, pixels)
    values = features + (picture.to(tl.int64) * pixels + first) * channels
    # Deviations from a pixel of the part, since those from zero would cancel where the mean is large.
    pivot = tl.load(values + column, mask=inside, other=0).to(tl.float32)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    squares = tl.zeros((ROWS, COLUMNS), tl.float32)
    for base in range(first, last, ROWS):
        there = (base + row < last)[:, None] & inside[None, :]
        away = tl.load(values + tile, mask=there, other=0).to(tl.float32) - pivot[None, :]
        away = tl.where(there, away, 0.0)
        total += away
        squares += away * away
        values += ROWS * channels
    size = (last - first).to(tl.float32)
    away = tl.sum(total, 0) / size
    squared = tl.sum(squares, 0) - size * away * away
    target = partial + (picture * tl.num_programs(0) + part) * channels + column
    tl.store(target, pivot + away, mask=inside)
    tl.store(target + count * tl.num_programs(0) * channels, squared, mask=inside)


@triton.jit
def _whole_moments(
    partial, whole, weight, bias, count, channels, pixels, share, parts, eps,
    PARTS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    picture = tl.program_id(1)
    channel = tl.program_id(0) * GROUP + tl.arange(0, GROUP)
    part = tl.arange(0, PARTS)
    inside = channel < channels
    there = (part < parts)[:, None] & inside[None, :]
    place = partial + (picture * parts + part[:, None]) * channels + channel[None, :]
    means = tl.load(place, mask=there, other=0.0)
    squares = tl.load(place + count * parts * channels, mask=there, other=0.0)
    sizes = tl.maximum(tl.minimum(pixels - part * share, share), 0).to(tl.float32)[:, None]
    mean = tl.sum(means * sizes, 0) / pixels
    away = tl.where(there, means - mean[None, :], 0.0)
    variance = tl.sum(squares + sizes * away * away, 0) / pixels
    scale = tl.load(weight + channel, mask=inside, other=0).to(tl.float32)
    shift = tl.load(bias + channel, mask=inside, other=0).to(tl.float32)
    factor = scale / tl.sqrt(variance + eps)
    target = whole + picture * channels + channel
    tl.store(target, factor, mask=inside)
    tl.store(target + count * channels, shift - mean * factor, mask=inside)


@triton.jit
def _apply(
    features, whole, result, count, channels, pixels,
    RELU: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    first, picture = tl.program_id(0) * ROWS, tl.program_id(1)
    row, column = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = column < channels
    there = (first + row < pixels)[:, None] & inside[None, :]
    tile = row[:, None] * channels + column[None, :]
    start = (picture.to(tl.int64) * pixels + first) * channels
    factor = tl.load(whole + picture * channels + column, mask=inside, other=0.0)[None, :]
    summand = tl.load(whole + (count + picture) * channels + column, mask=inside, other=0.0)[None, :]
    values = tl.load(features + start + tile, mask=there, other=0).to(tl.float32) * factor + summand
    if RELU:
        values = tl.maximum(values, 0.0)
    tl.store(result + start + tile, values.to(result.dtype.element_ty), mask=there)


@triton.jit
def _reflect(features, result, channels, height, width, border, PIXELS: tl.constexpr, COLUMNS: tl.constexpr):
    y, picture = tl.program_id(1), tl.program_id(2).to(tl.int64)
    x, column = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS), tl.arange(0, COLUMNS)
    wide, high = width + 2 * border, height + 2 * border
    there = (x < wide)[:, None] & (column < channels)[None, :]
    from_y = height - 1 - tl.abs(height - 1 - tl.abs(y - border))
    from_x = width - 1 - tl.abs(width - 1 - tl.abs(x - border))
    source = features + (picture * height + from_y) * width * channels
    target = result + (picture * high + y) * wide * channels
    values = tl.load(source + from_x[:, None] * channels + column[None, :], mask=there, other=0)
    tl.store(target + x[:, None] * channels + column[None, :], values, mask=there)
