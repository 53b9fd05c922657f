"""Frozen image networks whose layers measure what a picture shows and how it is painted."""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.errors import RtstyleError

# Mean of ImageNet in the original Caffe models, RGB, 0-255 (Simonyan and Zisserman 2014).
CAFFE_MEAN = (123.68, 116.779, 103.939)
# Mean and deviation torchvision trained its own VGGs with, RGB, 0-1.
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_DEVIATION = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] to {layer name: (B, C, h, w)}, for the layers asked for.

    Layers carry the papers' names (``relu3_1``: after the first convolution of the third block).
    Nothing deeper than the deepest layer asked for is built or computed. Weights are frozen;
    gradients flow to the picture. Normalising the picture is the backbone's own affair.
    """

    layers: tuple[str, ...]


class Vgg(Backbone):
    """The convolutional part of VGG (Simonyan and Zisserman 2014), cut after the deepest layer asked for."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        layers: Iterable[str],
        weights: Mapping[str, Tensor],
        mean: Iterable[float],
        deviation: Iterable[float],
    ) -> None:
        """``name``: "vgg19" or "vgg16"; ``weights``: torchvision's names (``features.0.weight``), from
        the first convolution to any depth. Raises RtstyleError where a layer is unknown or deeper.
        """
        super().__init__()
        self.layers = tuple(layers)
        plan = _PLANS[name]
        _check_known(self.layers, plan, name)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(tuple(deviation)).view(3, 1, 1))
        # The index of a ReLU in torchvision's numbering is one after its convolution's.
        self._relus = {plan[layer] + 1: layer for layer in self.layers}
        deepest = max(self._relus)
        held = list(takewhile(lambda layer: f"features.{plan[layer]}.weight" in weights, plan))
        if not held or plan[held[-1]] + 1 < deepest:
            there = f"hold only {', '.join(held)}" if held else "hold no layer of it"
            raise RtstyleError(
                f"{name}: {max(self.layers, key=plan.__getitem__)} was asked for, but the weights {there}"
            )
        convolutions = {
            index: weights[f"features.{index}.weight"] for index in plan.values() if index < deepest
        }
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

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = (image - self.mean) / self.deviation
        found = {}
        for index, step in enumerate(self.features):
            features = step(features)
            if index in self._relus:
                found[self._relus[index]] = features
        return found


class SmallVgg19(Backbone):
    """A VGG19 distilled to a sixteenth of its weights, cut after the deepest layer asked for.

    Wang et al. 2020, "Collaborative Distillation for Ultra-Resolution Universal Style Transfer".
    ``relu1_1`` to ``relu5_1`` are mapped to VGG19's channels by the 1x1 convolutions it was
    distilled through; the layers between keep their own few channels.
    """

    deepest_layer: ClassVar[str] = "relu5_1"

    def __init__(self, layers: Iterable[str], weights: Mapping[str, Tensor]) -> None:
        """``weights``: the published names of the fifth encoder (``SE5.conv11.weight``).

        Raises RtstyleError where a layer is unknown or not among the weights.
        """
        super().__init__()
        self.layers = tuple(layers)
        order = list(_PLANS["vgg19"])
        order = order[: order.index(self.deepest_layer) + 1]
        _check_known(self.layers, order, "small_vgg19")
        self._steps = order[: max(map(order.index, self.layers)) + 1]
        self.convolutions = nn.ModuleDict({"pixels": _frozen(weights, "conv0")})
        self.maps = nn.ModuleDict()
        for layer in self._steps:
            digits = layer.removeprefix("relu").replace("_", "")
            self.convolutions[layer] = _frozen(weights, f"conv{digits}")
            if layer in self.layers and layer.endswith("_1"):
                self.maps[layer] = _frozen(weights, f"conv{digits}_aux")
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.convolutions["pixels"](image)  # its weights hold Caffe's range, order and mean
        found = {}
        for layer in self._steps:
            if layer.endswith("_1") and layer != "relu1_1":
                features = F.max_pool2d(features, 2)
            features = F.pad(features, (1, 1, 1, 1), mode="reflect")
            features = F.relu(self.convolutions[layer](features))
            if layer in self.layers:
                found[layer] = F.relu(self.maps[layer](features)) if layer in self.maps else features
        return found


class Joined(Backbone):
    """Several backbones as one; its layers are named ``backbone.layer`` (``vgg19.relu2_1``)."""

    def __init__(self, **backbones: Backbone) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(backbones)
        self.layers = tuple(f"{name}.{layer}" for name, part in backbones.items() for layer in part.layers)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {
            f"{name}.{layer}": features
            for name, part in self.backbones.items()
            for layer, features in part(image).items()
        }


def load_backbone(name: str, layers: Iterable[str], file: str | Path | None = None) -> Backbone:
    """A frozen backbone: "vgg19", "vgg16" or "small_vgg19".

    Without a file the VGGs take torchvision's ImageNet weights, fetched once through its hub. A
    ``.safetensors`` file may hold any number of layers from the first; one whose metadata
    ``preprocessing`` names Caffe's mean (123.68) gets 0-255 minus that mean, any other torchvision's
    mean and deviation. Raises RtstyleError for an unknown name, an unreadable file, a missing layer.
    """
    if name == "small_vgg19":
        if file is None:
            raise RtstyleError("small_vgg19 cannot be fetched; give a .safetensors file that holds its SE5.*")
        return SmallVgg19(layers, _read(file)[0])
    if name not in _PLANS:
        raise RtstyleError(f"no backbone named {name!r}; there are: small_vgg19, {', '.join(sorted(_PLANS))}")
    if file is None:
        return Vgg(name, layers, _from_torchvision(name), TORCHVISION_MEAN, TORCHVISION_DEVIATION)
    weights, metadata = _read(file)
    if "123.68" in metadata.get("preprocessing", ""):
        # Caffe's range: (255 x - mean) written as (x - mean/255) / (1/255).
        return Vgg(name, layers, weights, (m / 255 for m in CAFFE_MEAN), (1 / 255,) * 3)
    return Vgg(name, layers, weights, TORCHVISION_MEAN, TORCHVISION_DEVIATION)


def _plan(convolutions: Iterable[int]) -> dict[str, int]:
    """{layer name: index of its convolution in torchvision's ``features``}, from convolutions a block."""
    plan, index = {}, 0
    for block, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            plan[f"relu{block}_{number}"] = index
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return plan


_PLANS = {"vgg19": _plan((2, 2, 4, 4, 4)), "vgg16": _plan((2, 2, 3, 3, 3))}


def _check_known(layers: tuple[str, ...], known: Iterable[str], name: str) -> None:
    known = list(known)
    if not layers:
        raise RtstyleError(f"{name}: no layer was asked for; there are: {', '.join(known)}")
    for layer in layers:
        if layer not in known:
            raise RtstyleError(f"{name} has no layer {layer!r}; there are: {', '.join(known)}")


def _frozen(weights: Mapping[str, Tensor], name: str) -> nn.Conv2d:
    """The convolution of that name in the fifth small encoder."""
    try:
        weight, bias = weights[f"SE5.{name}.weight"], weights[f"SE5.{name}.bias"]
    except KeyError as missing:
        raise RtstyleError(f"small_vgg19: the weights hold no {missing.args[0]}") from None
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution


def _read(file: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (float32) and metadata of a safetensors file."""
    try:
        with safe_open(file, "pt") as opened:
            return {key: opened.get_tensor(key).float() for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RtstyleError(f"{file}: not readable as .safetensors weights ({reason})") from None


def _from_torchvision(name: str) -> dict[str, Tensor]:
    from torchvision import models

    try:
        return models.get_model(name, weights="IMAGENET1K_V1").state_dict()
    except OSError as error:  # URLError among them
        raise RtstyleError(
            f"could not fetch torchvision's {name} ({error}); give a weights file instead"
        ) from error
