"""Train one network on one painting: build, loop, save."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.perception.backbones import Backbone
from rtstyle.training.data import Photos
from rtstyle.training.motion import temporal_error, two_views
from rtstyle.training.objective import Objective
from rtstyle.training.recipe import Recipe

RISE = 50  # steps from a learning rate of 0 to its peak
LOST_STEPS = 10  # steps in a row without a finite objective before the run is given up


@dataclass(frozen=True)
class Step:
    """What a listener hears after each step."""

    number: int  # from 1
    of: int
    terms: dict[str, float]  # named, weighted; their sum is the objective
    learning_rate: float
    seconds: float  # this step took
    skipped: bool  # nothing finite came out, and nothing was learned


def train(
    recipe: Recipe,
    photos: Photos,
    painting: Tensor,
    backbone: Backbone,
    content_backbone: Backbone,
    *,
    start: Network | None = None,
    checkpoint: Path | None = None,
    save_every: int = 200,
    device: str = "cpu",
    listener: Callable[[Step], None] = lambda step: None,
) -> Network:
    """The network a recipe leads to, on ``device``, in evaluation mode.

    ``painting``: (3, H, W) in [0, 1]; the backbones are those ``Objective`` speaks of; ``start``: a
    network to go on from, in place of random weights. With ``checkpoint`` the whole state is written
    there every ``save_every`` steps, and a run that finds one ends with the weights of a run never stopped.
    Raises RtstyleError when the checkpoint is of another recipe, ``start`` of another network, or the
    objective stays not finite.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.network, recipe.config)
    if start is not None:
        own, other = (network.name, network.config), (start.name, start.config)
        if other != own:
            raise RtstyleError(f"cannot go on from a {other[0]} of {other[1]} with a {own[0]} of {own[1]}")
        network.load_state_dict(start.state_dict())
    network.train().to(device).to(memory_format=torch.channels_last)
    for part in (backbone, content_backbone):
        part.to(device).to(memory_format=torch.channels_last)
    objective = Objective(
        backbone,
        content_backbone,
        painting.to(device),
        style={layer: recipe.style_weight * weight for layer, weight in recipe.style_layers.items()},
        content={layer: recipe.content_weight * weight for layer, weight in recipe.content_layers.items()},
        variation=recipe.variation_weight,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    done = _resume(checkpoint, recipe, network, optimizer) if checkpoint else 0
    lost = 0

    for index in range(done, recipe.steps):
        began = time.perf_counter()
        rate = _rate(recipe, index)
        for group in optimizer.param_groups:
            group["lr"] = rate
        photo = photos[index].to(device, memory_format=torch.channels_last)
        views = two_views(photo, recipe.input_noise, _random(recipe, index))
        output, later = network(torch.cat([views.first, views.second])).chunk(2)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bfloat16):
            terms = objective(output, photo)
        terms["temporal"] = recipe.temporal_weight * temporal_error(output, later, views)
        optimizer.zero_grad()
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        finite = bool(norm.isfinite())
        if finite:
            optimizer.step()
        lost = 0 if finite else lost + 1
        if lost == LOST_STEPS:
            raise RtstyleError(
                f"training: the objective was not finite for {lost} steps up to step {index + 1}; "
                "a lower learning rate or style weight may help"
            )
        values = {name: term.item() for name, term in terms.items()}
        listener(Step(index + 1, recipe.steps, values, rate, time.perf_counter() - began, not finite))
        if checkpoint and ((index + 1) % save_every == 0 or index + 1 == recipe.steps):
            _save(checkpoint, recipe, network, optimizer, index + 1)
    return network.eval()


def _rate(recipe: Recipe, index: int) -> float:
    """A short linear rise, then half a cosine to 0."""
    rise = min(1.0, (index + 1) / RISE)
    return recipe.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * index / recipe.steps))


def _random(recipe: Recipe, index: int) -> torch.Generator:
    """The dice of one step, the same in every run of one seed."""
    seed = np.random.SeedSequence([recipe.seed, index]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(seed))


def _save(path: Path, recipe: Recipe, network: Network, optimizer: torch.optim.Optimizer, done: int) -> None:
    """The whole state of a run, complete or not at all."""
    state = {"recipe": asdict(recipe), "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    temporary = path.with_name(path.name + ".tmp")
    torch.save({**state, "done": done}, temporary)
    temporary.replace(path)


def _resume(path: Path, recipe: Recipe, network: Network, optimizer: torch.optim.Optimizer) -> int:
    """Take up the state a checkpoint holds; the number of steps done (0 where there is none)."""
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    before, now = state["recipe"], asdict(recipe)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise RtstyleError(
            f"{path} is of another run ({changed[0]} was {before.get(changed[0])}, is {now[changed[0]]}); "
            "delete it to begin anew"
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["done"]
