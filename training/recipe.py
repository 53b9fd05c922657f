"""What a training run is made of, beside its pictures: every number that shapes the result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from rtstyle.errors import RtstyleError

# Fewer where the loss networks cannot compute in bfloat16: 20 minutes on two cores with AVX2.
SLOW_STEPS = 750
FULL = {"steps": 6000, "learning_rate": 1.5e-3}  # other defaults from random weights, which break sooner


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training run; they travel in the style's card.

    Layers are named ``backbone.layer``; each maps to its weight. Errors are relative to their target
    (see ``rtstyle.perception.losses``), so one recipe serves most pictures.
    """

    network: str = "swift"
    config: dict[str, int] = field(default_factory=dict)  # the network's own numbers; left out: its defaults
    steps: int = 2400  # 14 minutes on two cores with bfloat16, from the shipped styles; see ``FULL``
    batch: int = 4  # photos a step
    crop: int = 184  # pixels, square
    large: float = 0.3  # share of the steps, the last, that see a quarter of the photos at twice the side
    style_size: int = 600  # pixels, shorter side of the painting; smaller gives finer strokes
    learning_rate: float = 3e-3  # at the peak; a short rise, then half a cosine down to 0
    input_noise: float = 0.02  # highest standard deviation, drawn anew for every photo; 0-1 scale
    clip: float = 1.0  # gradient norm
    seed: int = 0
    bfloat16: bool = True  # the loss network's arithmetic, where the device has it: half the time there
    # The small network gives larger structure cheaply. Up to relu3_1 only the exact one will do: a small
    # one is satisfied by hatching of two to four pixels where strokes should be.
    style_layers: dict[str, float] = field(
        default_factory=lambda: {
            "vgg19.relu1_1": 1.0,
            "vgg19.relu2_1": 1.0,
            "vgg19.relu3_1": 2.0,
            # More depth, and a network of this size lays its brightest shape (a star, a petal) over every
            # bright place; a painting whose strokes are long takes 0.5, and 0.1 of relu5_1.
            "small_vgg19.relu4_1": 0.2,
        }
    )
    content_layers: dict[str, float] = field(
        default_factory=lambda: {
            "small_vgg19.relu2_2": 0.3,  # light and dark, features of a face
            "small_vgg19.relu3_3": 0.4,
            "small_vgg19.relu4_1": 0.3,
        }
    )
    style_weight: float = 8.0
    content_weight: float = 7.0
    variation_weight: float = 0.5
    grid_weight: float = 20_000.0  # 150 steps take a grid of 2 steps of 8 bits down to what photos have
    edge_weight: float = 2000.0  # some 200 steps take most of a frame away
    temporal_weight: float = 1000.0

    def __post_init__(self) -> None:
        """Raise RtstyleError where a number cannot work."""
        lowest = {"steps": 1, "batch": 1, "crop": 32, "style_size": 32, "learning_rate": 1e-8, "clip": 1e-8}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in lowest and not value >= lowest[item.name]:
                raise RtstyleError(
                    f"recipe: {item.name} is {value}; the least allowed is {lowest[item.name]:g}"
                )
            if item.name.endswith(("weight", "noise")) and not value >= 0:
                raise RtstyleError(f"recipe: {item.name} is {value}; it cannot be below 0")
            if item.name == "large" and not 0 <= value <= 1:
                raise RtstyleError(f"recipe: large is {value}; it is a share of the steps, from 0 to 1")
            if isinstance(value, float) and not math.isfinite(value):
                raise RtstyleError(f"recipe: {item.name} is {value}; it takes a finite number")
        for kind in ("style_layers", "content_layers"):
            for layer, weight in getattr(self, kind).items():
                if not 0 <= weight < math.inf:
                    raise RtstyleError(f"recipe: {kind}: {layer} is {weight}; allowed are numbers from 0 up")
        if not any(self.style_layers.values()):
            raise RtstyleError("recipe: style_layers has no layer above 0: no painting")
        if not 0 <= self.seed < 2**63:
            raise RtstyleError(f"recipe: seed is {self.seed}; allowed are whole numbers from 0 to 2**63 - 1")

    def shape(self, done: int) -> tuple[int, int]:
        """Photos of the step after so many, and the side of their crops in pixels.

        Many small crops teach most for their time. But a third of one lies near its edges, and all of it
        counts in the norms' statistics: a network that saw no others paints large pictures flatter than they
        should be, and with a frame.
        """
        if done < self.steps - round(self.large * self.steps):
            return self.batch, self.crop
        return max(1, self.batch // 4), 2 * self.crop

    def measured_by(self, others: Mapping[str, str]) -> "Recipe":
        """The same with other loss networks, ``{"vgg19": "vgg16"}``: each layer at the other's own depth.

        A block's last layers coincide where the other has fewer (relu3_4 and relu3_3 of VGG16); their
        weights add up.
        """
        return replace(
            self,
            style_layers=_renamed(self.style_layers, others),
            content_layers=_renamed(self.content_layers, others),
        )


def _renamed(layers: Mapping[str, float], others: Mapping[str, str]) -> dict[str, float]:
    result: dict[str, float] = {}
    for name, weight in layers.items():
        backbone, dot, layer = name.partition(".")
        if not dot:  # no name of a layer: said where it is looked for
            result[name] = weight
            continue
        backbone = others.get(backbone, backbone)
        if backbone == "vgg16" and layer.endswith("_4"):  # it has three layers a block where VGG19 has four
            layer = layer.removesuffix("4") + "3"
        key = f"{backbone}.{layer}"
        result[key] = result.get(key, 0.0) + weight
    return result
