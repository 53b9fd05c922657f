"""The whole state of a training run, in memory and on disk, from which it goes on exactly."""

import copy
import hashlib
import io
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rtstyle.errors import RtstyleError
from rtstyle.media.output import write_whole
from rtstyle.training.recipe import Recipe

# What reading a file that is no checkpoint raises.
_DAMAGED = OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError, TypeError, ValueError
# Digests of what a run is made from, beside its recipe: {"picture": ..., "photos": ...}.
Origin = dict[str, str]


@dataclass
class Progress:
    """Where a run is, beside its weights."""

    done: int = 0  # steps
    returns: int = 0  # times it went back to a kept state; each halves the learning rate
    smoothed: float | None = None  # moving mean of the objective
    best: float | None = None  # lowest of it where a state was kept
    best_step: int = 0
    # Of each step done: its weighted terms by kind, so that curves begin where the run did.
    past: dict[int, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """A run's weights, its optimiser's, and where it was; unchanged by what the run does next."""

    network: dict[str, Any]
    optimizer: dict[str, Any]
    progress: Progress

    @classmethod
    def of(cls, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> "State":
        return cls(*copy.deepcopy((network.state_dict(), optimizer.state_dict(), progress)))

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        network.load_state_dict(self.network)
        # Copied: the optimiser would go on in these very tensors.
        optimizer.load_state_dict(copy.deepcopy(self.optimizer))
        return copy.deepcopy(self.progress)


def write_state(path: Path, state: State, recipe: Recipe, origin: Origin) -> str:
    """Write a checkpoint, complete or not at all. Returns "" or why it could not be written."""
    whole = {
        "recipe": asdict(recipe),
        "origin": origin,
        "network": state.network,
        "optimizer": state.optimizer,
        "progress": asdict(state.progress),
    }
    held = io.BytesIO()
    torch.save(whole, held)
    try:
        write_whole(path, held.getvalue())
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror})"
    return ""


def read_state(path: Path, recipe: Recipe, origin: Origin) -> State | None:
    """The state in a checkpoint of this very run; None where there is no file.

    Raises RtstyleError when the file is damaged or of another run.
    """
    if not path.exists():
        return None
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
        if "facts" in whole:
            raise RtstyleError(f"{path}: is the state of a painting by rtstyle gatys; name another --out")
        before, began = dict(whole["recipe"]), dict(whole["origin"])
        state = State(whole["network"], whole["optimizer"], Progress(**whole["progress"]))
    except _DAMAGED as error:
        raise RtstyleError(
            f"{path}: not a checkpoint of this version, or damaged ({type(error).__name__}); "
            "delete it to begin anew"
        ) from error
    now = asdict(recipe)
    changed = [
        f"{name} was {before.get(name)}, is {now[name]}" for name in now if before.get(name) != now[name]
    ]
    changed += [f"not the same {name}" for name in origin if began.get(name) != origin[name]]
    if changed:
        raise RtstyleError(f"{path} is of another run ({changed[0]}); delete it to begin anew")
    return state


def digest_names(paths: Iterable[Path]) -> str:
    """Tells one list of files from another, by their names and sizes, wherever they lie."""
    listed = "\n".join(f"{path.name} {path.stat().st_size}" for path in paths)
    return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()[:16]


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Tells one set of tensors from another."""
    digest = hashlib.sha256()
    for tensor in tensors.values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
