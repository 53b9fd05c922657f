"""What a layer keeps of a picture: another picture made from its features alone, or from their statistics.

From features: Mahendran and Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them";
from the statistics of layers 1 to n: Gatys, Ecker, Bethge 2016, figure 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rtstyle.perception.backbones import Backbone
from rtstyle.stylizers.descent import Step, optimise
from rtstyle.stylizers.gatys_objective import GatysObjective, Region, style_targets

# Noise grows between features that do not see it; a little smoothness takes it away where the layer is
# silent, and is too little to blur what the layer knows.
VARIATION = 1e-3
# Deviation of the noise about gray that it begins with: for features more is only there to be taken away,
# statistics have nothing to go by without it.
CONTENT_NOISE, STYLE_NOISE = 0.01, 0.1


def from_content(
    backbone: Backbone,
    picture: Tensor,
    layer: str,
    steps: int,
    *,
    seed: int = 0,
    listener: Callable[[Step], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Tensor:
    """The picture (3, H, W) in [0, 1] rebuilt from one layer's features, from noise."""
    objective = GatysObjective(
        backbone, picture[None], [], content={layer: 1.0}, style={}, variation=VARIATION
    )
    return _rebuilt(objective, picture, CONTENT_NOISE, steps, seed, listener, stop)


def from_style(
    backbone: Backbone,
    picture: Tensor,
    layers: Sequence[str],
    steps: int,
    *,
    statistic: str = "gram",
    seed: int = 0,
    listener: Callable[[Step], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Tensor:
    """A picture (3, H, W) in [0, 1] with the statistics that the picture has in all these layers."""
    region = Region(style_targets(backbone, picture[None], layers, statistic))
    style = dict.fromkeys(layers, 1 / len(layers))
    objective = GatysObjective(
        backbone, picture[None], [region], content={}, style=style, variation=VARIATION, statistic=statistic
    )
    return _rebuilt(objective, picture, STYLE_NOISE, steps, seed, listener, stop)


def _rebuilt(
    objective: GatysObjective,
    picture: Tensor,
    noise: float,
    steps: int,
    seed: int,
    listener: Callable[[Step], None] | None,
    stop: Callable[[], bool],
) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    start = 0.5 + noise * torch.randn(picture.shape, generator=random).to(picture)
    return optimise(start[None], objective, steps, listener=listener, stop=stop)[0].clamp(0, 1)
