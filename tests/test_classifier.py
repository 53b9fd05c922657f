"""Classes as a layer: the classifier's own answer, its names, and files written with one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Classifier, layers_of, load_backbone, load_classified
from rtstyle.perception.backbones.classifier import add_classifier, read_classifier
from rtstyle.perception.backbones.networks import build
from rtstyle.perception.backbones.resnet_v2 import ResNet50V2
from rtstyle.perception.backbones.weights import read_weights, write_weights
from rtstyle.stylizers.activations import Activations, Target
from rtstyle.stylizers.dream_layers import load_dreaming, parse_targets
from tests.test_backbones import PREFIX, small_weights, vgg_weights
from tests.test_traced_backbones import weights_of

NAMES = ("cat", "dog", "great tit")


@pytest.fixture
def classified(tmp_path: Path) -> Path:
    """A VGG16 to relu3_2 (8 channels) with a classifier of three classes over it."""
    file = tmp_path / "birds.safetensors"
    random = torch.Generator().manual_seed(3)
    classifier = Classifier(
        "relu3_2", torch.randn((3, 8), generator=random), torch.randn(3, generator=random), NAMES
    )
    write_weights(file, *add_classifier(vgg_weights(PREFIX), classifier))
    return file


def photo() -> Tensor:
    return torch.rand((3, 32, 40), generator=torch.Generator().manual_seed(1))


def test_logits_are_the_classifiers_less_their_mean(classified: Path) -> None:
    backbone, names = load_classified("vgg16", ["logits", "relu2_1"], classified)
    found = backbone(photo()[None])
    assert (list(found), names) == (["logits", "relu2_1"], NAMES)
    held = read_weights(classified)[0]
    features = load_backbone("vgg16", ["relu3_2"], classified)(photo()[None])["relu3_2"]
    logits = features.mean((2, 3)) @ held["classifier.weight"].T + held["classifier.bias"]
    torch.testing.assert_close(found["logits"].mean((2, 3)), logits - logits.mean(), rtol=1e-4, atol=1e-5)
    assert backbone.smallest == 4


def test_a_step_up_raises_the_class(classified: Path) -> None:
    backbone, targets, _ = load_dreaming("vgg16", classified, parse_targets("logits:Great Tit"))
    assert targets == (Target("logits", 2, 1.0, "great tit"),)
    assert str(targets[0]) == "logits:great tit"
    seen = Activations(backbone, targets)
    before, gradient = seen.rise(photo())
    torch.testing.assert_close(before, float(backbone(photo()[None])["logits"][:, 2].mean()))
    assert seen.rise(photo() + 0.01 * gradient / gradient.std())[0] > before
    with_weight = load_dreaming("vgg16", classified, parse_targets("logits:2,relu2_1=0.5"))[1]
    assert with_weight == (Target("logits", 2), Target("relu2_1", None, 0.5))


def test_a_class_that_is_called_a_number_goes_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "digits.safetensors"
    classifier = Classifier("relu3_2", torch.zeros(3, 8), torch.zeros(3), ("1", "2", "03"))
    write_weights(file, *add_classifier(vgg_weights(PREFIX), classifier))
    named, padded, numbered = load_dreaming("vgg16", file, parse_targets("logits:1,logits:03,logits:0"))[1]
    assert (named.channel, padded.channel, numbered.channel) == (0, 2, 0)


def test_published_files_hold_imagenets_classes(tmp_path: Path) -> None:
    file = tmp_path / "whole.safetensors"
    head = {"fc.weight": torch.rand(1000, 2048), "fc.bias": torch.rand(1000)}
    save_file(head, file)
    classifier = read_classifier("resnet50", file)
    assert (classifier.layer, classifier.names[281]) == ("layer4", "tabby")
    save_file({"fc.weight": torch.rand(365, 2048), "fc.bias": torch.rand(365)}, file)
    assert read_classifier("resnet50", file).names == (), "the classes of other pictures"


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ("logits:dogs", "no class named 'dogs'; the weights know dog, "),
        ("logits:3", "logits has channels 0 to 2"),
        ("logits", "name the class"),
        ("relu3_1:cat", "a channel is a whole number"),
    ],
)
def test_a_class_that_is_not_there(classified: Path, layers: str, says: str) -> None:
    with pytest.raises(RtstyleError, match=says):
        backbone, targets, _ = load_dreaming("vgg16", classified, parse_targets(layers))
        Activations(backbone, targets)


def test_a_file_without_a_classifier_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vgg16.safetensors"
    save_file(vgg_weights(PREFIX), file)
    with pytest.raises(RtstyleError, match="hold no classifier"):
        load_dreaming("vgg16", file, parse_targets("logits:281"))
    with pytest.raises(RtstyleError, match="more than a linear map"):
        load_dreaming("vgg16", None, parse_targets("logits:281"))


def resnet_v2_weights() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(5)
    return {
        key: torch.rand(value.shape, generator=random) / value[0].numel()
        for key, value in build(ResNet50V2).state_dict().items()
        if key.startswith(("bn0", "conv1", "bn1", "layer1")) and not key.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("name", ["vgg19", "small_vgg19", "resnet50", "resnet50 v2", "googlenet"])
def test_what_is_written_loads_as_it_was(tmp_path: Path, name: str) -> None:
    name, _, second = name.partition(" ")
    weights = {"vgg19": lambda: vgg_weights(PREFIX), "small_vgg19": small_weights}.get(
        name, resnet_v2_weights if second else lambda: weights_of(name)
    )()
    first, after = tmp_path / "first.safetensors", tmp_path / "after.safetensors"
    save_file(weights, first)
    deepest = {"vgg19": "relu3_2", "small_vgg19": "relu1_2", "resnet50": "layer1", "googlenet": "inception3b"}
    layers = layers_of(name)[: layers_of(name).index(deepest[name]) + 1]
    backbone = load_backbone(name, layers, first)
    write_weights(after, backbone.file_weights(), {})
    image = torch.rand((1, 3, 48, 40), generator=torch.Generator().manual_seed(2))
    again = load_backbone(name, layers, after)(image)
    assert all(torch.equal(again[layer], features) for layer, features in backbone(image).items())
