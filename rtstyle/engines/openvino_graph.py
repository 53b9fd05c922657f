"""A network as an OpenVINO model: run once on values that build an operation for each the network asks for.

OpenVINO's own converter takes a second, and the group norms it makes of residual blocks crash the CPU's
compiler (2026.4.1, float32). Built here, an instance norm is one operation that keeps the
memory layout, smoothing is a depthwise convolution, and weights are inputs: other ones need no compiling.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.engines.openvino_import import openvino, ops
from rtstyle.engines.reduced import LEVELS, Ranges, balanced
from rtstyle.errors import RtstyleError
from rtstyle.frame import peak
from rtstyle.networks import Network, blocks

Node = Any  # an openvino node or one of its outputs; the package has no types

_TYPES = {torch.uint8: np.uint8, torch.uint16: np.uint16}
_PLAIN = ((0, 0), (1, 1), 1)  # padding, dilation and groups of a convolution


class Untranslatable(RtstyleError):
    """A network uses an operation that is not known here."""


def build_model(
    network: Network, height: int, width: int, dtype: torch.dtype, ranges: Ranges | None = None
) -> openvino.Model:
    """A model from integer pictures (1, H, W, 3) to the same, padding and cropping inside.

    Args:
        ranges: of the inputs of the convolutions that are to work in 8 bits; the model then holds the
            weights of `network`. If None, they are further inputs, named as in the network's state.

    Raises Untranslatable for a network with an operation not known here.
    """
    if ranges is None:
        weights = {
            key: ops.parameter(list(each.shape), np.float32) for key, each in network.state_dict().items()
        }
    else:
        weights = {key: ops.constant(each.detach().numpy()) for key, each in network.state_dict().items()}
    pixels = ops.parameter([1, height, width, 3], _TYPES[dtype])
    inputs = {"image": pixels, **(weights if ranges is None else {})}
    for name, each in inputs.items():
        each.set_friendly_name(name)
        each.output(0).set_names({name})
    image = ops.transpose(ops.convert(pixels, np.float32), _whole(0, 3, 1, 2))
    # Centred, since steps of bfloat16 grow with the value: at 0.5 to 1 they are those of 8 bits, and a still
    # scene flickered by 3 % more. Weights that are inputs are float32, which has no need of it.
    middle = 0.0 if ranges is None else 0.5
    image = ops.subtract(ops.divide(image, _number(peak(dtype))), _number(middle))
    for side, mode in ((network.smallest_side, "edge"), (network.multiple_of, "reflect")):
        high, wide = image.output(0).get_shape()[2:]
        below = (max(0, side - high), max(0, side - wide)) if mode == "edge" else (-high % side, -wide % side)
        if any(below):
            image = ops.pad(image, _whole(0, 0, 0, 0), _whole(0, 0, *below), mode)
    styled = _Builder(network, weights, ranges).build(image, middle)
    styled = ops.slice(styled, _whole(0, 0), _whole(height, width), _whole(1, 1), _whole(2, 3))
    # As `frame.to_bytes` rounds.
    rounded = ops.add(ops.multiply(styled, _number(peak(dtype))), _number(0.5))
    samples = ops.convert(ops.floor(ops.clamp(rounded, 0.0, float(peak(dtype)))), _TYPES[dtype])
    result = ops.transpose(samples, _whole(0, 2, 3, 1))
    return openvino.Model([result], list(inputs.values()), network.name)


class _Value:
    """What a network computes with in place of a tensor: an operation being built.

    It stands for what is built plus `offset`, a number for each channel.
    """

    def __init__(
        self, builder: _Builder, built: Node, offset: Tensor, function: Any = None, of: tuple[Any, ...] = ()
    ) -> None:
        self.builder, self.built, self.offset = builder, built, offset.expand(_channels(built))
        self.function, self.of = function, of  # what made it, of which arguments

    @property
    def whole(self) -> Node:
        """All that it stands for."""
        if not self.offset.any():
            return self.built
        return ops.add(self.built, _constant_column(self.offset))

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, given: Any, named: Any = None) -> _Value:
        first = given[0] if isinstance(given[0], cls) else given[0][0]
        return first.builder.operation(function, given, named or {})

    def __add__(self, other: _Value) -> _Value:
        return self.builder.operation(operator.add, (self, other), {})

    def contiguous(self, **_: Any) -> _Value:
        return self  # layouts are OpenVINO's to choose


class _Builder:
    """Builds each operation of one network as the network asks for it."""

    def __init__(self, network: Network, weights: Mapping[str, Node], ranges: Ranges | None) -> None:
        self._network = network
        self._weights = weights
        self._ranges = ranges
        self._names = {id(each): key for key, each in network.named_parameters()}

    def build(self, image: Node, middle: float) -> Node:
        try:
            with torch.no_grad():
                styled: Any = self._network.restyle(_Value(self, image, torch.tensor(middle)))  # type: ignore[arg-type]
            return styled.whole
        except (AttributeError, TypeError) as error:  # of a _Value, where a tensor was wanted
            raise Untranslatable(f"network {self._network.name} cannot be translated: {error}") from error

    def operation(self, function: Any, given: Any, named: dict[str, Any]) -> _Value:
        offset = torch.zeros(())
        if function in (F.conv2d, torch.conv2d) and not named:
            built = self._convolution(*given)
        elif function is F.group_norm:
            built = self._norm(*given, **named)
        elif function is torch.cat and named == {"dim": 1}:
            built = ops.concat([part.built for part in given[0]], 1)
            offset = torch.cat([part.offset for part in given[0]])
        elif function in _MOVES and not named:
            source, *width = given
            built = _MOVES[function](source.built, *width)
            offset = source.offset.repeat_interleave(_channels(built) // len(source.offset))
        elif function in _FUNCTIONS and not named:
            built = _FUNCTIONS[function](*(part.whole for part in given))
        else:
            name = getattr(function, "__name__", function)
            raise Untranslatable(f"engine openvino does not know '{name}' of network {self._network.name}")
        return _Value(self, built, offset, function, given)

    def _norm(self, features: _Value, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Node:
        if groups != weight.numel():
            raise Untranslatable(
                f"engine openvino knows instance norms only, not {groups} groups of channels"
            )
        normal = ops.mvn(features.whole, _whole(2, 3), True, eps, "inside_sqrt")
        return ops.add(ops.multiply(normal, self._column(weight)), self._column(bias))

    def _convolution(
        self, source: _Value, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], *more: Any
    ) -> Node:
        if more != _PLAIN:
            raise Untranslatable(
                "engine openvino knows convolutions without padding, dilation and groups only"
            )
        name = self._names[id(weight)]
        kernel, features = self._weights[name], source.built
        if self._ranges is not None and (measured := self._ranges.get(name.removesuffix(".weight"))):
            top, signed = measured
            if source.offset.any():
                top, signed = torch.maximum(source.offset, top - source.offset), True
            scales, limit = balanced(top, weight)
            features = self._rounded(source, scales, limit, signed)
            kernel = _rounded_kernel((weight * scales[None, :, None, None]).numpy())
        result = ops.convolution(features, kernel, list(stride), [0, 0], [0, 0], [1, 1])
        if bias is not None:
            result = ops.add(result, self._column(bias))
        if source.offset.any():
            result = ops.add(result, _constant_column(weight.sum(dim=(2, 3)) @ source.offset))
        return result

    def _rounded(self, source: _Value, scales: Tensor, limit: float, signed: bool) -> Node:
        """A value in 256 steps, channel by channel divided by its scale.

        Before it is padded or joined with others: so less is moved, and each part keeps its own steps.
        """
        if source.function is blocks.reflect:
            return _reflect(self._rounded(source.of[0], scales, limit, signed), source.of[1])
        if source.function is torch.cat:
            own = scales.split([_channels(part.built) for part in source.of[0]])
            parts = zip(source.of[0], own, strict=True)
            return ops.concat([self._rounded(part, each, limit, signed) for part, each in parts], 1)
        low, high = (-limit * LEVELS / (LEVELS - 2) if signed else 0.0), limit
        column = scales.numpy().reshape(1, -1, 1, 1)
        bounds = [ops.constant(low * column), ops.constant(high * column)]
        return ops.fake_quantize(source.built, *bounds, _number(low), _number(high), LEVELS)

    def _column(self, weight: Tensor) -> Node:
        return ops.reshape(self._weights[self._names[id(weight)]], _whole(1, -1, 1, 1), False)


def _whole(*numbers: int) -> Node:
    return ops.constant(np.array(numbers, np.int32))


def _number(value: float) -> Node:
    return ops.constant(np.float32(value))


def _constant_column(values: Tensor) -> Node:
    return ops.constant(values.numpy().reshape(1, -1, 1, 1))


def _channels(features: Node) -> int:
    return features.output(0).get_shape()[1]


def _rounded_kernel(kernel: np.ndarray) -> Node:
    """Weights in 255 steps about zero, as many output channels as scales."""
    peak = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), 1e-9)
    low, high = ops.constant(-peak), ops.constant(peak)
    return ops.fake_quantize(ops.constant(kernel), low, high, low, high, LEVELS - 1)


def _reflect(features: Node, width: int) -> Node:
    border = _whole(0, 0, width, width)
    return ops.pad(features, border, border, "reflect")


def _smooth(features: Node) -> Node:
    line = np.array([1, 2, 1], np.float32) / 4
    kernel = np.tile(np.outer(line, line), (_channels(features), 1, 1, 1, 1))
    return ops.group_convolution(_reflect(features, 1), ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])


def _resized(features: Node, mode: str, **how: str) -> Node:
    size = [2 * side for side in features.output(0).get_shape()[2:]]
    return ops.interpolate(features, _whole(*size), mode, "sizes", axes=_whole(2, 3), **how)


def _enlarge(features: Node) -> Node:
    return _resized(features, "linear_onnx", coordinate_transformation_mode="half_pixel")


def _double(features: Node) -> Node:
    return _resized(features, "nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


# These move values, or weigh them with a sum of one: what is added to all of a channel goes through.
_MOVES: dict[Any, Callable[..., Node]] = {
    blocks.smooth: _smooth,
    blocks.enlarge: _enlarge,
    blocks.double: _double,
    blocks.reflect: _reflect,
    blocks.unshuffle: lambda image: ops.space_to_depth(image, "depth_first", 2),
}
_FUNCTIONS: dict[Any, Callable[..., Node]] = {
    blocks.shuffle: lambda features: ops.depth_to_space(features, "depth_first", 2),
    F.relu_: ops.relu,
    operator.add: ops.add,
}
