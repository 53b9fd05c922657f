"""The networks' own operations (`rtstyle.networks.blocks`) as OpenVINO's."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.nn import functional as F

from rtstyle.engines.openvino_import import ops
from rtstyle.networks import blocks

Node = Any  # an openvino node or one of its outputs; the package has no types

BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16  # of `blocks.smooth`


def integers(*numbers: int) -> Node:
    """Constant shapes, axes, widths."""
    return ops.constant(np.array(numbers, np.int32))


def channels(features: Node) -> int:
    """Of features (1, C, H, W)."""
    return features.output(0).get_shape()[1]


def convolution(features: Node, kernel: Node, stride: Sequence[int] = (1, 1)) -> Node:
    """Without padding."""
    return ops.convolution(features, kernel, list(stride), [0, 0], [0, 0], [1, 1])


def reflect(features: Node, width: int) -> Node:
    """As `blocks.reflect`."""
    border = integers(0, 0, width, width)
    return ops.pad(features, border, border, "reflect")


def _smooth(features: Node) -> Node:
    kernel = np.tile(BINOMIAL, (channels(features), 1, 1, 1, 1))
    return ops.group_convolution(reflect(features, 1), ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])


def _resized(features: Node, mode: str, **how: str) -> Node:
    size = [2 * side for side in features.output(0).get_shape()[2:]]
    return ops.interpolate(features, integers(*size), mode, "sizes", axes=integers(2, 3), **how)


def _enlarge(features: Node) -> Node:
    return _resized(features, "linear_onnx", coordinate_transformation_mode="half_pixel")


def _double(features: Node) -> Node:
    return _resized(features, "nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


# These move values, or weigh them with a sum of one: what is added to all of a channel goes through.
MOVES: dict[Any, Callable[..., Node]] = {
    blocks.smooth: _smooth,
    blocks.enlarge: _enlarge,
    blocks.double: _double,
    blocks.reflect: reflect,
    blocks.unshuffle: lambda image: ops.space_to_depth(image, "depth_first", 2),
}
FUNCTIONS: dict[Any, Callable[..., Node]] = {
    blocks.shuffle: lambda features: ops.depth_to_space(features, "depth_first", 2),
    F.relu_: ops.relu,
    operator.add: ops.add,
}
