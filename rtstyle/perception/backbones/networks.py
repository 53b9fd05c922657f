"""The networks that are traced: how each is built, which modules its layers are, what pictures it saw."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones.backbone import TORCHVISION_DEVIATION, TORCHVISION_MEAN
from rtstyle.perception.backbones.resnet_v2 import BLOCKS
from rtstyle.perception.backbones.weights import fetch, fetch_weights


class Network(NamedTuple):
    """``build``: the network without weights; ``plan``: {layer name: its module}, shallow to deep;
    ``weights``: fetches those it was published with; mean and deviation of RGB in [0, 1];
    ``average_padding``: whether its average pools count the zeros around the picture.
    """

    build: Callable[[], nn.Module]
    weights: Callable[[], Mapping[str, Tensor]]
    plan: Mapping[str, str]
    mean: tuple[float, float, float] = TORCHVISION_MEAN
    deviation: tuple[float, float, float] = TORCHVISION_DEVIATION
    average_padding: bool = True


_HALF = (0.5, 0.5, 0.5)  # as mean and deviation: RGB in [-1, 1], the range of TensorFlow's networks


def _same(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


def _torchvision(name: str, plan: Mapping[str, str], **options: object) -> Network:
    def build() -> nn.Module:
        from torchvision import models

        return models.get_model(name, weights=None, **options)

    return Network(build, lambda: fetch_weights(name), plan)


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise RtstyleError(
            f"xception needs the package timm ({error}); install it: pip install 'rtstyle[xception]'"
        ) from None
    return timm


_XCEPTION = "legacy_xception"  # timm's name for Chollet's network; its "xception41" and on are others


def _residual_plan() -> dict[str, str]:
    """The stem, every block, and each stage by the short name of its last block (``layer3``)."""
    plan = {"relu": "relu"}
    for stage, blocks in enumerate(BLOCKS, start=1):
        plan |= _same(" ".join(f"layer{stage}.{block}" for block in range(blocks)))
        plan[f"layer{stage}"] = f"layer{stage}.{blocks - 1}"
    return plan


_FIRES = dict(zip((f"fire{n}" for n in range(2, 10)), (3, 4, 6, 7, 9, 10, 11, 12), strict=True))
_ALEXNET = {"relu1": 1, "relu2": 4, "relu3": 7, "relu4": 9, "relu5": 11}
# Ported to torchvision from TensorFlow. No second classifier is built, and no slow random start.
_PORTED = {"aux_logits": False, "init_weights": False, "transform_input": False}

NETWORKS = {
    "resnet50": _torchvision("resnet50", _residual_plan()),
    "efficientnet_b7": _torchvision(
        "efficientnet_b7", _same(" ".join(f"features.{stage}" for stage in range(9)))
    ),
    "googlenet": _torchvision(
        "googlenet",
        _same(
            "conv1 conv2 conv3 inception3a inception3b inception4a inception4b inception4c inception4d "
            "inception4e inception5a inception5b"
        ),
        **_PORTED,
    )._replace(mean=_HALF, deviation=_HALF),
    # TensorFlow left the zeros out of its means, in training too; torchvision counts them.
    "inception_v3": _torchvision(
        "inception_v3",
        _same(
            "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3 Mixed_5b Mixed_5c "
            "Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c"
        ),
        **_PORTED,
    )._replace(mean=_HALF, deviation=_HALF, average_padding=False),
    "squeezenet1_1": _torchvision(
        "squeezenet1_1",
        {layer: f"features.{index}" for layer, index in ({"relu1": 1} | _FIRES).items()},
    ),
    "alexnet": _torchvision("alexnet", {layer: f"features.{index}" for layer, index in _ALEXNET.items()}),
    "xception": Network(
        lambda: _timm().create_model(_XCEPTION, pretrained=False),
        lambda: fetch("xception", _timm().get_pretrained_cfg(_XCEPTION).url),
        _same(" ".join(f"block{block}" for block in range(1, 13))),
        _HALF,
        _HALF,
    ),
}


def build(network: Callable[[], nn.Module]) -> nn.Module:
    """The network's shape alone: no memory, no random start."""
    with torch.device("meta"):
        return network().eval()
