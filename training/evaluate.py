"""What a style is worth, in numbers: nearness to painting and photo, and steadiness in video."""

from collections.abc import Container, Iterable, Sequence
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone
from rtstyle.perception.losses import content_error, gram, grid_error, style_error
from rtstyle.training.edges import edge_changes, edge_rows
from rtstyle.training.steadiness import (
    Pair,
    Restyle,
    clip_pairs,
    exposure_ratio,
    flicker_ratio,
    flow_pair,
    known_motion_pairs,
    warped_error,
)

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu3_4")
CONTENT_LAYER = "relu3_3"
LAYERS = (*STYLE_LAYERS, CONTENT_LAYER)
GATYS_STEPS = 200
EDGE = 8  # pixels
MOST_PHOTOS = 100  # that are measured on; at 480 pixels they are a gigabyte
STEADY_PHOTOS = 6  # of the photos, for known motion, flicker and exposure


@torch.inference_mode()
def nearness(
    restyle: Restyle, photos: Iterable[Tensor], painting: Tensor, backbone: Backbone
) -> dict[str, float]:
    """Mean errors over photos (3, H, W) in [0, 1], each relative to its target's mean square.

    ``style_error``: Gram matrices of ``STYLE_LAYERS`` against the painting's (mean over layers);
    ``content_error``: ``CONTENT_LAYER`` against the photo's. The untouched photo has a content error
    of 0. ``backbone`` yields ``LAYERS``. ``grid``: the root of the mean ``grid_error``, in steps of
    8 bits; that of a photo is not quite 0. What the edges do to the outermost ``EDGE`` pixels, beyond what
    the size of a picture does to all (`edges.edge_rows`): ``frame``, the change of their colour in steps of
    8 bits (mean over photos, root mean square over the channels); ``edge contrast``, their deviation along
    the side, over what it is where the same pixels are no edge.
    """
    grams = {layer: gram(features) for layer, features in backbone(painting[None]).items()}
    rows, edges = [], []
    for photo in photos:
        image = restyle(photo[None])
        rows.append(_errors(image, backbone(photo[None]), grams, backbone))
        edges.append(torch.stack(edge_rows(restyle, photo[None], image)).mean((2, 3)))
    alone, within = torch.stack(edges).mean(0)  # each (2, 3, depth)
    colour, contrast = (change[..., :EDGE].mean(-1) for change in edge_changes(alone, within))
    return {
        **_means(rows),
        "frame": round(255 * float(colour.square().mean().sqrt()), 2),
        "edge contrast": round(1 + float(contrast.mean() / within[1, :, :EDGE].mean()), 2),
    }


def psnr(found: Tensor, wanted: Tensor) -> float:
    """Peak signal to noise in dB; of equal pictures what half a step of 8 bits gives."""
    return float(-10 * (found - wanted).square().mean().clamp(min=(0.5 / 255) ** 2).log10())


def gatys_optimum(
    photos: Iterable[Tensor],
    painting: Tensor,
    backbone: Backbone,
    *,
    style_weight: float,
    content_weight: float,
    steps: int = GATYS_STEPS,
) -> dict[str, float]:
    """The same errors of pictures whose pixels are optimised (Gatys et al. 2016, L-BFGS).

    Each starts from its photo and lowers the weighted sum of these very errors: of that sum it is about the
    least there is. Either error alone may be lower in a picture that trades them otherwise.
    """
    with torch.no_grad():
        grams = {layer: gram(features) for layer, features in backbone(painting[None]).items()}
    rows = []
    for photo in photos:
        with torch.no_grad():
            wanted = backbone(photo[None])
        image = photo[None].clone().requires_grad_(True)
        optimizer = torch.optim.LBFGS([image], max_iter=steps, tolerance_grad=0, tolerance_change=0)

        def total(image=image, optimizer=optimizer, wanted=wanted) -> Tensor:
            optimizer.zero_grad()
            found = backbone(image)
            style = sum(style_error(found[layer], grams[layer]) for layer in STYLE_LAYERS)
            content = content_error(found[CONTENT_LAYER], wanted[CONTENT_LAYER])
            loss = style_weight * style / len(STYLE_LAYERS) + content_weight * content
            loss.backward()
            return loss

        optimizer.step(total)
        with torch.no_grad():
            rows.append(_errors(image.clamp(0, 1), wanted, grams, backbone))
    return _means(rows)


@torch.inference_mode()
def steadiness(
    restyle: Restyle, photos: Sequence[Tensor], scenes: dict[str, list[Pair]]
) -> dict[str, dict[str, float]]:
    """Temporal figures by name, each with the restyled frames' and the input's own.

    ``scenes``: frame pairs by name; photos (3, H, W) give known motion, a static noisy scene and a
    change of exposure. The two ratios are 1 for the input by definition.
    """
    few = photos[:STEADY_PHOTOS]
    figures = {}
    for name, pairs in {**scenes, "known motion": list(known_motion_pairs(few))}.items():
        styled, own = warped_error(pairs, restyle)
        figures[name] = {"styled": round(styled, 4), "input": round(own, 4)}
    figures["flicker ratio"] = {"styled": round(flicker_ratio(few, restyle), 3), "input": 1.0}
    figures["exposure ratio"] = {"styled": round(exposure_ratio(few, restyle), 3), "input": 1.0}
    return figures


def load_scenes(flows: Iterable[Path], clips: Iterable[Path]) -> dict[str, list[Pair]]:
    """Frame pairs by name: folders with exact flow, and clips whose flow DIS finds."""
    scenes: dict[str, list[Pair]] = {}
    for folder in flows:
        scenes[free_name(f"flow {folder.name}", scenes)] = [flow_pair(folder)]
    for clip in clips:
        pairs = list(clip_pairs(clip))
        if not pairs:
            raise RtstyleError(f"{clip}: holds no two neighbouring frames of one scene to compare")
        scenes[free_name(f"clip {clip.stem}", scenes)] = pairs
    return scenes


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or with a number behind it where it is taken."""
    return next(each for n in count(1) if (each := name if n == 1 else f"{name} ({n})") not in taken)


def _errors(
    image: Tensor, wanted: dict[str, Tensor], grams: dict[str, Tensor], backbone: Backbone
) -> tuple[float, float, float]:
    found = backbone(image)
    style = sum(float(style_error(found[layer], grams[layer])) for layer in STYLE_LAYERS)
    content = float(content_error(found[CONTENT_LAYER], wanted[CONTENT_LAYER]))
    return style / len(STYLE_LAYERS), content, float(grid_error(image))


def _means(rows: list[tuple[float, float, float]]) -> dict[str, float]:
    style, content, grid = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return {
        "style_error": round(style, 4), "content_error": round(content, 4), "grid": round(255 * grid**0.5, 3),
    }  # fmt: skip
