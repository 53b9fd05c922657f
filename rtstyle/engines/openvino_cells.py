"""A picture taken apart into cells of 2x2 pixels, and put together again, by convolutions at half the size.

OpenVINO's own operations for it move single values of planes, and what is filtered at full size has three
channels where a processor's vectors hold sixteen: both together took two fifths of all the time.
A cell's channels are those of `blocks.unshuffle`: colour by colour, and of each the pixels row by row.
"""

from typing import Any

import numpy as np

from rtstyle.engines.openvino_blocks import integers
from rtstyle.engines.openvino_import import ops

Node = Any  # an openvino node or one of its outputs; the package has no types

_PIXELS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_BINOMIAL = {-1: 0.25, 0: 0.5, 1: 0.25}  # as `blocks.smooth`


def smoothed_apart(samples: Node, peak: float) -> Node:
    """``unshuffle(smooth(picture))``: (1, H, W, 3) from 0 to `peak`, to (1, 12, H/2, W/2) in [0, 1]."""
    kernel = np.zeros((12, 3, 4, 4), np.float32)  # over a cell and one pixel around it
    for color in range(3):
        for pixel, (y, x) in enumerate(_PIXELS):
            for dy, down in _BINOMIAL.items():
                for dx, across in _BINOMIAL.items():
                    kernel[4 * color + pixel, color, 1 + y + dy, 1 + x + dx] = down * across / peak
    # Padded before it counts as planes: then the convolution reads the samples as they lie in memory.
    border = integers(0, 1, 1, 0)
    return _convolution(_planes(ops.pad(samples, border, border, "reflect")), ops.constant(kernel), 2)


def weighed_apart(samples: Node, weight: Node, peak: float) -> Node:
    """A 1x1 convolution of such a picture, unshuffled: (1, 12, H/2, W/2). weight: (3, 3, 1, 1)."""
    only = np.zeros((1, 4, 1, 2, 2), np.float32)
    for pixel, (y, x) in enumerate(_PIXELS):
        only[0, pixel, 0, y, x] = 1 / peak
    apart = ops.multiply(ops.reshape(weight, integers(3, 1, 3, 1, 1), False), ops.constant(only))
    return _convolution(_planes(samples), ops.reshape(apart, integers(12, 3, 2, 2), False), 2)


def smoothed_cells(features: Node) -> Node:
    """``unshuffle(smooth(shuffle(features)))``: (1, 12, H, W) to the same shape.

    The mirrored pixel next to an edge is the edge cell's other one, so cells are repeated around.
    """
    kernel = np.zeros((12, 12, 3, 3), np.float32)
    for color in range(3):
        for pixel, (y, x) in enumerate(_PIXELS):
            for dy, down in _BINOMIAL.items():
                for dx, across in _BINOMIAL.items():
                    (cell_y, from_y), (cell_x, from_x) = divmod(y + dy, 2), divmod(x + dx, 2)
                    source = 4 * color + 2 * from_y + from_x
                    kernel[4 * color + pixel, source, 1 + cell_y, 1 + cell_x] = down * across
    border = integers(0, 0, 1, 1)
    return _convolution(ops.pad(features, border, border, "edge"), ops.constant(kernel), 1)


def to_planes(result: np.ndarray) -> np.ndarray:
    """A copy as planes (3, H, W) of what a model gives: a picture (H, W, 3), or its cells (H/2, W/2, 12)."""
    height, width, channels = result.shape
    if channels == 3:
        return np.ascontiguousarray(result.transpose(2, 0, 1))
    wider = np.dtype(f"u{2 * result.itemsize}")  # neighbours are moved together
    rows = np.empty((3, height, 2, width), wider)
    rows[:] = result.view(wider).reshape(height, width, 3, 2).transpose(2, 0, 3, 1)
    return rows.view(result.dtype).reshape(3, 2 * height, 2 * width)


def _planes(samples: Node) -> Node:
    return ops.transpose(samples, integers(0, 3, 1, 2))


def _convolution(features: Node, kernel: Node, stride: int) -> Node:
    return ops.convolution(features, kernel, [stride, stride], [0, 0], [0, 0], [1, 1])
