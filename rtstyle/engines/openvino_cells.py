"""A picture taken apart into cells of 2x2 pixels, and put together again, by convolutions at half the size.

OpenVINO's own operations for it move single values of planes, and what is filtered at full size has three
channels where a processor's vectors hold sixteen: both together took two fifths of all the time.
A cell's channels are those of `blocks.unshuffle`: colour by colour, and of each the pixels row by row.
"""

import numpy as np

from rtstyle.engines.openvino_blocks import BINOMIAL, Node, convolution, integers
from rtstyle.engines.openvino_import import ops

_PIXELS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def smoothed_apart(samples: Node, peak: float) -> Node:
    """``unshuffle(smooth(picture))``: (1, H, W, 3) from 0 to `peak`, to (1, 12, H/2, W/2) in [0, 1]."""
    kernel = np.zeros((12, 3, 4, 4), np.float32)  # over a cell and one pixel around it
    for color in range(3):
        for pixel, (y, x) in enumerate(_PIXELS):
            kernel[4 * color + pixel, color, y : y + 3, x : x + 3] = BINOMIAL / peak
    # Padded before it counts as planes: then the convolution reads the samples as they lie in memory.
    border = integers(0, 1, 1, 0)
    return convolution(_planes(ops.pad(samples, border, border, "reflect")), ops.constant(kernel), (2, 2))


def weighed_apart(samples: Node, weight: Node, peak: float) -> Node:
    """A 1x1 convolution of such a picture, unshuffled: (1, 12, H/2, W/2). weight: (3, 3, 1, 1)."""
    only = np.zeros((1, 4, 1, 2, 2), np.float32)
    for pixel, (y, x) in enumerate(_PIXELS):
        only[0, pixel, 0, y, x] = 1 / peak
    apart = ops.multiply(ops.reshape(weight, integers(3, 1, 3, 1, 1), False), ops.constant(only))
    return convolution(_planes(samples), ops.reshape(apart, integers(12, 3, 2, 2), False), (2, 2))


def smoothed_cells(features: Node) -> Node:
    """``unshuffle(smooth(shuffle(features)))``: (1, 12, H, W) to the same shape.

    The mirrored pixel next to an edge is the edge cell's other one, so cells are repeated around.
    """
    kernel = np.zeros((12, 12, 3, 3), np.float32)
    for pixel, (y, x) in enumerate(_PIXELS):
        pixels = np.zeros((6, 6), np.float32)  # of 3x3 cells
        pixels[1 + y : 4 + y, 1 + x : 4 + x] = BINOMIAL
        cells = pixels.reshape(3, 2, 3, 2).transpose(1, 3, 0, 2).reshape(4, 3, 3)
        for color in range(3):
            kernel[4 * color + pixel, 4 * color : 4 * color + 4] = cells
    border = integers(0, 0, 1, 1)
    return convolution(ops.pad(features, border, border, "edge"), ops.constant(kernel))


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
