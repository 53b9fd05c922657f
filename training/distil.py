"""Teach a family of small networks to paint what a family of large ones paints, mixes included."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from rtstyle.mixing import interpolate
from rtstyle.networks import Network
from rtstyle.training.data import Photos
from rtstyle.training.loader import batches
from rtstyle.training.narrow import State
from rtstyle.training.schedule import rate_at

RISE = 200  # steps from a learning rate of 0 to its peak
NOISE = 0.02  # highest standard deviation added to a photo
ALONE = 0.5  # share of steps that teach one style, the rest a mix of two


@dataclass(frozen=True)
class Taught:
    """One step: how near the student came, as the mean square of the difference."""

    number: int
    of: int
    styles: tuple[str, ...]
    error: float


def difference(output: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of (B, 3, H, W) in value, in both slopes, and of means over 4x4 pixels.

    Slopes are where strokes are; the coarse means keep a patch's colour right.
    """
    off = output - wanted
    across, down = off[..., 1:] - off[..., :-1], off[..., 1:, :] - off[..., :-1, :]
    return off.abs().mean() + across.abs().mean() + down.abs().mean() + F.avg_pool2d(off, 4).abs().mean()


def distil(
    teacher: Network,
    teachers: Mapping[str, State],
    student: Network,
    students: Mapping[str, State],
    photos: Photos,
    steps: int,
    *,
    taught: Sequence[str] | None = None,
    learning_rate: float = 2e-3,
    seed: int = 0,
    checkpoint: Path | None = None,
    save_every: int = 500,
    listener: Callable[[Taught], None] = lambda taught: None,
) -> dict[str, State]:
    """The students' weights after so many steps (Hinton et al. 2015, "Distilling the Knowledge").

    Each step takes a style in turn, half of the time mixed with another one, both families with the same
    shares, and lowers `difference` of what the mixed student paints to what the mixed teacher does: so
    the students can be mixed as the teachers can. No loss network runs: a step costs a fifth of one of
    `rtstyle.training.train`.

    Args:
        teacher, student: the two builds; their own weights do not matter.
        teachers, students: weights by style, the same names in both.
        taught: styles to teach, all if None; the others stay as they are and are mixed in.
        checkpoint: a safetensors file the weights are kept in; a run that finds it goes on from there,
            with fresh moments of the optimiser.
    """
    names, taught = list(teachers), list(taught or teachers)
    weights = {name: _copied(students[name]) for name in names}
    # Copied too: they may be the very tensors of the network that takes another mix at every step.
    teachers = {name: _copied(state) for name, state in teachers.items()}
    begin = _read(checkpoint, weights) if checkpoint and checkpoint.exists() else 0
    for name in taught:
        for value in weights[name].values():
            value.requires_grad_()
    optimizers = {name: torch.optim.Adam(weights[name].values(), lr=learning_rate) for name in taught}
    teacher = teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chance = random.Random(seed + begin)
    turn: list[str] = []
    source = batches(photos, NOISE, range(begin, steps), threads=1, pin=False)
    for number, batch in enumerate(source, begin + 1):
        turn = turn or chance.sample(taught, len(taught))
        chosen, shares = [turn.pop()], [1.0]
        if len(names) > 1 and chance.random() > ALONE:
            chosen.append(chance.choice([name for name in names if name != chosen[0]]))
            first = chance.uniform(0.3, 1)
            shares = [first, 1 - first]
        photo = batch.views.first
        with torch.no_grad():
            teacher.load_state_dict(interpolate([teachers[name] for name in chosen], shares))
            wanted = teacher(photo).clamp(-0.1, 1.1)  # what is clipped later need not be learned exactly
        pairs = list(zip(chosen, shares, strict=True))
        mixed = {key: sum(share * weights[name][key] for name, share in pairs) for key in weights[names[0]]}
        output = functional_call(student, mixed, (photo,))
        loss = difference(output, wanted)
        learning = [name for name in chosen if name in optimizers]
        for name in learning:
            optimizers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        rate = rate_at(learning_rate, number - 1, steps, RISE)
        for name in learning:
            nn.utils.clip_grad_norm_(list(weights[name].values()), 1.0)
            for group in optimizers[name].param_groups:
                group["lr"] = rate
            optimizers[name].step()
        if checkpoint and (number % save_every == 0 or number == steps):
            _write(checkpoint, weights, number)
        error = float((output.detach() - wanted).square().mean())
        listener(Taught(number, steps, tuple(chosen), error))
    return {name: {key: value.detach() for key, value in state.items()} for name, state in weights.items()}


def _copied(state: State) -> State:
    return {key: value.detach().clone() for key, value in state.items()}


def _write(path: Path, weights: Mapping[str, State], number: int) -> None:
    flat = {f"{name}/{key}": value.detach() for name, own in weights.items() for key, value in own.items()}
    partial = path.with_name(path.name + "~")
    save_file(flat, partial, {"step": str(number)})
    partial.replace(path)


def _read(path: Path, weights: dict[str, State]) -> int:
    with safe_open(path, "pt") as file:
        number = int(file.metadata()["step"])
    for key, value in load_file(path).items():
        name, _, part = key.partition("/")
        weights[name][part].copy_(value)
    return number
