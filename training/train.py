"""Train one network on one painting: a loop that goes on where it stopped and goes back when it breaks."""

import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.perception.backbones import Backbone
from rtstyle.training.checkpoint import Progress, State, digest, digest_names, read_state, write_state
from rtstyle.training.clips import Clips
from rtstyle.training.data import Photos
from rtstyle.training.distributed import ALONE, Processes
from rtstyle.training.health import Health, spread
from rtstyle.training.learner import Learner, by_kind
from rtstyle.training.loader import Batch, batches
from rtstyle.training.recipe import Recipe
from rtstyle.training.schedule import rate_at

RETURNS = 3  # times a run goes back before it is given up
MEMORY = 0.98  # of the moving mean of the objective: about 50 steps
LOADERS = 8  # most threads that prepare photos for one GPU


@dataclass(frozen=True)
class Step:
    """What a listener hears after each step."""

    number: int  # from 1
    of: int
    terms: dict[str, float]  # named, weighted; their sum is the objective
    learning_rate: float
    seconds: float  # this step took
    waited: float  # of them, seconds without a photo to learn from
    skipped: bool  # nothing finite came out, and nothing was learned
    note: str  # what had to be done about the run, in a line; mostly ""
    network: Network = field(repr=False, compare=False)  # as it is now, for a preview

    def groups(self) -> dict[str, float]:
        """The terms summed by kind: content, style, variation, grid, edge, temporal."""
        return by_kind(self.terms)


def train(
    recipe: Recipe,
    photos: Photos,
    painting: Tensor,
    backbone: Backbone,
    content_backbone: Backbone,
    *,
    clips: Clips | None = None,
    start: Network | None = None,
    checkpoint: Path | None = None,
    save_every: int = 200,
    device: str = "cpu",
    processes: Processes = ALONE,
    listener: Callable[[Step], None] = lambda step: None,
    on_past: Callable[[int, Mapping[str, float]], None] = lambda number, groups: None,
    on_best: Callable[[Network, int, float], None] = lambda network, step, objective: None,
    stop: Callable[[], bool] = lambda: False,
) -> Network:
    """The network a recipe leads to, on ``device``, in evaluation mode.

    ``painting``: (3, H, W) in [0, 1]; the backbones are those ``Objective`` speaks of; ``clips``: real
    frames for some of the pairs that teach steadiness; ``start``: a
    network to go on from, in place of random weights; ``processes``: of which each learns from its share
    of every batch, with the result of one process that has it whole. The listeners are called in the
    first process alone.

    Every ``save_every`` steps the whole state is kept, in ``checkpoint`` too if that is given, which is there
    from the first step on: a run that finds one ends with the weights of a run never stopped, and ``on_past``
    hears of each step done before, with its terms as ``Step.groups`` sums them. ``on_best`` hears of a kept
    state whose smoothed objective is the lowest so far: network, step, objective. When the objective stays
    not finite or the output goes flat the run goes back to the last state kept and on with half the learning
    rate, up to ``RETURNS`` times in all. ``stop`` is asked as each step begins; when it says so the state is
    kept after that step and KeyboardInterrupt raised.

    Raises RtstyleError when the checkpoint is of another run, ``start`` of another network, when going back
    did not help, and when nothing was learned in any step.
    """
    place = torch.device(device)
    _check_shares(recipe, processes)
    first = processes.rank == 0
    network = _begin(recipe, start)
    origin = {
        "picture": digest({"picture": painting}),
        "start": digest(start.state_dict() if start else {}),
        "loss network": digest(backbone.state_dict()),
        "photos": digest_names(photos.paths),
        "clips": digest_names(clips.paths if clips else []),
    }
    learner = Learner(network, recipe, painting, backbone, content_backbone, place, processes)
    optimizer = learner.optimizer
    progress = Progress()
    if checkpoint:
        found = processes.from_first(lambda: read_state(checkpoint, recipe, origin))
        if found is not None:
            progress = found.restore(network, optimizer)
            if first:
                for number, groups in progress.past.items():
                    on_past(number, groups)
    good = State.of(network, optimizer, progress)
    health, painted = Health(), float(spread(painting[None]))
    cores = (os.cpu_count() or 1) // processes.neighbours
    threads = 1 if place.type == "cpu" else min(LOADERS, max(1, cores))

    def ahead() -> Generator[Batch]:
        steps = range(progress.done, recipe.steps)
        pin = place.type == "cuda"
        return batches(
            photos, recipe.input_noise, steps, threads=threads, pin=pin,
            shape=recipe.shape, share=processes.share, clips=clips,
        )  # fmt: skip

    source = ahead()
    while progress.done < recipe.steps:
        began = time.perf_counter()
        batch = next(source)
        waited = time.perf_counter() - began
        halved = 0.5**progress.returns  # for each time the run went back
        rate = rate_at(recipe.learning_rate, progress.done, recipe.steps) * halved
        lesson = learner.learn(batch, rate, stop())
        progress.done += 1
        number, note = progress.done, ""
        if lesson.finite:
            _smooth(progress, sum(lesson.terms.values()))
            progress.past[number] = by_kind(lesson.terms)
        wanted = min(lesson.photo_spread, painted)
        if fault := health.judge(number, lesson.finite, lesson.output_spread, wanted):
            if progress.returns == RETURNS:
                raise RtstyleError(_gave_up(fault, progress))
            returns = progress.returns + 1
            progress = good.restore(network, optimizer)
            progress.returns = returns
            health.recover()
            source.close()
            source = ahead()
            note = f"{fault}; back to step {progress.done}, with half the learning rate"
        elif number == recipe.steps and health.flat:  # too late to go back, not to leave it out
            good.restore(network, optimizer)
            note = f"the output turned flat at the end; the state of step {good.progress.done} is taken"
        elif health.good and (number % save_every == 0 or number == recipe.steps or lesson.stopping):
            lowest = _note_best(progress)
            good = State.of(network, optimizer, progress)
            if lowest and first:
                on_best(network, number, progress.best or 0.0)
            note = write_state(checkpoint, good, recipe, origin) if checkpoint and first else ""
        elif lesson.stopping and checkpoint and first:  # in trouble: only the last good state is worth having
            note = write_state(checkpoint, good, recipe, origin)
        if checkpoint and first and number == 1:  # tells whose the files are that listeners write
            note = note or write_state(checkpoint, good, recipe, origin)
        if first:
            seconds = time.perf_counter() - began
            skipped = not lesson.finite
            listener(Step(number, recipe.steps, lesson.terms, rate, seconds, waited, skipped, note, network))
        if lesson.stopping and progress.done < recipe.steps:
            source.close()
            raise KeyboardInterrupt
    if progress.smoothed is None:
        raise RtstyleError(_gave_up("the objective was never finite", progress))
    return network.eval()


def _check_shares(recipe: Recipe, processes: Processes) -> None:
    """Refuse, before any work, batches that the processes cannot share evenly."""
    try:
        for done in (0, recipe.steps - 1):
            processes.share(recipe.shape(done)[0])
    except RtstyleError as error:
        raise RtstyleError(
            f"{error}; a recipe's batch is {4 * processes.count} or a multiple, since its last steps have a"
            " quarter of it (or large = 0)"
        ) from None


def _begin(recipe: Recipe, start: Network | None) -> Network:
    """The network with fresh weights, or with those of ``start``, which must be of the same build."""
    torch.manual_seed(recipe.seed)
    network = build(recipe.network, recipe.config)
    if start is not None:
        own, other = (network.name, network.config), (start.name, start.config)
        if other != own:
            raise RtstyleError(f"cannot go on from a {other[0]} of {other[1]} with a {own[0]} of {own[1]}")
        network.load_state_dict(start.state_dict())
    return network


def _smooth(progress: Progress, objective: float) -> None:
    before = objective if progress.smoothed is None else progress.smoothed
    progress.smoothed = MEMORY * before + (1 - MEMORY) * objective


def _note_best(progress: Progress) -> bool:
    """Whether the smoothed objective is the lowest of all states kept so far."""
    if progress.smoothed is None or (progress.best is not None and progress.smoothed >= progress.best):
        return False
    progress.best, progress.best_step = progress.smoothed, progress.done
    return True


def _gave_up(fault: str, progress: Progress) -> str:
    back = f", and going back {progress.returns} times did not help" if progress.returns else ""
    advice = "try a lower learning_rate or style_weight, or another picture"
    return f"training: {fault} up to step {progress.done}{back}; {advice}"
