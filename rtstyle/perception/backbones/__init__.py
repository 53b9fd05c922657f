"""Frozen image networks whose layers measure what a picture shows and how it is painted."""

from rtstyle.perception.backbones.backbone import (
    CAFFE_MEAN,
    TORCHVISION_DEVIATION,
    TORCHVISION_MEAN,
    Backbone,
    Joined,
)
from rtstyle.perception.backbones.catalogue import DEFAULTS, Defaults, check_files, layers_of, load_backbone
from rtstyle.perception.backbones.classifier import LOGITS, Classifier, load_classified
from rtstyle.perception.backbones.vgg import SmallVgg19, Vgg

__all__ = [
    "CAFFE_MEAN",
    "DEFAULTS",
    "LOGITS",
    "TORCHVISION_DEVIATION",
    "TORCHVISION_MEAN",
    "Backbone",
    "Classifier",
    "Defaults",
    "Joined",
    "SmallVgg19",
    "Vgg",
    "check_files",
    "layers_of",
    "load_backbone",
    "load_classified",
]
