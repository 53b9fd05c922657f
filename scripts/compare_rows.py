"""What must a style have of its own: the scales and shifts of the normalisations alone, or all weights?

    python scripts/compare_rows.py picture.jpg --content photos/ --photos more/ --steps 750

The first is conditional instance normalisation (Dumoulin, Shlens, Kudlur 2017, "A Learned Representation for
Artistic Style"): all styles share the convolutions, and a style is a row of numbers. Both are fitted from
where `rtstyle train` begins, with its defaults, on the same photos, for as many steps, and measured on photos
not trained on. The rows have a third try at three times the learning rate, which few weights bear.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.cli.allocator import keep_freed_memory
from rtstyle.networks import Network
from rtstyle.networks.blocks import InstanceNorm
from rtstyle.perception.backbones import load_backbone
from rtstyle.training.data import Photos, list_pictures, read_picture
from rtstyle.training.distributed import ALONE
from rtstyle.training.evaluate import LAYERS, nearness, steadiness
from rtstyle.training.learner import Learner
from rtstyle.training.loader import batches
from rtstyle.training.objective import load_backbones
from rtstyle.training.plan import Plan, make_plan
from rtstyle.training.schedule import rate_at


def fitted(plan: Plan, painting: Tensor, rate: float, rows: bool, files: dict[str, str]) -> Network:
    """The plan's start after its steps; ``rows``: of every normalisation alone."""
    recipe = plan.recipe
    assert plan.begun is not None
    network = copy.deepcopy(plan.begun[1])
    if rows:
        network.requires_grad_(False)
        for part in network.modules():
            if isinstance(part, InstanceNorm):
                part.requires_grad_(True)
    backbones = (load_backbones(list(layers), files) for layers in layers_of(plan))
    learner = Learner(network, recipe, painting, *backbones, torch.device("cpu"), ALONE)
    photos = Photos(plan.materials.content, crop=recipe.crop, batch=recipe.batch, seed=recipe.seed)
    steps = range(recipe.steps)
    row = batches(photos, recipe.input_noise, steps, threads=1, pin=False, shape=recipe.shape)
    for step, batch in enumerate(row):
        lesson = learner.learn(batch, rate_at(rate, step, recipe.steps), False)
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}: {sum(lesson.terms.values()):.3f}", file=sys.stderr)
    return network.eval()


def layers_of(plan: Plan) -> tuple[dict[str, float], dict[str, float]]:
    """All layers the objective needs, and those of the content."""
    content = plan.recipe.content_layers
    return {**plan.recipe.style_layers, **content}, content


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--content", type=Path, required=True, help="folder of photos to train on")
    parser.add_argument("--photos", type=Path, required=True, help="folder of other photos")
    parser.add_argument("--steps", type=int, default=750)
    parser.add_argument("--backbone-weights", nargs="+", default=[], metavar="NAME=FILE", help="else fetched")
    options = parser.parse_args()
    keep_freed_memory()
    files = dict(each.split("=", 1) for each in options.backbone_weights)
    plan = make_plan(
        {
            "picture": options.picture, "content": options.content, "steps": options.steps,
            "backbone_weights": files,
        }
    )  # fmt: skip
    painting = read_picture(options.picture, plan.recipe.style_size)
    photos = [read_picture(path, 480) for path in list_pictures(options.photos)[:10]]
    measure = load_backbone("vgg19", LAYERS, files.get("vgg19"))
    rate = plan.recipe.learning_rate
    print("| learned | weights | style error | content error | known motion | flicker |")
    print("|---|---|---|---|---|---|")
    for name, rows, own in (("all", False, rate), ("rows", True, rate), ("rows, rate x 3", True, 3 * rate)):
        network = fitted(plan, painting, own, rows, files)
        count = sum(each.numel() for each in network.parameters() if each.requires_grad)

        def restyle(image: Tensor, network: Network = network) -> Tensor:
            with torch.inference_mode():
                return network(image).clamp(0, 1)

        near = nearness(restyle, photos, painting, measure)
        steady = steadiness(restyle, photos, {})
        motion, flicker = (steady[row]["styled"] for row in ("known motion", "flicker ratio"))
        print(
            f"| {name} | {count} | {near['style_error']:.3f} | {near['content_error']:.2f} "
            f"| {motion:.3f} | {flicker:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
