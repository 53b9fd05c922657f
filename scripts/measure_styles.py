"""Measure shipped styles, write the figures into their cards, print the table of models/README.md.

python scripts/measure_styles.py --paintings DIR --photos DIR --flow DIR --clip FILE --backbone-weights FILE
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import torch

from rtstyle.perception.backbones import load_backbone
from rtstyle.perception.losses import gram, gram_error
from rtstyle.style_file import Style, save_style
from rtstyle.styles import list_styles, load_style
from rtstyle.training.data import list_pictures, read_picture
from rtstyle.training.evaluate import LAYERS, STYLE_LAYERS, load_scenes, nearness, steadiness

FOLDER = Path(__file__).resolve().parent.parent / "models"
SIZE = 480  # pixels, shorter side of the photos


def figures_of(
    name: str,
    painting: torch.Tensor,
    photos: list[torch.Tensor],
    photo_grams: list[dict[str, torch.Tensor]],
    scenes: dict[str, Any],
    backbone: Any,
) -> dict[str, Any]:
    """The card's figures: nearness of the style and of the untouched photos, steadiness and the input's."""
    _, network = load_style(name)
    network = network.to(memory_format=torch.channels_last)

    def restyle(image: torch.Tensor) -> torch.Tensor:
        return network(image).clamp(0, 1)

    near = nearness(restyle, photos, painting, backbone)
    with torch.inference_mode():
        target = {layer: gram(features) for layer, features in backbone(painting[None]).items()}
    untouched = [
        float(gram_error(own[layer], target[layer])) for own in photo_grams for layer in STYLE_LAYERS
    ]
    found: dict[str, Any] = {"photos": len(photos), "photo_size": SIZE, **near}
    found["photo_style_error"] = round(sum(untouched) / len(untouched), 4)
    for scene, row in steadiness(restyle, photos, scenes).items():
        found[scene] = row["styled"]
        if not scene.endswith("ratio"):
            found[f"{scene} (input)"] = row["input"]
    return found


def row_of(card: Style) -> str:
    f = card.figures
    clips = [value for key, value in f.items() if key.startswith("clip ") and not key.endswith("(input)")]
    flows = [value for key, value in f.items() if key.startswith("flow ") and not key.endswith("(input)")]
    cells = [
        f"`{card.name}`", card.title, card.network,
        f"{f['style_error']:.3f} ({f['photo_style_error']:.2f})", f"{f['content_error']:.2f}",
        f"{f['grid']:.1f}", f"{f['frame']:.1f} ({f['edge contrast']:.2f})",
        " / ".join(f"{value:.3f}" for value in flows),
        f"{sum(clips) / len(clips):.3f}" if clips else "",
        f"{f['known motion']:.3f}", f"{f['flicker ratio']:.2f}", f"{f['exposure ratio']:.2f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paintings", type=Path, required=True, help="folder with NAME.jpg for each style")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--flow", type=Path, action="append", default=[])
    parser.add_argument("--clip", type=Path, action="append", default=[])
    parser.add_argument("--backbone-weights", type=Path)
    parser.add_argument("--styles", help="names, with commas (all shipped ones)")
    options = parser.parse_args()
    photos = [read_picture(path, SIZE) for path in list_pictures(options.photos)]
    scenes = load_scenes(options.flow, options.clip)
    backbone = load_backbone("vgg19", LAYERS, options.backbone_weights)
    with torch.inference_mode():  # the same for every style
        photo_grams = [
            {layer: gram(features) for layer, features in backbone(photo[None]).items()} for photo in photos
        ]
    wanted = (
        options.styles.split(",") if options.styles else [path.stem for path in FOLDER.glob("*.safetensors")]
    )
    for card in list_styles():
        if card.name not in wanted:
            continue
        # Where the style is not named after its painting, the recipe names that.
        painting = card.recipe.get("picture", card.name.removesuffix("_johnson"))
        size = card.recipe.get("style_size", SIZE)
        target = read_picture(options.paintings / f"{painting}.jpg", size)
        card = dataclasses.replace(
            card, figures=figures_of(card.name, target, photos, photo_grams, scenes, backbone)
        )
        save_style(FOLDER / f"{card.name}.safetensors", load_style(card.name)[1], card, half=True)
        print(row_of(card), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
