"""Is `rtstyle gatys` faster than the recipe every tutorial gives, at the same objective?

The recipe: one scale, `torch.optim.LBFGS` as it comes, pixels clamped inside the closure, content and
style losses hung behind the layers of one sequential VGG, 300 evaluations. Ours: one scale, then
coarse to fine. Both run in one process, their steps in turns, so that a disturbance of the machine
meets both alike. Layers, weights of the terms and their normalisation are the same, and every total
is measured by the same function.

    python scripts/benchmark_gatys.py PHOTO PAINTING --weights FILE --size 256
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import torch
from torch import Tensor, nn

from rtstyle.frame import to_float
from rtstyle.media.image_file import read_image
from rtstyle.perception.backbones import Vgg, layers_of, load_backbone
from rtstyle.stylizers.defaults import STYLE_WEIGHT
from rtstyle.stylizers.descent import Descent
from rtstyle.stylizers.gatys import fit, make_plan
from rtstyle.stylizers.gatys_layers import Measuring, load_measuring
from rtstyle.stylizers.gatys_objective import GatysObjective
from rtstyle.stylizers.gatys_regions import Style, make_objective, make_regions, style_size
from rtstyle.stylizers.octaves import Size, resized


class ContentLoss(nn.Module):
    """Passes features on, remembering how far they are from the photo's."""

    def __init__(self, target: Tensor, weight: float) -> None:
        super().__init__()
        self.target, self.weight = target.detach(), weight
        self.loss = torch.zeros(())

    def forward(self, features: Tensor) -> Tensor:
        error = nn.functional.mse_loss(features, self.target)
        self.loss = self.weight * error / self.target.square().mean()
        return features


class StyleLoss(nn.Module):
    """The same for the Gram matrix of the painting's features."""

    def __init__(self, target: Tensor, weight: float) -> None:
        super().__init__()
        self.target, self.weight = self.gram(target).detach(), weight
        self.loss = torch.zeros(())

    @staticmethod
    def gram(features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        rows = features.view(batch * channels, height * width)
        return torch.mm(rows, rows.t()) / (height * width)

    def forward(self, features: Tensor) -> Tensor:
        error = nn.functional.mse_loss(self.gram(features), self.target)
        self.loss = self.weight * error / self.target.square().mean()
        return features


class Recipe:
    """One scale, as tutorials have it; ``evaluate`` is asked 300 times by the optimiser."""

    def __init__(
        self, vgg: Vgg, photo: Tensor, painting: Tensor, content: dict[str, float], style: dict[str, float]
    ) -> None:
        steps: list[nn.Module] = []
        self.content: list[ContentLoss] = []
        self.style: list[StyleLoss] = []
        at = {index: layer for layer, index in _relu_indices(vgg).items()}
        seen, painted = ((image - vgg.mean) / vgg.deviation for image in (photo, painting))
        with torch.no_grad():
            for index, step in enumerate(vgg.features):
                plain = nn.ReLU(inplace=False) if isinstance(step, nn.ReLU) else step
                steps.append(plain)
                seen, painted = plain(seen), plain(painted)
                if at.get(index) in content:
                    self.content.append(ContentLoss(seen, content[at[index]]))
                    steps.append(self.content[-1])
                if at.get(index) in style:
                    self.style.append(StyleLoss(painted, style[at[index]]))
                    steps.append(self.style[-1])
        self.network = nn.Sequential(*steps).requires_grad_(False)
        self.mean, self.deviation = vgg.mean, vgg.deviation
        self.image = photo.clone().requires_grad_()
        self.optimizer = torch.optim.LBFGS([self.image], max_iter=1)

    def step(self) -> None:
        """One evaluation and one move. Asked for twenty at a time, as by default, it does the same ones."""
        self.optimizer.step(self._evaluate)

    def _evaluate(self) -> Tensor:
        with torch.no_grad():
            self.image.clamp_(0, 1)
        self.optimizer.zero_grad()
        self.network((self.image - self.mean) / self.deviation)
        total = sum(part.loss for part in self.style) + sum(part.loss for part in self.content)
        total.backward()
        return total


def _relu_indices(vgg: Vgg) -> dict[str, int]:
    names, found = iter(layers_of("vgg19")), {}
    for index, step in enumerate(vgg.features):
        if isinstance(step, nn.ReLU):
            found[next(names)] = index
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("painting", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="of vgg19, to any depth")
    parser.add_argument("--size", type=int, default=256, help="longer side (256)")
    parser.add_argument("--coarse", type=int, help="longer side of the first scale (half the size)")
    parser.add_argument("--steps", type=int, default=300, help="of the recipe (300)")
    parser.add_argument("--wall", action="store_true", help="wall-clock in place of processor time")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    clock = perf_counter if options.wall else process_time

    measuring, vgg = load(options.weights)
    content = measuring.content
    style = {layer: STYLE_WEIGHT * share for layer, share in measuring.style.items()}
    photo, painting = (to_float(read_image(path).image) for path in (options.photo, options.painting))
    size = fit((photo.shape[1], photo.shape[2]), options.size)
    common = {"content": content, "style": style, "variation": 0.0}

    def objective(at: Size) -> GatysObjective:
        regions = make_regions([Style([painting])], measuring.backbone, at, list(style))
        return make_objective(photo, regions, measuring.backbone, at, **common)

    full = objective(size)

    def total(image: Tensor) -> float:
        with torch.no_grad():
            terms = full(image.clamp(0, 1))  # the recipe's last move is not clamped yet
        return float(sum(terms.values()))

    start = resized(photo, size).clamp(0, 1)[None]
    painted = resized(painting, style_size(painting, size, 1.0)).clamp(0, 1)[None]
    plain = {name.partition(".")[2]: weight for name, weight in content.items()}
    recipe = Recipe(vgg, start, painted, plain, {k.partition(".")[2]: v for k, v in style.items()})
    descent = Descent(start, full)
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(options.steps):  # in turns
        theirs.append(timed(clock, recipe.step))
        ours.append(timed(clock, descent.step))
    figures = {
        "recipe_seconds_per_step": statistics.median(theirs),
        "ours_seconds_per_step": statistics.median(ours),
        "recipe_total": total(recipe.image.detach()),
        "ours_total": total(descent.image),
    }
    # Equal time: both have had as many steps; who was slower goes on until the other's time is up.
    while sum(ours) < sum(theirs):
        ours.append(timed(clock, descent.step))
    figures["ours_total_after_equal_time"] = total(descent.image)
    goal, spent = figures["recipe_total"], 0.0
    coarse = [options.coarse or max(size) // 2]
    image = start
    for at, steps in zip(*plan_of(size, options.steps, coarse), strict=True):
        descent = Descent(resized(image[0], at).clamp(0, 1)[None], full if at == size else objective(at))
        # The last scale goes on until it is there; the recipe's whole time is more than enough.
        for _ in range(steps if at != size else options.steps):
            spent += timed(clock, descent.step)
            # Measuring costs a forward pass, outside the clock.
            if at == size and total(descent.image) <= goal:
                break
        image = descent.image
    figures["recipe_seconds"] = sum(theirs)
    figures["coarse_to_fine_seconds"] = spent
    figures["coarse_to_fine_total"] = total(image)
    for name, value in figures.items():
        print(f"{name:32} {value:10.4f}")
    print(f"time per step, ours to the recipe's   {statistics.median(ours) / statistics.median(theirs):.3f}")
    print(f"time to the recipe's total, coarse to fine, share of its own   {spent / sum(theirs):.3f}")
    machine = {
        "torch": torch.__version__, "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "size": size, "steps": options.steps, "clock": clock.__name__, "layers": [*content, *style],
    }  # fmt: skip
    print(json.dumps(machine))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **figures}, indent=1) + "\n")
    return 0


def load(weights: Path) -> tuple[Measuring, Vgg]:
    """One VGG19 for both: as ours has it, and by itself for the recipe, memory as it is read."""
    measuring = load_measuring("vgg19", {"vgg19": weights})
    layers = [name.partition(".")[2] for name in measuring.backbone.layers]
    vgg = load_backbone("vgg19", layers, weights)
    assert isinstance(vgg, Vgg)
    return measuring, vgg


def plan_of(size: Size, steps: int, coarse: list[int]) -> tuple[tuple[Size, ...], tuple[int, ...]]:
    plan = make_plan(size, steps, coarse)
    return plan.sizes, plan.steps


def timed(clock: Callable[[], float], step: Callable[[], object]) -> float:
    begin = clock()
    step()
    return clock() - begin


if __name__ == "__main__":
    sys.exit(main())
