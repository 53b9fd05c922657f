"""Networks beyond VGG: their own layers, no step further, weights of many shapes and origins."""

import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.feature_extraction import get_graph_node_names

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import DEFAULTS, TORCHVISION_DEVIATION, TORCHVISION_MEAN, load_backbone
from rtstyle.perception.backbones.networks import NETWORKS, build
from rtstyle.perception.backbones.weights import read_weights

Weights = dict[str, Tensor]

# {network: its modules in the order of computation, as far as these tests go}
REACH = {
    "alexnet": ["features.0", "features.1", "features.2", "features.3", "features.4"],
    "squeezenet1_1": ["features.0", "features.1", "features.2", "features.3", "features.4"],
    "resnet50": ["conv1", "bn1", "relu", "maxpool", "layer1.0", "layer1.1", "layer1.2"],
    "googlenet": ["conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b"],
    "inception_v3": ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1"],
    "efficientnet_b7": ["features.0", "features.1"],
}
DEEPER = {
    "alexnet": "relu5", "squeezenet1_1": "fire9", "resnet50": "layer2.0", "googlenet": "inception4a",
    "inception_v3": "Mixed_6a", "efficientnet_b7": "features.2",
}  # fmt: skip


def weights_of(name: str) -> Weights:
    """Random weights of the modules in ``REACH``, without the counts of batches."""
    random = torch.Generator().manual_seed(4)
    starts = tuple(f"{module}." for module in REACH[name])
    held = {}
    for key, value in build(NETWORKS[name].build).state_dict().items():
        if key.startswith(starts) and not key.endswith("num_batches_tracked"):
            spread = torch.randn(value.shape, generator=random) / value[0].numel() ** 0.5
            held[key] = spread.abs() + 0.5 if key.endswith("running_var") else spread
    return held


@pytest.fixture(params=REACH)
def partial(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A network's name and a file that holds its first layers."""
    file = tmp_path / "partial.safetensors"
    save_file(weights_of(request.param), file)
    return request.param, file


def test_features_are_those_of_a_plain_run(partial: tuple[str, Path]) -> None:
    """torchvision's own modules one after the other, whose in-place ReLUs write into each other's results."""
    name, file = partial
    network = build(NETWORKS[name].build)
    network.load_state_dict(weights_of(name), strict=False, assign=True)
    for key, buffer in network.named_buffers():
        if key.endswith("num_batches_tracked"):
            buffer.data = torch.tensor(0)
    image = torch.rand(2, 3, 67, 75)
    mean, deviation = (TORCHVISION_MEAN, TORCHVISION_DEVIATION)
    if name in ("googlenet", "inception_v3"):
        mean = deviation = (0.5, 0.5, 0.5)
    features = (image - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
    expected = {}
    for module in REACH[name]:
        features = network.get_submodule(module)(features)
        expected[module] = features.detach().clone()
    layers = [layer for layer, module in NETWORKS[name].plan.items() if module in REACH[name]]
    backbone = load_backbone(name, layers, file)
    found = backbone(image)
    assert list(found) == layers and len(layers) > 1
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[NETWORKS[name].plan[layer]], msg=layer)
    # Alone, the first layer brings nothing of the others.
    first = load_backbone(name, layers[:1], file)
    assert torch.equal(first(image)[layers[0]], found[layers[0]])
    assert 0 < sum(p.numel() for p in first.parameters()) < sum(p.numel() for p in backbone.parameters())


def test_a_deeper_layer_is_refused_with_those_there(partial: tuple[str, Path]) -> None:
    name, file = partial
    there = [layer for layer, module in NETWORKS[name].plan.items() if module in REACH[name]]
    with pytest.raises(RtstyleError) as caught:
        load_backbone(name, [there[0], DEEPER[name]], file)
    assert str(caught.value) == (
        f"{name}: {DEEPER[name]} was asked for, but the weights hold only {', '.join(there)}"
    )


def test_the_picture_has_a_gradient_and_the_weights_none(partial: tuple[str, Path]) -> None:
    name, file = partial
    backbone = load_backbone(name, list(NETWORKS[name].plan)[:2], file)
    assert not backbone.training and not any(p.requires_grad for p in backbone.parameters())
    image = torch.rand(1, 3, 67, 67, requires_grad=True)
    sum(features.square().sum() for features in backbone(image).values()).backward()
    assert image.grad is not None and image.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_modules_in_the_order_of_computation(name: str) -> None:
    if name == "xception":
        pytest.importorskip("timm", reason="xception is an extra")
    nodes = get_graph_node_names(build(NETWORKS[name].build))[1]
    ends = [
        max((i for i, node in enumerate(nodes) if f"{node}.".startswith(f"{module}.")), default=-1)
        for module in dict.fromkeys(NETWORKS[name].plan.values())
    ]
    assert -1 not in ends and ends == sorted(ends)


def test_a_stage_is_its_last_block(tmp_path: Path) -> None:
    file = tmp_path / "resnet.safetensors"
    save_file(weights_of("resnet50"), file)
    found = load_backbone("resnet50", ["layer1", "layer1.1", "layer1.2"], file)(torch.rand(1, 3, 40, 40))
    assert torch.equal(found["layer1"], found["layer1.2"])
    assert not torch.equal(found["layer1"], found["layer1.1"])


def test_a_training_programs_checkpoint_loads(tmp_path: Path) -> None:
    """Places365 networks come as .pth.tar: the weights under ``state_dict``, each name after ``module.``."""
    weights = weights_of("resnet50")
    file, plain = tmp_path / "resnet50_places365.pth.tar", tmp_path / "plain.safetensors"
    torch.save({"epoch": 90, "state_dict": {f"module.{k}": v for k, v in weights.items()}}, file)
    save_file(weights, plain)
    image = torch.rand(1, 3, 40, 40)
    one, other = (load_backbone("resnet50", ["layer1"], f)(image)["layer1"] for f in (file, plain))
    assert torch.equal(one, other)


def test_only_whole_words_of_a_name_are_dropped(tmp_path: Path) -> None:
    names = ("module.conv1", "features.module.0", "submodule.c")
    torch.save({f"{name}.weight": torch.zeros(1) for name in names}, tmp_path / "w.pth")
    expected = ["conv1.weight", "features.0.weight", "submodule.c.weight"]
    assert list(read_weights(tmp_path / "w.pth")[0]) == expected


def test_what_is_no_state_dict_is_one_clear_line(tmp_path: Path) -> None:
    whole, empty, other = tmp_path / "whole.pth", tmp_path / "empty.pth", tmp_path / "weights.h5"
    torch.save(nn.Conv2d(1, 1, 1), whole)
    torch.save({"epoch": 3}, empty)
    other.write_bytes(b"HDF")
    for file, says in [
        (whole, r"whole\.pth: not readable as a checkpoint of weights \("),
        (empty, r"empty\.pth: holds no named weights"),
        (other, r"weights\.h5: weights are \.safetensors, "),
        (tmp_path / "gone.pth", r"gone\.pth: not readable as a checkpoint"),
    ]:
        with pytest.raises(RtstyleError, match=says) as caught:
            load_backbone("alexnet", ["relu1"], file)
        assert "\n" not in str(caught.value)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "vgg.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}, file)
    for name, layer in (("alexnet", "relu1"), ("resnet50", "relu")):
        with pytest.raises(RtstyleError, match=rf"vgg\.safetensors: holds weights of vgg19 or .* of {name};"):
            load_backbone(name, [layer], file)
    strange = {"features.0.weight": torch.zeros(64, 5, 11, 11), "features.0.bias": torch.zeros(64)}
    save_file(strange, file)
    with pytest.raises(RtstyleError, match=r"alexnet: features.0.weight is \(64, 5, 11, 11\) in the weights"):
        load_backbone("alexnet", ["relu1"], file)
    with pytest.raises(RtstyleError, match="relu was asked for, but the weights hold no layer of it"):
        load_backbone("resnet50", ["relu"], file)


def test_a_deeper_sister_is_refused(tmp_path: Path) -> None:
    """A ResNet-101 has every weight of a ResNet-50, in the same shapes, and more in its third stage."""
    weights = weights_of("resnet50") | {"layer3.6.conv1.weight": torch.zeros(256, 1024, 1, 1)}
    torch.save(weights | {"fc.weight": torch.zeros(4, 2048)}, tmp_path / "resnet101.pth")
    with pytest.raises(RtstyleError, match=r"resnet101\.pth: resnet50: has no layer3\.6\.conv1, the weights"):
        load_backbone("resnet50", ["relu"], tmp_path / "resnet101.pth")


# AlexNet by hand: the first convolution keeps (n + 4 - 11) / 4 + 1, each pooling (n - 3) / 2 + 1.
@pytest.mark.parametrize(("layer", "side"), [("relu1", 7), ("relu2", 15)])
def test_the_smallest_picture(tmp_path: Path, layer: str, side: int) -> None:
    file = tmp_path / "alexnet.safetensors"
    save_file(weights_of("alexnet"), file)
    backbone = load_backbone("alexnet", [layer], file)
    assert backbone(torch.rand(1, 3, side, side))[layer].shape[-1] == 1
    assert backbone.smallest == side
    with pytest.raises(RtstyleError, match=rf"too small for {layer}: it takes {side} pixels a side"):
        backbone(torch.rand(1, 3, 90, side - 1))


def test_weights_are_fetched_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hub(url: str, **_: object) -> Weights:
        asked.append(url)
        return weights_of("alexnet")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", hub)
    assert load_backbone("alexnet", ["relu1"]).layers == ("relu1",)
    with pytest.raises(RtstyleError, match="alexnet has no layer 'relu9'"):
        load_backbone("alexnet", ["relu9"])
    assert len(asked) == 1 and asked[0].startswith("https://download.pytorch.org/models/alexnet-")

    def broken(url: str, **_: object) -> Weights:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", broken)
    with pytest.raises(
        RtstyleError, match=r"could not fetch the weights of alexnet \(.*no network.*file instead"
    ):
        load_backbone("alexnet", ["relu1"])


def test_xception_without_timm_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        RtstyleError, match=r"xception needs the package timm .* pip install 'rtstyle\[xception\]'"
    ):
        load_backbone("xception", DEFAULTS["xception"].dream)
