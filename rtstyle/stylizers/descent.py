"""A picture's pixels going down an objective, one evaluation a step: L-BFGS or Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.stylizers.optimizers import OPTIMIZERS

# Of an image (1, 3, H, W), usually in [0, 1]: named, weighted scalars; their sum is what goes down.
Objective = Callable[[Tensor], Mapping[str, Tensor]]

GROWTH = 1.5  # an objective that grew so many times in one step is taken back
OVER = 10  # steps over which the relative decrease is compared with the tolerance


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One evaluation of the objective."""

    number: int  # 1 is the first
    of: int  # most steps there will be
    terms: dict[str, float]  # weighted, of the image before the step moved it
    image: Tensor  # (1, 3, H, W), after the step moved it; the optimiser goes on in it
    seconds: float  # wall-clock, of all steps up to this one

    @property
    def total(self) -> float:
        return sum(self.terms.values())


class Descent:
    """An image on its way down, step by step; its whole state can be kept and restored."""

    def __init__(self, image: Tensor, objective: Objective, optimizer: str = "lbfgs") -> None:
        """``image``: (1, 3, H, W); not changed. Raises RtstyleError for an unknown optimizer."""
        if optimizer not in OPTIMIZERS:
            raise RtstyleError(f"no optimizer named '{optimizer}'; there are: {', '.join(OPTIMIZERS)}")
        self.image = image.detach().clone(memory_format=torch.contiguous_format)
        self.done = 0
        self._objective = objective
        self._optimizer = OPTIMIZERS[optimizer]()
        self._kept: tuple[float, Tensor] | None = None  # the latest total that was accepted, and its image
        self._totals: list[float] = []  # of the last steps, as many as are compared

    def step(self, part: float = 0.0) -> dict[str, float]:
        """Evaluate, move; the weighted terms of before the move. ``part``: see `Optimizer.move`.

        An objective that leaps up or is no number is taken back to the image before, and the optimizer
        begins anew from there. Raises RtstyleError where even the first is no number.
        """
        self.image.requires_grad_()
        terms = self._objective(self.image)
        total = torch.stack(list(terms.values())).sum()
        (gradient,) = torch.autograd.grad(total, self.image)
        self.image.requires_grad_(False)
        found = float(total.detach())
        self.done += 1
        if not math.isfinite(found) or (self._kept and found > GROWTH * self._kept[0]):
            if self._kept is None:
                raise RtstyleError("the objective is no number for the first image; are the weights damaged?")
            self.image.copy_(self._kept[1])
            self._optimizer.forget()
        else:
            self._kept = found, self.image.clone()
            self._optimizer.move(self.image, gradient, part)
        found_terms = {name: float(value.detach()) for name, value in terms.items()}
        self._totals = [*self._totals[-OVER:], sum(found_terms.values())]
        return found_terms

    def settled(self, tolerance: float) -> bool:
        """Whether the last `OVER` steps lowered the total by less than this share of it."""
        return len(self._totals) > OVER and self._totals[-1] > (1 - tolerance) * self._totals[0]

    def state(self) -> dict[str, Any]:
        """All that decides how it goes on, as tensors and plain values; copy it before the next step."""
        return {
            "image": self.image,
            "done": self.done,
            "kept": self._kept,
            "totals": list(self._totals),
            "optimizer": self._optimizer.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a descent of the same size, objective and optimizer."""
        device = self.image.device
        self.image = state["image"].to(device).clone()
        self.done, self._kept = state["done"], _moved(state["kept"], device)
        self._totals = list(state.get("totals", []))  # older states have none
        self._optimizer.restore(_moved(state["optimizer"], device))


def optimise(
    image: Tensor,
    objective: Objective,
    steps: int,
    *,
    optimizer: str = "lbfgs",
    seconds: float = math.inf,
    tolerance: float = 0.0,
    listener: Callable[[Step], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    descent: Descent | None = None,
) -> Tensor:
    """The image (1, 3, H, W) in [0, 1] after at most so many steps down the objective.

    Args:
        image: where it begins; not changed.
        objective: image to named, weighted scalars (see `Objective`).
        optimizer: "lbfgs" or "adam".
        seconds: no step begins later than this, counted from the call.
        tolerance: ends when ten steps lowered the total by less than this share of it.
        listener: hears every step.
        stop: asked after every step.
        descent: goes on with this one, in place of a new one from ``image``.

    Raises RtstyleError for an unknown optimizer, and for an objective that is no number at its first image.
    """
    descent = descent or Descent(image, objective, optimizer)
    begin = perf_counter()
    while descent.done < steps and perf_counter() - begin < seconds:
        terms = descent.step(descent.done / steps)
        if listener:
            listener(Step(descent.done, steps, terms, descent.image, perf_counter() - begin))
        # An L-BFGS without a search may rise for a while; that alone ends nothing.
        if (tolerance and descent.settled(tolerance)) or stop():
            break
    return descent.image


def _moved(value: Any, device: torch.device) -> Any:
    """The tensors of nested lists, tuples and dicts, on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _moved(each, device) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(each, device) for each in value)
    return value
