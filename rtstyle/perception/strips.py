"""Features of a picture too large to hold them all: visited strip by strip, again for gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rtstyle.perception.backbones import Backbone, Joined
from rtstyle.perception.backbones.backbone import Block

# Layer, some rows of its features (B, C, h, W), the first of them, how many there are in all -> tensors,
# however nested.
Visit = Callable[[str, Tensor, int, int], Any]


def visit_features(
    backbone: Backbone, image: Tensor, visit: Visit, strip: int | None = None
) -> dict[str, list[Any]]:
    """What ``visit`` gives for every layer of the backbone: a list, one entry a strip from the top.

    ``strip``: about so many pixels of each block's input at once, in full width. Nothing of a strip
    but what ``visit`` returns is kept; gradients run each strip again (Chen et al. 2016), for about half
    as much time again. The values are those of the whole picture. None, or a backbone that is no chain
    of blocks: one strip, the whole, nothing computed twice.
    """
    if isinstance(backbone, Joined):
        found: dict[str, list[Any]] = {}
        for name, part in backbone.backbones.items():

            def visit_part(layer: str, features: Tensor, top: int, height: int, name: str = name) -> Any:
                return visit(f"{name}.{layer}", features, top, height)

            assert isinstance(part, Backbone)
            entries = visit_features(part, image, visit_part, strip)
            found |= {f"{name}.{layer}": entry for layer, entry in entries.items()}
        return found
    blocks = backbone.blocks()
    if strip is None or not blocks:
        return {
            layer: [visit(layer, features, 0, features.shape[2])]
            for layer, features in backbone(image).items()
        }
    whole: dict[str, list[Any]] = {layer: [] for layer in backbone.layers}
    features = image
    for block in blocks:
        reach = block.reach + block.reach % 2  # even, as every top: pooling pairs the same rows
        height, width = features.shape[2:]
        rows = max(2, strip // width // 2 * 2)
        onward = []
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            first, last = max(0, top - reach), min(height, bottom + reach)

            def run(
                part: Tensor,
                block: Block = block,
                height: int = height,
                top: int = top,
                bottom: int = bottom,
                first: int = first,
            ) -> tuple[Tensor, dict[str, Any]]:
                going, layers = block.run(part)
                step = 2 if block.halves else 1
                kept = going[:, :, (top - first) // step : bottom // step - first // step]
                own = slice(top - first, bottom - first)
                return kept, {
                    layer: visit(layer, each[:, :, own], top, height) for layer, each in layers.items()
                }

            rows_in = features[:, :, first:last]
            if torch.is_grad_enabled():
                going, visited = checkpoint(run, rows_in, use_reentrant=False, preserve_rng_state=False)
            else:
                going, visited = run(rows_in)
            onward.append(going)
            for layer, entry in visited.items():
                whole[layer].append(entry)
        features = torch.cat(onward, dim=2)
    return whole
