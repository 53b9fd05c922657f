"""ResNet-50 with pre-activation (He et al. 2016, "Identity Mappings in Deep Residual Networks")."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

BLOCKS = (3, 4, 6, 3)  # of layer1 to layer4, as in the first ResNet-50


class ResNet50V2(nn.Module):
    """As in Gluon's model zoo: a normalisation of the picture first, the stride on a block's 3x3.

    Modules carry the names of torchvision's first ResNet-50 (``layer3.5.conv2``). A layer's features
    are the sum that leaves a block, which no ReLU has cut: they may be negative.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(3)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, BLOCKS[0], stride=1)
        self.layer2 = _stage(256, 128, BLOCKS[1], stride=2)
        self.layer3 = _stage(512, 256, BLOCKS[2], stride=2)
        self.layer4 = _stage(1024, 512, BLOCKS[3], stride=2)

    def forward(self, image: Tensor) -> Tensor:
        features = self.maxpool(self.relu(self.bn1(self.conv1(self.bn0(image)))))
        return self.layer4(self.layer3(self.layer2(self.layer1(features))))


class _Bottleneck(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if channels_in != 4 * channels:
            self.downsample = nn.Conv2d(channels_in, 4 * channels, 1, stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        activated = self.relu(self.bn1(features))
        kept = features if self.downsample is None else self.downsample(activated)
        branch = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        return kept + self.conv3(self.relu(self.bn3(branch)))


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(channels_in, channels, stride)
    return nn.Sequential(first, *(_Bottleneck(4 * channels, channels, 1) for _ in range(blocks - 1)))


def is_gluon(weights: Mapping[str, Tensor]) -> bool:
    """Whether the weights carry the names of Gluon's ResNet v2 (``resnetv20_stage1_conv0_weight``)."""
    return any(re.search(r"(^|_)stage1_conv0_weight$", key) for key in weights)


def is_v2(weights: Mapping[str, Tensor]) -> bool:
    """Whether the weights are of a ResNet v2, by Gluon's names or by those of ``ResNet50V2``."""
    return is_gluon(weights) or "bn0.weight" in weights


def from_gluon(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the module names of ``ResNet50V2``; what it has no place for is left out."""
    modules = {"batchnorm0": "bn0", "conv0": "conv1", "batchnorm1": "bn1"}
    for stage, blocks in enumerate(BLOCKS, start=1):
        # Gluon counts through a stage; the first block's shortcut takes the fourth convolution's number.
        modules[f"stage{stage}_conv3"] = f"layer{stage}.0.downsample"
        for block in range(blocks):
            for step in range(3):
                convolution = 3 * block + step + (block > 0)
                modules[f"stage{stage}_conv{convolution}"] = f"layer{stage}.{block}.conv{step + 1}"
                modules[f"stage{stage}_batchnorm{3 * block + step}"] = f"layer{stage}.{block}.bn{step + 1}"
    parts = {"gamma": "weight", "beta": "bias"}
    renamed = {}
    for key, tensor in weights.items():
        found = re.search(
            r"((?:stage\d_)?(?:conv|batchnorm)\d+)_(weight|gamma|beta|running_mean|running_var)$", key
        )
        if found and found[1] in modules:
            renamed[f"{modules[found[1]]}.{parts.get(found[2], found[2])}"] = tensor
    return renamed
