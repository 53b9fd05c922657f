"""A network as an OpenVINO model: run once on values that build an operation for each the network asks for.

OpenVINO's own converter takes a second, and the group norms it makes of residual blocks crash the CPU's
compiler (2026.4.1, float32). Built here, an instance norm is one operation that keeps the
memory layout, smoothing is a depthwise convolution, and weights are inputs: other ones need no compiling.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.engines.openvino_blocks import FUNCTIONS, MOVES, Node, channels, convolution, integers, reflect
from rtstyle.engines.openvino_cells import smoothed_apart, smoothed_cells, weighed_apart
from rtstyle.engines.openvino_import import openvino, ops
from rtstyle.engines.processor import saturates
from rtstyle.engines.reduced import LEVELS, Ranges, balanced
from rtstyle.errors import RtstyleError
from rtstyle.frame import peak
from rtstyle.networks import Network, blocks

_TYPES = {torch.uint8: np.uint8, torch.uint16: np.uint16}
_CONVOLUTIONS = (F.conv2d, torch.conv2d)
_PLAIN = ((0, 0), (1, 1), 1)  # padding, dilation and groups of a convolution


class Untranslatable(RtstyleError):
    """A network uses an operation that is not known here."""


def build_model(
    network: Network, height: int, width: int, dtype: torch.dtype, ranges: Ranges | None = None
) -> openvino.Model:
    """A model from integer pictures (1, H, W, 3) to the same; sides padded inside, not cropped again.

    The result of a network that ends by shuffling is left as cells, (1, H/2, W/2, 12), for `to_planes`.

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
    samples = ops.convert(pixels, np.float32)
    for side, mode in ((network.smallest_side, "edge"), (network.multiple_of, "reflect")):
        high, wide = samples.output(0).get_shape()[1:3]
        below = (max(0, side - high), max(0, side - wide)) if mode == "edge" else (-high % side, -wide % side)
        if any(below):
            samples = ops.pad(samples, integers(0, 0, 0, 0), integers(0, *below, 0), mode)
    styled = _Builder(network, weights, ranges, samples, peak(dtype)).build()
    # As `frame.to_bytes` rounds.
    rounded = ops.add(ops.multiply(styled, _number(peak(dtype))), _number(0.5))
    whole = ops.convert(ops.floor(ops.clamp(rounded, 0.0, float(peak(dtype)))), _TYPES[dtype])
    result = ops.transpose(whole, integers(0, 2, 3, 1))
    return openvino.Model([result], list(inputs.values()), network.name)


class _Value:
    """What a network computes with in place of a tensor: an operation being built.

    It stands for what is built plus `offset`, a number for each channel.
    """

    def __init__(
        self, builder: _Builder, built: Node, offset: Tensor, function: Any = None, of: tuple[Any, ...] = ()
    ) -> None:
        self.builder, self.built, self.offset = builder, built, offset.expand(channels(built))
        self.function, self.of = function, of  # what made it, of which arguments
        self.cells: Node | None = None  # all that it stands for, as `smoothed_cells` gives it

    @property
    def whole(self) -> Node:
        """All that it stands for."""
        return _plus(self.built, self.offset)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, given: Any, named: Any = None) -> _Value:
        first = given[0] if isinstance(given[0], cls) else given[0][0]
        return first.builder.operation(function, given, named or {})

    def __add__(self, other: _Value) -> _Value:
        return self.builder.operation(operator.add, (self, other), {})

    def contiguous(self, **_: Any) -> _Value:
        return self  # layouts are OpenVINO's to choose


class _Builder:
    """Builds each operation of one network as the network asks for it.

    Args:
        samples: the picture, (1, H, W, 3) from 0 to `peak`, whole multiples of what the network needs.
    """

    def __init__(
        self, network: Network, weights: Mapping[str, Node], ranges: Ranges | None, samples: Node, peak: int
    ) -> None:
        self._network = network
        self._weights = weights
        self._ranges = ranges
        self._names = {id(each): key for key, each in network.named_parameters()}
        self._samples, self._peak = samples, peak
        # Centred, since steps of bfloat16 grow with the value: at 0.5 to 1 they are those of 8 bits, and a
        # still scene flickered by 3 % more. Weights that are inputs are float32, which has no need of it.
        self._middle = torch.tensor(0.0 if ranges is None else 0.5)
        image = ops.divide(ops.transpose(samples, integers(0, 3, 1, 2)), _number(peak))
        self._picture = _Value(self, _plus(image, -self._middle.expand(3)), self._middle)

    def build(self) -> Node:
        """The restyled picture, (1, 3, H, W), or its cells, (1, 12, H/2, W/2), in [0, 1]."""
        try:
            with torch.no_grad():
                styled: Any = self._network.restyle(self._picture)  # type: ignore[arg-type]
            return styled.whole if styled.cells is None else styled.cells
        except (AttributeError, TypeError) as error:  # of a _Value, where a tensor was wanted
            raise Untranslatable(f"network {self._network.name} cannot be translated: {error}") from error

    def operation(self, function: Any, given: Any, named: dict[str, Any]) -> _Value:
        offset = torch.zeros(())
        if function is blocks.unshuffle and self._is_smoothed_picture(given[0]):
            offset = self._middle
            built = _plus(smoothed_apart(self._samples, self._peak), -offset.expand(12))
        elif function in _CONVOLUTIONS and not named:
            built = self._convolution(*given)
        elif function is F.group_norm:
            built = self._norm(*given, **named)
        elif function is torch.cat and named == {"dim": 1}:
            built = ops.concat([part.built for part in given[0]], 1)
            offset = torch.cat([part.offset for part in given[0]])
        elif function in MOVES and not named:
            source, *width = given
            built = MOVES[function](source.built, *width)
            offset = source.offset.repeat_interleave(channels(built) // len(source.offset))
        elif function in FUNCTIONS and not named:
            built = FUNCTIONS[function](*(part.whole for part in given))
        else:
            name = getattr(function, "__name__", function)
            raise Untranslatable(f"engine openvino does not know '{name}' of network {self._network.name}")
        result = _Value(self, built, offset, function, given)
        result.cells = self._as_cells(function, given)
        return result

    def _is_smoothed_picture(self, value: _Value) -> bool:
        return value.function is blocks.smooth and value.of[0] is self._picture

    def _as_cells(self, function: Any, given: Any) -> Node | None:
        """A network's last steps as cells: a shuffle smoothed, and the picture's own colours added to it."""
        if function is blocks.smooth and given[0].function is blocks.shuffle:
            features = given[0].of[0].whole
            return smoothed_cells(features) if channels(features) == 12 else None
        if function is operator.add and given[0].cells is not None and given[1].function in _CONVOLUTIONS:
            source, weight, bias, *_ = given[1].of
            if source is self._picture and tuple(weight.shape) == (3, 3, 1, 1) and bias is None:
                kernel = self._weights[self._names[id(weight)]]
                # Centred again, and the middle's own share added to the sum, which is not rounded.
                share = (weight.sum(dim=(1, 2, 3)) * self._middle).repeat_interleave(4)
                own = _plus(weighed_apart(self._samples, kernel, self._peak), -share)
                return _plus(ops.add(given[0].cells, own), share)
        return None

    def _norm(self, features: _Value, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Node:
        if groups != weight.numel():
            raise Untranslatable(
                f"engine openvino knows instance norms only, not {groups} groups of channels"
            )
        normal = ops.mvn(features.whole, integers(2, 3), True, eps, "inside_sqrt")
        return ops.add(ops.multiply(normal, self._column(weight)), self._column(bias))

    def _convolution(
        self, source: _Value, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], *more: Any
    ) -> Node:
        if more != _PLAIN:
            raise Untranslatable(
                "engine openvino knows convolutions without padding, dilation and groups only"
            )
        name = self._names[id(weight)]
        if self._ranges is not None and (measured := self._ranges.get(name.removesuffix(".weight"))):
            top, signed = measured
            if source.offset.any():
                top, signed = torch.maximum(source.offset, top - source.offset), True
            scales, limit = balanced(top, weight)
            features = self._rounded(source, scales, limit, signed)
            kernel = _rounded_kernel((weight * scales[None, :, None, None]).numpy())
            result = convolution(features, kernel, stride)
        elif source.function is torch.cat:
            # Of each part by itself, the last ones adding to the first's result: nothing is joined.
            results, first = [], 0
            for part in source.of[0]:
                last = first + channels(part.built)
                own = ops.slice(
                    self._weights[name], integers(first), integers(last), integers(1), integers(1)
                )
                results.append(convolution(part.built, own, stride))
                first = last
            result = functools.reduce(ops.add, results)
        else:
            result = convolution(source.built, self._weights[name], stride)
        if bias is not None:
            result = ops.add(result, self._column(bias))
        return _plus(result, weight.sum(dim=(2, 3)) @ source.offset)

    def _rounded(self, source: _Value, scales: Tensor, limit: float, signed: bool) -> Node:
        """A value in 256 steps, channel by channel divided by its scale.

        Before it is padded or joined with others: so less is moved, and each part keeps its own steps.
        """
        if source.function is blocks.reflect:
            return reflect(self._rounded(source.of[0], scales, limit, signed), source.of[1])
        if source.function is torch.cat:
            own = scales.split([channels(part.built) for part in source.of[0]])
            parts = zip(source.of[0], own, strict=True)
            return ops.concat([self._rounded(part, each, limit, signed) for part, each in parts], 1)
        low, high = (-limit * LEVELS / (LEVELS - 2) if signed else 0.0), limit
        column = scales.numpy().reshape(1, -1, 1, 1)
        bounds = [ops.constant(low * column), ops.constant(high * column)]
        return ops.fake_quantize(source.built, *bounds, _number(low), _number(high), LEVELS)

    def _column(self, weight: Tensor) -> Node:
        return ops.reshape(self._weights[self._names[id(weight)]], integers(1, -1, 1, 1), False)


def _number(value: float) -> Node:
    return ops.constant(np.float32(value))


def _plus(features: Node, offset: Tensor) -> Node:
    """Features with a number added to each channel."""
    return ops.add(features, ops.constant(offset.numpy().reshape(1, -1, 1, 1))) if offset.any() else features


def _rounded_kernel(kernel: np.ndarray) -> Node:
    """Weights in 255 steps about zero, one scale an output channel; in half of them if sums saturate."""
    peak = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), 1e-9)
    reach = 2 * peak if saturates() else peak
    low, high = ops.constant(-reach), ops.constant(reach)
    return ops.fake_quantize(ops.constant(kernel), low, high, low, high, LEVELS - 1)
