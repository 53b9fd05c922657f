"""What a training run is made of, beside its pictures: every number that shapes the result."""

from dataclasses import dataclass, field, fields, replace

from rtstyle.errors import RtstyleError


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training run; they travel in the style's card.

    Layers are named ``backbone.layer``; each maps to its weight. Errors are relative to their target
    (see ``rtstyle.perception.losses``), so one recipe serves most pictures.
    """

    network: str = "swift"
    config: dict[str, int] = field(default_factory=dict)  # the network's own numbers; left out: its defaults
    steps: int = 3000
    batch: int = 4  # photos a step
    crop: int = 184  # pixels, square
    style_size: int = 560  # pixels, shorter side of the painting; smaller gives finer strokes
    learning_rate: float = 1.5e-3  # at the peak; a short rise, then half a cosine down to 0
    input_noise: float = 0.02  # highest standard deviation, drawn anew for every photo; 0-1 scale
    clip: float = 1.0  # gradient norm
    seed: int = 0
    bfloat16: bool = True  # the loss network's arithmetic; half the time where the processor has it
    # The small network gives larger structure cheaply. Up to relu3_1 only the exact one will do: a small
    # one is satisfied by hatching of two to four pixels where strokes should be.
    style_layers: dict[str, float] = field(
        default_factory=lambda: {
            "vgg19.relu1_1": 1.0,
            "vgg19.relu2_1": 1.0,
            "vgg19.relu3_1": 2.0,
            "small_vgg19.relu4_1": 2.0,
            "small_vgg19.relu5_1": 1.0,
        }
    )
    content_layers: dict[str, float] = field(
        default_factory=lambda: {
            "small_vgg19.relu2_2": 0.3,  # light and dark, features of a face
            "small_vgg19.relu3_3": 0.4,
            "small_vgg19.relu4_1": 0.3,
        }
    )
    style_weight: float = 3.0
    content_weight: float = 2.0
    variation_weight: float = 0.5
    temporal_weight: float = 50.0

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

    def exact(self) -> "Recipe":
        """The same with every layer measured by VGG19 itself: more work, one weights file less."""
        layers = {
            name: {layer.replace("small_vgg19.", "vgg19."): weight for layer, weight in own.items()}
            for name, own in (("style_layers", self.style_layers), ("content_layers", self.content_layers))
        }
        return replace(self, **layers)  # type: ignore[arg-type]
