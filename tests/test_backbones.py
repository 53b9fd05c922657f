"""Backbones: the papers' layers, nothing deeper, their own normalisation, one line for what is missing."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import (
    DEFAULTS,
    Joined,
    SmallVgg19,
    Vgg,
    check_files,
    layers_of,
    load_backbone,
)
from rtstyle.perception.backbones.vgg import PLANS
from rtstyle.perception.statistics import STATISTICS
from rtstyle.stylizers import defaults
from rtstyle.stylizers.gatys_layers import reach
from rtstyle.stylizers.optimizers import OPTIMIZERS
from rtstyle.training.objective import load_backbones

Weights = dict[str, torch.Tensor]


def vgg_weights(convolutions: dict[int, tuple[int, int]]) -> Weights:
    """Random weights; {index in torchvision's features: (channels in, channels out)}."""
    torch.manual_seed(1)
    weights = {}
    for index, (channels_in, channels_out) in convolutions.items():
        weights[f"features.{index}.weight"] = torch.randn(channels_out, channels_in, 3, 3) / channels_in
        weights[f"features.{index}.bias"] = torch.randn(channels_out)
    return weights


# relu1_1 to relu3_2, the only channels that are VGG's own being the picture's three
PREFIX = {0: (3, 4), 2: (4, 4), 5: (4, 6), 7: (6, 6), 10: (6, 8), 12: (8, 8)}


def small_weights() -> Weights:
    torch.manual_seed(2)
    shapes = {"conv0": (3, 3, 1), "conv11": (3, 4, 3), "conv11_aux": (4, 9, 1), "conv12": (4, 4, 3)}
    weights = {}
    for name, (channels_in, channels_out, size) in shapes.items():
        weights[f"SE5.{name}.weight"] = torch.randn(channels_out, channels_in, size, size)
        weights[f"SE5.{name}.bias"] = torch.randn(channels_out)
    return weights


@pytest.fixture
def vgg_file(tmp_path: Path) -> Path:
    file = tmp_path / "vgg.safetensors"
    save_file(vgg_weights(PREFIX), file)
    return file


def test_layers_by_hand(vgg_file: Path) -> None:
    weights = vgg_weights(PREFIX)
    image = torch.rand(2, 3, 16, 20)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def step(features: torch.Tensor, index: int) -> torch.Tensor:
        weight, bias = weights[f"features.{index}.weight"], weights[f"features.{index}.bias"]
        return F.relu(F.conv2d(features, weight, bias, padding=1))

    first = step((image - mean) / deviation, 0)
    third = step(F.max_pool2d(step(first, 2), 2), 5)
    found = load_backbone("vgg19", ["relu2_1", "relu1_1"], vgg_file)(image)
    assert set(found) == {"relu1_1", "relu2_1"}
    torch.testing.assert_close(found["relu1_1"], first)
    torch.testing.assert_close(found["relu2_1"], third)


def test_nothing_deeper_than_asked_for_is_built(vgg_file: Path) -> None:
    backbone = load_backbone("vgg19", ["relu1_2", "relu2_1"], vgg_file)
    assert isinstance(backbone, Vgg)
    convolutions = [part for part in backbone.features if isinstance(part, torch.nn.Conv2d)]
    assert len(convolutions) == 3
    assert isinstance(backbone.features[-1], torch.nn.ReLU)


def test_caffe_weights_see_bytes_minus_their_mean(tmp_path: Path) -> None:
    weights = vgg_weights({0: (3, 4)})
    file = tmp_path / "caffe.safetensors"
    save_file(weights, file, {"preprocessing": "RGB 0..255 minus [123.68, 116.779, 103.939]"})
    image = torch.rand(1, 3, 8, 8)
    byte_range = image * 255 - torch.tensor([123.68, 116.779, 103.939]).view(3, 1, 1)
    expected = F.relu(
        F.conv2d(byte_range, weights["features.0.weight"], weights["features.0.bias"], padding=1)
    )
    found = load_backbone("vgg16", ["relu1_1"], file)(image)["relu1_1"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("name", "index"), [("vgg19", 34), ("vgg16", 28)])
def test_the_papers_names_are_torchvisions_indices(name: str, index: int) -> None:
    from torchvision import models

    with torch.device("meta"):  # its shape alone, no weights
        features = models.get_model(name).features
    plan = PLANS[name]
    convolutions = [i for i, part in enumerate(features) if isinstance(part, torch.nn.Conv2d)]
    assert list(plan.values()) == convolutions
    assert plan["relu5_4" if name == "vgg19" else "relu5_3"] == index


def test_weights_are_frozen_and_the_picture_is_not(vgg_file: Path) -> None:
    backbone = load_backbone("vgg19", ["relu2_1"], vgg_file)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    backbone(image)["relu2_1"].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0


def test_small_vgg_maps_first_layers_to_vggs_channels(tmp_path: Path) -> None:
    weights = small_weights()
    file = tmp_path / "small.safetensors"
    save_file(weights, file)
    image = torch.rand(1, 3, 12, 10)

    def step(features: torch.Tensor, name: str, padding: int = 0) -> torch.Tensor:
        features = F.pad(features, (padding,) * 4, mode="reflect")
        return F.conv2d(features, weights[f"SE5.{name}.weight"], weights[f"SE5.{name}.bias"])

    own = F.relu(step(step(image, "conv0"), "conv11", 1))
    found = load_backbone("small_vgg19", ["relu1_1", "relu1_2"], file)(image)
    torch.testing.assert_close(found["relu1_1"], F.relu(step(own, "conv11_aux")))
    torch.testing.assert_close(found["relu1_2"], F.relu(step(own, "conv12", 1)))


def test_small_vgg_is_fetched_from_its_authors_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = {key.removeprefix("SE5."): value for key, value in small_weights().items()}
    asked = []

    def fetch(url: str, **options: object) -> dict[str, object]:
        asked.append((url, options["weights_only"]))
        return {"model": weights, "epoch": 20}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    with pytest.raises(RtstyleError, match=r"5SE\.pth: not the weights it had; give a file"):
        load_backbone("small_vgg19", ["relu1_1"])
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].numpy().tobytes())
    monkeypatch.setattr("rtstyle.perception.backbones.weights._SMALL_DIGEST", digest.hexdigest())
    image = torch.rand(1, 3, 12, 10)
    found = load_backbone("small_vgg19", ["relu1_1"])(image)["relu1_1"]
    assert torch.equal(found, SmallVgg19(["relu1_1"], small_weights())(image)["relu1_1"])
    assert [(url.rpartition("/")[2], safe) for url, safe in asked] == [("5SE.pth", True)] * 2

    def unreachable(url: str, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(
        RtstyleError, match=r"could not fetch the weights of small_vgg19 \(no route to host\)"
    ):
        load_backbone("small_vgg19", ["relu1_1"])
    with pytest.raises(
        RtstyleError,
        match=r"instead \(--backbone-weights small_vgg19=FILE\), or do without: --loss-network vgg19$",
    ):
        load_backbones(["small_vgg19.relu1_1"], {})


def test_what_was_fetched_in_its_place_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints" / "small_vgg19-5SE.pth"
    kept.parent.mkdir(parents=True)
    for what in (b"<html>log in first</html>", {"conv11.weight": torch.zeros(1)}):
        kept.write_bytes(what) if isinstance(what, bytes) else torch.save(what, kept)
        with pytest.raises(RtstyleError, match=r"give a (weights )?file"):
            load_backbone("small_vgg19", ["relu1_1"])
        assert not kept.exists()


def test_small_vggs_file_may_be_as_published(tmp_path: Path) -> None:
    weights = {key.removeprefix("SE5."): value for key, value in small_weights().items()}
    torch.save({"model": weights}, tmp_path / "5SE.pth")
    image = torch.rand(1, 3, 12, 10)
    found = load_backbone("small_vgg19", ["relu1_1"], tmp_path / "5SE.pth")(image)["relu1_1"]
    assert torch.equal(found, SmallVgg19(["relu1_1"], small_weights())(image)["relu1_1"])


def test_joined_names_say_whose_layer_it_is(vgg_file: Path) -> None:
    one, two = load_backbone("vgg19", ["relu1_1"], vgg_file), load_backbone("vgg19", ["relu1_2"], vgg_file)
    joined = Joined(exact=one, other=two)
    image = torch.rand(1, 3, 16, 16)
    assert joined.layers == ("exact.relu1_1", "other.relu1_2")
    found = joined(image)
    assert set(found) == set(joined.layers)
    assert torch.equal(found["other.relu1_2"], two(image)["relu1_2"])


def test_a_flat_picture_is_flat_within_the_edge(vgg_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "small.safetensors"
    save_file(small_weights(), file)
    parts = {"vgg19": vgg_file, "small_vgg19": file}
    joined = Joined(**{name: load_backbone(name, ["relu1_1"], held) for name, held in parts.items()})
    for layer, features in joined(torch.full((1, 3, 16, 16), 0.7)).items():
        edge = joined.edge(layer)
        assert edge == (1 if layer.startswith("vgg19") else 0), "zeros around it, or its own mirror picture"
        inside = features[:, :, edge : 16 - edge, edge : 16 - edge]
        torch.testing.assert_close(inside, inside[:, :, :1, :1].expand_as(inside))


@pytest.mark.parametrize(
    ("name", "layer", "says"),
    [
        ("vgg19", "relu4_2", "vgg19: relu4_2 was asked for, but the weights hold only relu1_1, "),
        ("vgg19", "relu6_1", "vgg19 has no layer 'relu6_1'; there are: relu1_1, relu1_2, "),
        ("vgg16", "relu3_4", "vgg16 has no layer 'relu3_4'"),
        ("vgg11", "relu1_1", "no backbone named 'vgg11'; there are: vgg19, vgg16, small_vgg19, "),
        ("small_vgg19", "relu1_1", "vgg.safetensors: holds weights of vgg19 or vgg16, not of small_vgg19; "),
        ("small_vgg19", "relu5_2", "small_vgg19 has no layer 'relu5_2'"),
    ],
)
def test_what_is_missing_is_one_clear_line(vgg_file: Path, name: str, layer: str, says: str) -> None:
    with pytest.raises(RtstyleError) as caught:
        load_backbone(name, [layer], vgg_file)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_hole_in_the_weights_is_no_reach(tmp_path: Path) -> None:
    file = tmp_path / "holed.safetensors"
    save_file(vgg_weights({0: (3, 4), 5: (4, 6)}), file)
    with pytest.raises(RtstyleError, match=r"relu2_1 was asked for, but the weights hold only relu1_1"):
        load_backbone("vgg19", ["relu2_1"], file)


def test_an_unreadable_file_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(b"no weights at all")
    with pytest.raises(RtstyleError, match=r"broken\.safetensors: not readable as \.safetensors weights"):
        load_backbone("vgg19", ["relu1_1"], file)
    with pytest.raises(RtstyleError, match=r"absent\.safetensors: not readable"):
        load_backbone("vgg19", ["relu1_1"], tmp_path / "absent.safetensors")


def first(index: str, shape: tuple[int, ...]) -> Weights:
    return {f"features.{index}.weight": torch.zeros(shape), f"features.{index}.bias": torch.zeros(shape[0])}


ALEXNET = first("0", (64, 3, 11, 11))
# Its first convolution has VGG's shape, and would do for relu1_1.
SQUEEZENET = first("0", (64, 3, 3, 3)) | first("3.squeeze", (16, 64, 1, 1))
# The same modules to relu3_3: then VGG19 goes on with features.16, VGG16 with features.17.
VGG16 = vgg_weights({**PREFIX, 14: (8, 8), 17: (8, 8)})
STRANGE = first("0", (64, 5, 3, 3))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (ALEXNET, r"other\.pth: holds weights of alexnet, not of vgg19; is it the wrong file"),
        (SQUEEZENET, r"other\.pth: holds weights of squeezenet1_1, not of vgg19; "),
        (VGG16, r"other\.pth: holds weights of vgg16, not of vgg19; "),
        (STRANGE, r"other\.pth: vgg19: features\.0\.weight is \(64, 5, 3, 3\) in the weights"),
    ],
)
def test_another_networks_weights_are_one_clear_line(weights: Weights, says: str, tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "other.pth")
    for load in (lambda file: load_backbone("vgg19", ["relu1_1"], file), lambda file: reach("vgg19", file)):
        with pytest.raises(RtstyleError, match=says):
            load(tmp_path / "other.pth")


def test_weights_that_nothing_reads_are_one_clear_line(vgg_file: Path) -> None:
    check_files({"vgg16": vgg_file}, ["vgg16"])
    check_files({"small_vgg19": vgg_file}, ["vgg19"], spare=["small_vgg19"])
    with pytest.raises(RtstyleError) as caught:
        check_files({"vgg16": vgg_file}, ["vgg19"], "--loss-network", spare=["small_vgg19"])
    assert str(caught.value) == (
        f"vgg16={vgg_file}: nothing uses the weights of vgg16, the backbone is vgg19; "
        "add --loss-network vgg16, or leave them out"
    )
    with pytest.raises(RtstyleError, match=r"vgg19: no weights file at 'none\.pth'"):
        check_files({"vgg19": "none.pth"}, ["vgg19"])


@pytest.mark.parametrize(("layer", "side"), [("relu1_1", 1), ("relu2_1", 2), ("relu3_2", 4)])
def test_the_smallest_picture_halves_to_a_pixel(vgg_file: Path, layer: str, side: int) -> None:
    backbone = load_backbone("vgg19", [layer], vgg_file)
    assert backbone.smallest == side
    assert backbone(torch.rand(1, 3, side, side + 3))[layer].shape[-2] == 1
    if side > 1:
        with pytest.raises(
            RtstyleError, match=rf"{side + 3}x{side - 1} is too small for {layer}: .* {side} pix"
        ):
            backbone(torch.rand(1, 3, side - 1, side + 3))


def test_an_error_of_another_kind_is_not_called_smallness(vgg_file: Path) -> None:
    with pytest.raises(RuntimeError, match="size of tensor"):
        load_backbone("vgg19", ["relu2_1"], vgg_file)(torch.rand(1, 2, 64, 64))


def test_defaults_are_layers_shallow_to_deep() -> None:
    assert DEFAULTS["vgg19"].content == ("relu4_2",)
    assert DEFAULTS["vgg19"].style == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    for name, layers in DEFAULTS.items():
        known = layers_of(name)
        assert len(set(known)) == len(known)
        for chosen in layers:
            places = [known.index(layer) for layer in chosen]
            assert places and places == sorted(places)


def test_what_the_command_line_names_is_there() -> None:
    assert set(defaults.BACKBONES) == set(DEFAULTS)
    assert set(defaults.STATISTICS) == set(STATISTICS)
    assert set(defaults.OPTIMIZERS) == set(OPTIMIZERS)
