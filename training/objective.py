"""What a style network is trained for: the photo's content, the painting's statistics."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError, likely
from rtstyle.perception.backbones import Backbone, Joined, layers_of, load_backbone
from rtstyle.perception.losses import content_error, gram, grid_error, style_error, total_variation


class Objective:
    """Named, weighted terms of one step; their sum is what training lowers (Johnson 2016, section 3.2)."""

    def __init__(
        self,
        backbone: Backbone,
        content_backbone: Backbone,
        painting: Tensor,
        *,
        style: Mapping[str, float],
        content: Mapping[str, float],
        variation: float,
        grid: float,
    ) -> None:
        """``backbone`` yields every layer named in ``style`` and ``content`` (layer name to weight),
        ``content_backbone`` at least the latter; ``painting``: (3, H, W) in [0, 1]."""
        self.backbone, self.content_backbone = backbone, content_backbone
        self.style, self.content, self.variation, self.grid = style, content, variation, grid
        with torch.no_grad():
            features = backbone(painting[None])
            self.grams = {layer: gram(features[layer]) for layer in style}

    def __call__(self, output: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Terms for outputs (B, 3, H, W) of photos of the same shape, each a scalar, already weighted."""
        with torch.no_grad():
            wanted = self.content_backbone(photo)
        features = self.backbone(output)
        terms = {
            f"content {layer}": weight * content_error(features[layer], wanted[layer])
            for layer, weight in self.content.items()
        }
        for layer, weight in self.style.items():
            terms[f"style {layer}"] = weight * style_error(features[layer], self.grams[layer])
        terms["variation"] = self.variation * total_variation(output)
        terms["grid"] = self.grid * grid_error(output)
        return terms


def by_backbone(layers: Iterable[str]) -> dict[str, list[str]]:
    """``backbone.layer`` names as {backbone: its layers}. Raises RtstyleError for a name that is none."""
    wanted: dict[str, list[str]] = {}
    for name in layers:
        backbone, dot, layer = name.partition(".")
        if not dot:
            raise RtstyleError(f"recipe: a layer is named backbone.layer, such as vgg19.{name}; got {name!r}")
        if layer not in (known := layers_of(backbone)):
            hint = likely(layer, known) or f"there are: {', '.join(known)}"
            raise RtstyleError(f"recipe: {backbone} has no layer {layer!r}; {hint}")
        wanted.setdefault(backbone, []).append(layer)
    return wanted


def load_backbones(layers: list[str], files: Mapping[str, str]) -> Joined:
    """The backbones that ``backbone.layer`` names speak of; ``files``: {backbone: its weights file}.

    Raises RtstyleError for a name of another form, a file that is missing or ends before a layer.
    """
    loaded = {}
    for backbone, own in by_backbone(layers).items():
        file = files.get(backbone)
        if file is not None and not Path(file).is_file():
            raise RtstyleError(f"{backbone}: no weights file at '{file}'")
        try:
            loaded[backbone] = load_backbone(backbone, own, file)
        except RtstyleError as error:
            where = "" if file is None or str(file) in str(error) else f" ('{file}')"
            without = backbone == "small_vgg19" and file is None
            where += ", or do without: --loss-network vgg19" if without else ""
            raise RtstyleError(f"{error}{where}") from error
    return Joined(**loaded)
