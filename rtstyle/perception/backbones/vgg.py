"""VGG and its small likeness, built only as deep as asked for."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby, takewhile

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones.backbone import (
    POOLS,
    Backbone,
    Block,
    OtherNetwork,
    check_known,
    check_modules,
    too_deep,
)


class Vgg(Backbone):
    """The convolutional part of VGG (Simonyan and Zisserman 2014), cut after the deepest layer asked for."""

    mean: Tensor
    deviation: Tensor
    pooling: str = "max"  # or "average", as in Gatys 2016, section 2

    def __init__(
        self,
        name: str,
        layers: Iterable[str],
        weights: Mapping[str, Tensor],
        mean: Iterable[float],
        deviation: Iterable[float],
    ) -> None:
        """``name``: "vgg19" or "vgg16"; ``weights``: torchvision's names (``features.0.weight``), from
        the first convolution to any depth. Raises RtstyleError where a layer is unknown or deeper, or
        the weights are another network's.
        """
        super().__init__()
        self.layers = tuple(layers)
        plan = PLANS[name]
        check_known(self.layers, plan, name)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(tuple(deviation)).view(3, 1, 1))
        # The index of a ReLU in torchvision's numbering is one after its convolution's.
        self._relus = {plan[layer] + 1: layer for layer in self.layers}
        deepest = max(self._relus)
        check_modules(name, {f"features.{index}" for index in plan.values()}, {"features"}, weights)
        held = list(takewhile(lambda layer: f"features.{plan[layer]}.weight" in weights, plan))
        if not held or plan[held[-1]] + 1 < deepest:
            raise too_deep(name, max(self.layers, key=plan.__getitem__), held)
        convolutions = {
            index: weights[f"features.{index}.weight"] for index in plan.values() if index < deepest
        }
        channels = 3
        for index, weight in convolutions.items():
            if weight.shape[1:] != (channels, 3, 3):
                raise OtherNetwork(
                    f"{name}: features.{index}.weight is {tuple(weight.shape)} in the weights, "
                    f"(any, {channels}, 3, 3) in the network; are they another network's?"
                )
            channels = weight.shape[0]
        steps: list[nn.Module] = []
        for index in range(deepest + 1):
            if index in convolutions:
                channels_out, channels_in = convolutions[index].shape[:2]
                steps.append(nn.Conv2d(channels_in, channels_out, 3, padding=1))
            elif index - 1 in convolutions:
                steps.append(nn.ReLU(inplace=True))
            else:
                steps.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*steps)
        wanted = self.features.state_dict(prefix="features.")
        self.load_state_dict({key: weights[key] for key in wanted}, strict=False)
        self.eval().requires_grad_(False)

    def file_weights(self) -> dict[str, Tensor]:
        return self.features.state_dict(prefix="features.")

    def blocks(self) -> list[Block]:
        pools = [index + 1 for index, step in enumerate(self.features) if isinstance(step, nn.MaxPool2d)]
        ends = [*pools, len(self.features)]
        return [
            Block(partial(self._block, range(begin, end)), convolutions, end in pools)
            for begin, end in zip([0, *pools], ends, strict=True)
            if (convolutions := sum(isinstance(step, nn.Conv2d) for step in self.features[begin:end]))
        ]

    def _block(self, indices: range, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if indices[0] == 0:
            features = (features - self.mean) / self.deviation
        found = {}
        for index in indices:
            step = self.features[index]
            features = POOLS[self.pooling](features, 2) if isinstance(step, nn.MaxPool2d) else step(features)
            if index in self._relus:
                found[self._relus[index]] = features
        return features, found


class SmallVgg19(Backbone):
    """A VGG19 distilled to a sixteenth of its weights, cut after the deepest layer asked for.

    Wang et al. 2020, "Collaborative Distillation for Ultra-Resolution Universal Style Transfer".
    ``relu1_1`` to ``relu5_1`` are mapped to VGG19's channels by the 1x1 convolutions it was
    distilled through; the layers between keep their own few channels.
    """

    pooling: str = "max"

    def __init__(self, layers: Iterable[str], weights: Mapping[str, Tensor]) -> None:
        """``weights``: the published names of the fifth encoder (``SE5.conv11.weight``).

        Raises RtstyleError where a layer is unknown or not among the weights.
        """
        super().__init__()
        self.layers = tuple(layers)
        check_known(self.layers, SMALL_LAYERS, "small_vgg19")
        self._steps = SMALL_LAYERS[: max(map(SMALL_LAYERS.index, self.layers)) + 1]
        self.convolutions = nn.ModuleDict({"pixels": _frozen(weights, "conv0")})
        self.maps = nn.ModuleDict()
        for layer in self._steps:
            self.convolutions[layer] = _frozen(weights, _conv(layer))
            if layer in self.layers and layer.endswith("_1"):
                self.maps[layer] = _frozen(weights, f"{_conv(layer)}_aux")
        self.eval().requires_grad_(False)

    def edge(self, layer: str) -> int:
        return 0  # the picture goes on, mirrored

    def file_weights(self) -> dict[str, Tensor]:
        held = {
            "conv0" if layer == "pixels" else _conv(layer): each for layer, each in self.convolutions.items()
        }
        held |= {f"{_conv(layer)}_aux": each for layer, each in self.maps.items()}
        return {
            f"SE5.{name}.{part}": tensor
            for name, convolution in held.items()
            for part, tensor in convolution.state_dict().items()
        }

    def blocks(self) -> list[Block]:
        groups = [list(group) for _, group in groupby(self._steps, key=lambda layer: layer.partition("_")[0])]
        return [Block(partial(self._block, group), len(group), group is not groups[-1]) for group in groups]

    def _block(self, layers: list[str], features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if layers[0] == "relu1_1":
            features = self.convolutions["pixels"](features)  # holds Caffe's range, order and mean
        found = {}
        for layer in layers:
            features = F.pad(features, (1, 1, 1, 1), mode="reflect")
            features = F.relu(self.convolutions[layer](features))
            if layer in self.layers:
                found[layer] = F.relu(self.maps[layer](features)) if layer in self.maps else features
        return (features if layers[-1] == self._steps[-1] else POOLS[self.pooling](features, 2)), found


def _plan(convolutions: Iterable[int]) -> dict[str, int]:
    """{layer name: index of its convolution in torchvision's ``features``}, from convolutions a block."""
    plan, index = {}, 0
    for block, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            plan[f"relu{block}_{number}"] = index
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return plan


PLANS = {"vgg19": _plan((2, 2, 4, 4, 4)), "vgg16": _plan((2, 2, 3, 3, 3))}
SMALL_LAYERS = tuple(PLANS["vgg19"])[:13]  # to relu5_1


def _conv(layer: str) -> str:
    """``conv31`` of ``relu3_1``."""
    return layer.replace("relu", "conv").replace("_", "")


def _frozen(weights: Mapping[str, Tensor], name: str) -> nn.Conv2d:
    """The convolution of that name in the fifth small encoder."""
    try:
        weight, bias = weights[f"SE5.{name}.weight"], weights[f"SE5.{name}.bias"]
    except KeyError as missing:
        kind = OtherNetwork if name == "conv0" else RtstyleError
        raise kind(f"small_vgg19: the weights hold no {missing.args[0]}") from None
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution
