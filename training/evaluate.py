"""``python -m rtstyle.training.evaluate STYLE --style PICTURE --content DIR``: errors to both pictures."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network
from rtstyle.perception.backbones import Backbone, load_backbone
from rtstyle.perception.losses import content_error, gram, style_error
from rtstyle.styles import load_style
from rtstyle.training.data import list_pictures, read_picture

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu3_4")
CONTENT_LAYER = "relu3_3"
SHORTER_SIDE = 480  # pixels, of the photos


def evaluate(
    network: Network, painting: Tensor, folder: Path, weights: str | Path | None
) -> dict[str, float]:
    """``errors`` over the photos of a folder, and their number; ``weights``: VGG19's file, if not fetched."""
    backbone = load_backbone("vgg19", [*STYLE_LAYERS, CONTENT_LAYER], weights)
    paths = list_pictures(folder)
    photos = (read_picture(path, SHORTER_SIDE) for path in paths)
    return {"photos": len(paths)} | errors(network, photos, painting, backbone)


@torch.inference_mode()
def errors(
    network: Network, photos: Iterable[Tensor], painting: Tensor, backbone: Backbone
) -> dict[str, float]:
    """Mean errors over photos (3, H, W) in [0, 1], each relative to its target's mean square.

    ``style_error``: Gram matrices of ``STYLE_LAYERS`` against the painting's (mean over layers);
    ``content_error``: ``CONTENT_LAYER`` against the photo's; ``photo_style_error``: of the untouched
    photo, whose content error is 0. The backbone yields those layers.
    """
    grams = {layer: gram(features) for layer, features in backbone(painting[None]).items()}
    rows = []
    for photo in photos:
        before = backbone(photo[None])
        after = backbone(network(photo[None]).clamp(0, 1))
        rows.append(
            [
                _mean(style_error(after[layer], grams[layer]) for layer in STYLE_LAYERS),
                content_error(after[CONTENT_LAYER], before[CONTENT_LAYER]).item(),
                _mean(style_error(before[layer], grams[layer]) for layer in STYLE_LAYERS),
            ]
        )
    names = ("style_error", "content_error", "photo_style_error")
    return {
        name: round(_mean(column), 4) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _mean(values: Iterable[Tensor | float]) -> float:
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rtstyle.training.evaluate", description=__doc__)
    parser.add_argument("name", help="style name or file")
    parser.add_argument("--style", type=Path, required=True, help="its painting")
    parser.add_argument("--content", type=Path, required=True, help="folder of photos it was not trained on")
    parser.add_argument("--backbone-weights", help="VGG19 weights file; without it torchvision's are fetched")
    given = parser.parse_args()
    style, network = load_style(given.name)
    painting = read_picture(given.style, style.recipe.get("style_size", SHORTER_SIDE))
    figures = evaluate(network, painting, given.content, given.backbone_weights)
    sys.stdout.write(json.dumps({"style": style.name} | figures) + "\n")


if __name__ == "__main__":
    try:
        main()
    except RtstyleError as error:
        sys.exit(f"error: {error}")
