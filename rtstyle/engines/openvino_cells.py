"""A picture taken apart into cells of 2x2 pixels, and put together again, by convolutions at half the size.

OpenVINO's own operations for it move single values of planes, and what is filtered at full size has three
channels where a processor's vectors hold sixteen: both together took two thirds as long as the network.
A cell's pixels are counted row by row: dy, dx = divmod(pixel, 2).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstyle.engines.openvino_import import ops

Node = Any  # an openvino node or one of its outputs; the package has no types

_PIXELS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_BINOMIAL = {-1: 0.25, 0: 0.5, 1: 0.25}  # as `blocks.smooth`
_WIDER = {torch.uint8: torch.int16, torch.uint16: torch.int32}


def smoothed_apart(samples: Node, peak: float) -> Node:
    """``unshuffle(smooth(picture))``: (1, H, W, 3) from 0 to `peak`, to (1, 12, H/2, W/2) in [0, 1]."""
    kernel = np.zeros((12, 3, 4, 4), np.float32)  # over a cell and one pixel around it
    for color in range(3):
        for pixel, (y, x) in enumerate(_PIXELS):
            for dy, down in _BINOMIAL.items():
                for dx, across in _BINOMIAL.items():
                    kernel[4 * color + pixel, color, 1 + y + dy, 1 + x + dx] = down * across / peak
    # Padded before it counts as planes: then the convolution reads the samples as they lie in memory.
    border = ops.constant(np.array([0, 1, 1, 0], np.int32))
    return _convolution(_planes(ops.pad(samples, border, border, "reflect")), ops.constant(kernel), 2)


def weighed_apart(samples: Node, weight: Node, peak: float) -> Node:
    """A 1x1 convolution of such a picture, as cells (1, 12, H/2, W/2): pixel by pixel, each with its three
    colours, which is the order of `smoothed_cells`.

    weight: (3, 3, 1, 1).
    """
    kernels = []
    for y, x in _PIXELS:
        only = np.zeros((1, 1, 2, 2), np.float32)
        only[0, 0, y, x] = 1 / peak
        kernels.append(ops.multiply(weight, ops.constant(only)))
    return _convolution(_planes(samples), ops.concat(kernels, 0), 2)


def smoothed_cells(features: Node) -> Node:
    """What ``smooth(shuffle(features))`` makes of (1, 12, H, W), as cells of the same shape: pixel by pixel,
    each with its three colours.

    The mirrored pixel next to an edge is the edge cell's other one, so cells are repeated around.
    """
    kernel = np.zeros((12, 12, 3, 3), np.float32)
    for color in range(3):
        for pixel, (y, x) in enumerate(_PIXELS):
            for dy, down in _BINOMIAL.items():
                for dx, across in _BINOMIAL.items():
                    (cell_y, from_y), (cell_x, from_x) = divmod(y + dy, 2), divmod(x + dx, 2)
                    source = 4 * color + 2 * from_y + from_x
                    kernel[3 * pixel + color, source, 1 + cell_y, 1 + cell_x] = down * across
    border = ops.constant(np.array([0, 0, 1, 1], np.int32))
    return _convolution(ops.pad(features, border, border, "edge"), ops.constant(kernel), 1)


def joined(cells: Tensor) -> Tensor:
    """Integer cells (H, W, 12), pixel by pixel, to the picture they are: (2H, 2W, 3)."""
    height, width, _ = cells.shape
    # The three bytes of two neighbours are moved as three pairs.
    rows = cells.view(_WIDER[cells.dtype]).reshape(height, width, 2, 3).permute(0, 2, 1, 3)
    return rows.contiguous().view(cells.dtype).reshape(2 * height, 2 * width, 3)


def _planes(samples: Node) -> Node:
    return ops.transpose(samples, ops.constant(np.array([0, 3, 1, 2], np.int32)))


def _convolution(features: Node, kernel: Node, stride: int) -> Node:
    return ops.convolution(features, kernel, [stride, stride], [0, 0], [0, 0], [1, 1])
