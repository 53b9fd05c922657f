"""Weights with rules of their own: Gluon's ResNet-50 v2, TensorFlow's Inception of 2015."""

from pathlib import Path

import cv2
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import TORCHVISION_DEVIATION, TORCHVISION_MEAN, layers_of, load_backbone
from rtstyle.perception.backbones.traced import Traced


def photos(assets: Path, count: int) -> Tensor:
    """(count, 3, 224, 224): middles of real photos."""
    cut = []
    for file in sorted((assets / "content").glob("*.jpg"))[:count]:
        picture = cv2.imread(str(file))[..., ::-1]
        scale = 256 / min(picture.shape[:2])
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = (picture.shape[0] - 224) // 2, (picture.shape[1] - 224) // 2
        cut.append(torch.tensor(picture[top : top + 224, left : left + 224].copy()).permute(2, 0, 1) / 255)
    return torch.stack(cut)


def test_gluons_residual_blocks_by_hand(tmp_path: Path) -> None:
    torch.manual_seed(5)
    weights: dict[str, Tensor] = {}

    def convolution(name: str, out: int, into: int, side: int) -> None:
        weights[f"resnetv20_{name}_weight"] = torch.randn(out, into, side, side) / (into * side * side) ** 0.5

    def normalisation(name: str, channels: int) -> None:
        for part in ("gamma", "beta", "running_mean"):
            weights[f"resnetv20_{name}_{part}"] = torch.randn(channels)
        weights[f"resnetv20_{name}_running_var"] = torch.rand(channels) + 0.5

    normalisation("batchnorm0", 3)
    convolution("conv0", 64, 3, 7)
    normalisation("batchnorm1", 64)
    for number, (channels, out, into, side) in enumerate(
        # the first block with its shortcut, which comes fourth, then the second
        [(64, 64, 64, 1), (64, 64, 64, 3), (64, 256, 64, 1), (256, 256, 64, 1),
         (64, 64, 256, 1), (64, 64, 64, 3), (0, 256, 64, 1)]
    ):  # fmt: skip
        convolution(f"stage1_conv{number}", out, into, side)
        if number < 6:
            normalisation(f"stage1_batchnorm{number}", channels)
    file = tmp_path / "resnet50_v2.safetensors"
    save_file(weights, file)

    def normal(features: Tensor, name: str) -> Tensor:
        mean, var, gamma, beta = (
            weights[f"resnetv20_{name}_{part}"] for part in ("running_mean", "running_var", "gamma", "beta")
        )
        return F.batch_norm(features, mean, var, gamma, beta)

    def filtered(features: Tensor, name: str, padding: int = 0, stride: int = 1) -> Tensor:
        return F.conv2d(features, weights[f"resnetv20_{name}_weight"], None, stride, padding)

    def branch(activated: Tensor, one: int, norm: int) -> Tensor:
        features = F.relu(normal(filtered(activated, f"stage1_conv{one}"), f"stage1_batchnorm{norm}"))
        features = filtered(features, f"stage1_conv{one + 1}", padding=1)
        return filtered(F.relu(normal(features, f"stage1_batchnorm{norm + 1}")), f"stage1_conv{one + 2}")

    image = torch.rand(1, 3, 33, 40)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (TORCHVISION_MEAN, TORCHVISION_DEVIATION))
    stem = normal(filtered(normal((image - mean) / deviation, "batchnorm0"), "conv0", 3, 2), "batchnorm1")
    activated = F.relu(normal(F.max_pool2d(F.relu(stem), 3, 2, 1), "stage1_batchnorm0"))
    first = filtered(activated, "stage1_conv3") + branch(activated, 0, 1)
    second = first + branch(F.relu(normal(first, "stage1_batchnorm3")), 4, 4)

    found = load_backbone("resnet50", ["relu", "layer1.0", "layer1.1"], file)(image)
    torch.testing.assert_close(found["relu"], F.relu(stem), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["layer1.0"], first, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["layer1.1"], second, rtol=1e-3, atol=1e-3)
    with pytest.raises(RtstyleError, match=r"layer1\.2 was asked .* only relu, layer1\.0, layer1\.1$"):
        load_backbone("resnet50", ["layer1.2"], file)


def test_gluons_features_have_the_spread_it_was_trained_with(assets: Path) -> None:
    """Each normalisation kept the variance of its channels over ImageNet: the layer before it, on photos
    of ours, comes near, and does not where the stride sits on the 1x1 (0.55) or the range is another (0.62).
    """
    file = assets / "weights" / "resnet50v2_gluon_stem_to_stage3_fp16.safetensors"
    found = load_backbone("resnet50", ["layer1", "layer2", "layer3.4"], file)(photos(assets, 12))
    kept = {"layer1": "stage2_batchnorm0", "layer2": "stage3_batchnorm0", "layer3.4": "stage3_batchnorm15"}
    with safe_open(file, "pt") as opened:
        for layer, normalisation in kept.items():
            variance = opened.get_tensor(f"{normalisation}_running_var").float()
            ratio = found[layer].var((0, 2, 3))[variance > 1e-3] / variance[variance > 1e-3]
            assert 0.8 < ratio.median() < 1.25, layer


class Averaging(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return F.avg_pool2d(image, kernel_size=3, stride=1, padding=1)


@pytest.mark.parametrize(("counted", "corner"), [(True, 4 / 9), (False, 1.0)])
def test_average_pools_can_leave_out_the_padding(counted: bool, corner: float) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = Averaging()

        def forward(self, image: Tensor) -> Tensor:
            return self.pool(image)

    backbone = Traced("n", Network().eval(), {"pool": "pool"}, ["pool"], {}, (0,) * 3, (1,) * 3, counted)
    found = backbone(torch.ones(1, 3, 5, 5))["pool"]
    assert found[0, 0, 0, 0].item() == pytest.approx(corner) and found[0, 0, 2, 2] == 1


def test_inception_of_2015(assets: Path) -> None:
    file = assets / "weights" / "inception_v3_tf2015_fp16_to_mixed_6d.safetensors"
    there = layers_of("inception_v3")
    there = there[: there.index("Mixed_6d") + 1]
    found = load_backbone("inception_v3", there, file)(photos(assets, 8))
    # The paper's grid on 224 pixels, no padding before the modules; every filter answers to some photo.
    assert [found[layer].shape[-1] for layer in there] == [111, 109, 109, 54, 52, *[25] * 3, *[12] * 4]
    assert all((features.amax((0, 2, 3)) > 0).all() for features in found.values())
    with pytest.raises(
        RtstyleError, match=r"Mixed_6e was asked for, but the weights hold only .*, Mixed_6d$"
    ):
        load_backbone("inception_v3", ["Mixed_6e"], file)


def test_the_small_vgg_that_is_fetched_is_this_one(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = assets / "weights" / "vgg19_collaborative_distillation_16x_fp32.safetensors"
    published = {
        key.removeprefix("SE5."): held for key, held in load_file(file).items() if key.startswith("SE5.")
    }
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **options: published)
    image = photos(assets, 1)
    fetched, read = (load_backbone("small_vgg19", ["relu5_1"], each)(image) for each in (None, file))
    assert torch.equal(fetched["relu5_1"], read["relu5_1"])


@pytest.mark.parametrize(
    ("name", "file", "deepest"),
    [
        ("vgg19", "vgg19_caffe_conv1_1_to_conv3_4_fp32", "relu3_4"),
        ("vgg16", "vgg16_caffe_conv1_1_to_conv3_3_fp32", "relu3_3"),
        ("small_vgg19", "vgg19_collaborative_distillation_16x_fp32", "relu5_1"),
    ],
)
def test_partial_vggs_reach_their_deepest_layer(assets: Path, name: str, file: str, deepest: str) -> None:
    features = load_backbone(name, [deepest], assets / "weights" / f"{file}.safetensors")(photos(assets, 1))
    side = 224 // 2 ** (int(deepest[4]) - 1)
    assert features[deepest].shape[-2:] == (side, side) and features[deepest].std() > 0
