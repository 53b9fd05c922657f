"""Every backbone by name: its layers, the layers each method takes unless told, and how it is loaded."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones.backbone import (
    CAFFE_MEAN,
    TORCHVISION_DEVIATION,
    TORCHVISION_MEAN,
    Backbone,
    OtherNetwork,
    check_known,
    check_modules,
    first_words,
)
from rtstyle.perception.backbones.networks import NETWORKS, build
from rtstyle.perception.backbones.resnet_v2 import ResNet50V2, from_gluon, is_gluon, is_v2
from rtstyle.perception.backbones.traced import Traced
from rtstyle.perception.backbones.vgg import PLANS, SMALL_LAYERS, SmallVgg19, Vgg
from rtstyle.perception.backbones.weights import fetch_small_vgg19, fetch_weights, read_weights


class Defaults(NamedTuple):
    """The layers of one backbone that a method takes unless told otherwise."""

    content: tuple[str, ...]
    style: tuple[str, ...]
    dream: tuple[str, ...]


# Gatys, Ecker and Bethge 2016, section 2.3.
_GATYS_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

DEFAULTS = {
    "vgg19": Defaults(("relu4_2",), _GATYS_STYLE, ("relu4_4",)),
    "vgg16": Defaults(("relu4_2",), _GATYS_STYLE, ("relu4_3",)),
    "small_vgg19": Defaults(("relu4_2",), _GATYS_STYLE, ("relu5_1",)),
    "resnet50": Defaults(("layer2",), ("relu", "layer1", "layer2", "layer3"), ("layer3",)),
    "efficientnet_b7": Defaults(
        ("features.3",), ("features.1", "features.2", "features.3", "features.4"), ("features.5",)
    ),
    "googlenet": Defaults(
        ("inception3b",), ("conv1", "conv3", "inception3b", "inception4b", "inception4d"), ("inception4c",)
    ),
    "inception_v3": Defaults(
        ("Mixed_5b",),
        ("Conv2d_1a_3x3", "Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5b", "Mixed_5d"),
        ("Mixed_5d", "Mixed_6b"),
    ),
    "squeezenet1_1": Defaults(("fire4",), ("relu1", "fire3", "fire5", "fire7"), ("fire9",)),
    "alexnet": Defaults(("relu3",), ("relu1", "relu2", "relu3", "relu4", "relu5"), ("relu5",)),
    "xception": Defaults(("block3",), ("block1", "block2", "block3", "block4"), ("block8",)),
}


def layers_of(name: str) -> tuple[str, ...]:
    """All layer names of a backbone, shallow to deep. Raises RtstyleError for an unknown name."""
    _check_name(name)
    if name in NETWORKS:
        return tuple(NETWORKS[name].plan)
    return SMALL_LAYERS if name == "small_vgg19" else tuple(PLANS[name])


def load_backbone(name: str, layers: Iterable[str], file: str | Path | None = None) -> Backbone:
    """A frozen backbone by its name in ``DEFAULTS``; layers by their names in ``layers_of``.

    Without a file, torchvision's ImageNet weights (timm's for xception, for small_vgg19 its authors' own) are
    fetched once. A file holds
    a state_dict under the same names, from the first layer to any depth. It may hold more than its
    names say: VGG weights whose metadata ``preprocessing`` names Caffe's mean (123.68) get 0-255 minus
    that mean; "resnet50" takes Gluon's ResNet-50 v2 as well. Raises RtstyleError for an unknown name,
    an unreadable file, another network's weights, a layer that is unknown or deeper than the file.
    """
    _check_name(name)
    layers = tuple(layers)
    if file is None:
        check_known(layers, layers_of(name), name)  # before anything is fetched
        return _build(name, layers, _fetch(name), {})
    weights, metadata = read_weights(file)
    try:
        return _build(name, layers, weights, metadata)
    except OtherNetwork as error:
        whose = " or ".join(other for other in DEFAULTS if other != name and _fits(other, weights))
        if not whose:
            raise RtstyleError(f"{file}: {error}") from None
        raise RtstyleError(
            f"{file}: holds weights of {whose}, not of {name}; is it the wrong file, or the wrong name?"
        ) from None


def check_files(
    files: Mapping[str, str | Path],
    used: Collection[str],
    choose: str = "--backbone",
    *,
    spare: Collection[str] = (),
) -> None:
    """Raises RtstyleError for weights that nothing would read, and for a file that is not there.

    Args:
        files: {backbone: its weights file}, as asked for.
        used: the backbones that are at work.
        choose: the option that names them.
        spare: backbones that may be needed as well, or not.
    """
    for name, file in files.items():
        if name not in used and name not in spare:
            raise RtstyleError(
                f"{name}={file}: nothing uses the weights of {name}, the backbone is {', '.join(used)}; "
                f"add {choose} {name}, or leave them out"
            )
        if not Path(file).is_file():
            raise RtstyleError(f"{name}: no weights file at '{file}'")


def _fetch(name: str) -> Mapping[str, Tensor]:
    if name == "small_vgg19":
        return fetch_small_vgg19()
    return NETWORKS[name].weights() if name in NETWORKS else fetch_weights(name)


def _fits(name: str, weights: Mapping[str, Tensor]) -> bool:
    """Whether the weights may be a backbone's: names and shapes are, as far as they go."""
    try:
        if name not in NETWORKS:
            _build(name, layers_of(name)[:1], weights, {})
            return True
        if name == "resnet50" and is_v2(weights):
            return True
        parts = first_words(NETWORKS[name].plan.values())
        own = [key for key in weights if key.partition(".")[0] in parts]
        if not own:
            return False
        # Names and shapes tell as much as a network that is traced, which takes seconds.
        network = build(NETWORKS[name].build)
        check_modules(name, dict(network.named_modules()), parts, own)
        held = network.state_dict()
        return all(key in held and held[key].shape == weights[key].shape for key in own)
    except RtstyleError:
        return False


def _build(
    name: str, layers: tuple[str, ...], weights: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Backbone:
    if name == "small_vgg19":
        alone = "conv0.weight" in weights  # published one by one; a file of all encoders tells them apart
        return SmallVgg19(layers, {f"SE5.{key}": held for key, held in weights.items()} if alone else weights)
    if name in NETWORKS:
        return _traced(name, layers, weights)
    if "123.68" in metadata.get("preprocessing", ""):
        # Caffe's range: (255 x - mean) written as (x - mean/255) / (1/255).
        return Vgg(name, layers, weights, (m / 255 for m in CAFFE_MEAN), (1 / 255,) * 3)
    return Vgg(name, layers, weights, TORCHVISION_MEAN, TORCHVISION_DEVIATION)


def _traced(name: str, layers: tuple[str, ...], weights: Mapping[str, Tensor]) -> Traced:
    network = NETWORKS[name]
    shape = network.build
    if name == "resnet50" and is_v2(weights):
        shape, weights = ResNet50V2, from_gluon(weights) if is_gluon(weights) else weights
    return Traced(
        name, build(shape), network.plan, layers, weights, network.mean, network.deviation,
        network.average_padding,
    )  # fmt: skip


def _check_name(name: str) -> None:
    if name not in DEFAULTS:
        raise RtstyleError(f"no backbone named {name!r}; there are: {', '.join(DEFAULTS)}")
