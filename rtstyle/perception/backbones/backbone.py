"""What a backbone is: a frozen network that answers with the features of the layers asked for."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from rtstyle.errors import RtstyleError

# Mean of ImageNet in the original Caffe models, RGB, 0-255 (Simonyan and Zisserman 2014).
CAFFE_MEAN = (123.68, 116.779, 103.939)
# Mean and deviation torchvision trained its own networks with, RGB, 0-1.
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_DEVIATION = (0.229, 0.224, 0.225)

POOLS: dict[str, Callable[..., Tensor]] = {"max": F.max_pool2d, "average": F.avg_pool2d}

_NO_NEED = 1024  # no network here needs a larger picture


class Block(NamedTuple):
    """A stretch of a backbone in which all layers have the height and width of what goes in."""

    run: Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]  # features to those that go on, and the layers'
    reach: int  # rows beyond a place that its features depend on
    halves: bool  # whether what goes on is half as large


class Backbone(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] to {layer name: (B, C, h, w)}, for the layers asked for.

    Layers carry the names the field knows (``relu3_1``: after the first convolution of VGG's third
    block). Nothing deeper than the deepest layer asked for is built or computed. Weights are frozen;
    gradients flow to the picture. Normalising the picture is the backbone's own affair.
    """

    layers: tuple[str, ...]

    def edge(self, layer: str) -> int:
        """Places along each side of a layer that see much of the zeros that convolutions add."""
        return 1

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Raises RtstyleError for a picture with a side under ``smallest`` pixels."""
        try:
            return self._features(image)
        except RuntimeError:
            if min(image.shape[-2:]) < self.smallest:
                height, width = image.shape[-2:]
                raise RtstyleError(
                    f"a picture of {width}x{height} is too small for {', '.join(self.layers)}: "
                    f"it takes {self.smallest} pixels a side and more"
                ) from None
            raise

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        """What ``forward`` answers, from a picture that is large enough."""
        found: dict[str, Tensor] = {}
        features = image
        for block in self.blocks():
            features, layers = block.run(features)
            found |= layers
        return found

    def blocks(self) -> Sequence[Block]:
        """The computation as a chain, each link of which may be done strip by strip; () where it is none."""
        return ()

    def file_weights(self) -> dict[str, Tensor]:
        """Its weights under the names that `load_backbone` finds them by in a file."""
        raise NotImplementedError

    @cached_property
    def smallest(self) -> int:
        """The shortest side in pixels at which every layer asked for has a feature left."""
        # Found by trial with shapes alone; the weights are neither copied nor read.
        shapes = {name: held.to("meta") for name, held in self.state_dict().items()}

        def fits(side: int) -> bool:
            try:
                functional_call(_Bare(self), {f"of.{k}": v for k, v in shapes.items()}, (side,))
            except RuntimeError:
                return False
            return True

        low, high = 1, _NO_NEED
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle + 1, high)
        return low


class _Bare(nn.Module):
    """A backbone's computation without its check, on a picture of one side that has no content."""

    def __init__(self, of: Backbone) -> None:
        super().__init__()
        self.of = of

    def forward(self, side: int) -> dict[str, Tensor]:
        return self.of._features(torch.empty(1, 3, side, side, device="meta"))


class Joined(Backbone):
    """Several backbones as one; its layers are named ``backbone.layer`` (``vgg19.relu2_1``)."""

    def __init__(self, **backbones: Backbone) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(backbones)
        self.layers = tuple(f"{name}.{layer}" for name, part in backbones.items() for layer in part.layers)

    @cached_property
    def smallest(self) -> int:
        return max(part.smallest for part in self.backbones.values() if isinstance(part, Backbone))

    def edge(self, layer: str) -> int:
        name, _, own = layer.partition(".")
        part = self.backbones[name]
        assert isinstance(part, Backbone)
        return part.edge(own)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        return {
            f"{name}.{layer}": features
            for name, part in self.backbones.items()
            for layer, features in part(image).items()
        }


def check_known(layers: tuple[str, ...], known: Iterable[str], name: str) -> None:
    """Raises RtstyleError, with the names that exist, for a layer the network has not."""
    known = list(known)
    if not layers:
        raise RtstyleError(f"{name}: no layer was asked for; there are: {', '.join(known)}")
    for layer in layers:
        if layer not in known:
            raise RtstyleError(f"{name} has no layer {layer!r}; there are: {', '.join(known)}")


def first_words(modules: Iterable[str]) -> set[str]:
    """``features`` of ``features.3.squeeze``."""
    return {module.partition(".")[0] for module in modules}


class OtherNetwork(RtstyleError):
    """The weights are of another network than the one they were given for."""


def check_modules(name: str, own: Collection[str], parts: Collection[str], weights: Iterable[str]) -> None:
    """Raises OtherNetwork for weights of a module that the network has not, such as a ResNet-101's.

    ``own``: names of its modules; ``parts``: first words of those with layers, as a classifier may differ.
    """
    for key in weights:
        module = key.rpartition(".")[0]
        if key.partition(".")[0] in parts and module not in own:
            raise OtherNetwork(f"{name}: has no {module}, the weights have; are they another network's?")


def too_deep(name: str, layer: str, held: Iterable[str]) -> RtstyleError:
    """The error of weights that end before a layer; ``held``: the layers they reach."""
    if held := ", ".join(held):
        return RtstyleError(f"{name}: {layer} was asked for, but the weights hold only {held}")
    return OtherNetwork(f"{name}: {layer} was asked for, but the weights hold no layer of it")
