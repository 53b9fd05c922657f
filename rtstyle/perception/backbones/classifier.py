"""The classifier that a network ends with, as one more layer: ``logits``, with a channel for each class."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones.backbone import Backbone
from rtstyle.perception.backbones.catalogue import load_backbone
from rtstyle.perception.backbones.weights import fetch_weights, read_weights

LOGITS = "logits"

# Networks that end with a linear map of their last layer's mean over all places, and its name. The ReLU
# after SqueezeNet's is left out. The others' (VGG, AlexNet, Xception) come after more layers.
_PUBLISHED = {
    "resnet50": ("layer4", "fc"),
    "googlenet": ("inception5b", "fc"),
    "inception_v3": ("Mixed_7c", "fc"),
    "efficientnet_b7": ("features.8", "classifier.1"),
    "squeezenet1_1": ("fire9", "classifier.1"),
}
# Of files with a classifier of their own: its tensors, and the metadata that say what it is.
OWN, CLASSES, LAYER = "classifier", "classes", "classifier_layer"


class Classifier(NamedTuple):
    """A linear map of a layer's mean over all places."""

    layer: str
    weight: Tensor  # (classes, C)
    bias: Tensor  # (classes,)
    names: tuple[str, ...]  # of the classes; () where the file does not say


class Classified(Backbone):
    """A backbone with the layer ``logits``: (B, classes, h, w), what each place adds to a picture's own.

    They are less the mean over the classes: what all of them have in common tells nothing of any.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, backbone: Backbone, classifier: Classifier, layers: Sequence[str]) -> None:
        """``backbone`` has the classifier's layer and those of ``layers``, ``logits`` apart."""
        super().__init__()
        self.layers = tuple(layers)
        self.backbone, self._layer = backbone, classifier.layer
        self.register_buffer("weight", (classifier.weight - classifier.weight.mean(0))[:, :, None, None])
        self.register_buffer("bias", classifier.bias - classifier.bias.mean())
        self.eval()

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        found = self.backbone._features(image)
        found[LOGITS] = F.conv2d(found[self._layer], self.weight, self.bias)
        return {layer: found[layer] for layer in self.layers}


def load_classified(
    name: str, layers: Sequence[str], file: str | Path | None = None
) -> tuple[Classified, tuple[str, ...]]:
    """As `load_backbone`, with ``logits`` among the layers; and the names of the classes.

    Raises RtstyleError also where the weights hold no classifier of the kind above.
    """
    classifier = read_classifier(name, file)
    inner = dict.fromkeys([*(layer for layer in layers if layer != LOGITS), classifier.layer])
    return Classified(load_backbone(name, inner, file), classifier, layers), classifier.names


def read_classifier(name: str, file: str | Path | None = None) -> Classifier:
    """The classifier in a backbone's weights. Raises RtstyleError where there is none."""
    if file is None and name not in _PUBLISHED:
        raise RtstyleError(
            f"{name}: no logits: its published classifier is more than a linear map; "
            f"those of {', '.join(_PUBLISHED)} have them, and what train-backbone writes"
        )
    weights, metadata = (fetch_weights(name), {}) if file is None else read_weights(file)
    if LAYER in metadata:
        layer, module = metadata[LAYER], OWN
        names = tuple(json.loads(metadata.get(CLASSES, "[]")))
    else:
        layer, module = _PUBLISHED.get(name, ("", ""))
        names = ()
    if f"{module}.weight" not in weights or f"{module}.bias" not in weights:
        where = "the weights" if file is None else str(file)
        raise RtstyleError(
            f"{name}: {where} hold no classifier that logits could come from; "
            "take a network's whole file, or one that train-backbone wrote"
        )
    weight, bias = weights[f"{module}.weight"].flatten(1), weights[f"{module}.bias"]
    return Classifier(layer, weight, bias, names or _imagenet(name, len(weight)))


def add_classifier(
    weights: Mapping[str, Tensor], classifier: Classifier
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file that `read_classifier` reads the classifier from."""
    tensors = {**weights, f"{OWN}.weight": classifier.weight, f"{OWN}.bias": classifier.bias}
    return tensors, {LAYER: classifier.layer, CLASSES: json.dumps(classifier.names)}


def _imagenet(name: str, count: int) -> tuple[str, ...]:
    """ImageNet's names, for as many classes as it has."""
    from torchvision import models

    names = models.get_model_weights(name)["IMAGENET1K_V1"].meta["categories"] if name in _PUBLISHED else []
    return tuple(names) if len(names) == count else ()
