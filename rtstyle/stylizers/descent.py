"""A picture's pixels going down an objective, one evaluation a step: L-BFGS or Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError

# Of an image (1, 3, H, W), usually in [0, 1]: named, weighted scalars; their sum is what goes down.
Objective = Callable[[Tensor], Mapping[str, Tensor]]

# Pairs of pictures that L-BFGS remembers. 50 end 2 % lower than 10 after 150 steps; where they would take
# more than so many bytes they are fewer.
MOST_PAIRS, LEAST_PAIRS, PAIR_BYTES = 50, 10, 400e6
FIRST_MOVE = 0.02  # root mean square of the pixels' first move, before any curvature is known
LARGEST_MOVE = 0.2  # the same for any later move; there is no line search to shorten a wild one
GROWTH = 1.5  # an objective that grew so many times in one step is taken back
RATE = 0.03  # of Adam, at first; it falls to 0 along a cosine
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


class Optimizer(Protocol):
    """Moves a picture, given its gradient; all it remembers is in its state."""

    def move(self, image: Tensor, gradient: Tensor, part: float) -> None:
        """Change the image in place, within [0, 1]; ``part``: how much of the descent is done, 0 to 1."""

    def forget(self) -> None:
        """Begin anew, with more caution, from wherever the image is."""

    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


class Lbfgs:
    """Limited-memory BFGS (Nocedal 1980), the direction by two loops, a step of length 1 and no search.

    One gradient serves one move. The inverse Hessian's first estimate is no multiple of the identity but
    of a smoothing by 1/f, the amplitude of frequency f in natural pictures: broad light and colour, which
    a plain estimate mends last, move first. That halves the steps to most totals; 1/f² moved too little
    of the strokes, no smoothing as slowly as ``torch.optim.LBFGS``.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Tensor, Tensor]] = []  # moves and changes of the gradient, oldest first
        self._last: tuple[Tensor, Tensor] | None = None  # latest move, and the gradient before it
        self._first = FIRST_MOVE
        self._gains: Tensor | None = None  # of each frequency, (H, W // 2 + 1)

    def move(self, image: Tensor, gradient: Tensor, part: float) -> None:
        if self._gains is None:
            self._gains = _gains(image)
        shape, gradient = image.shape, gradient.flatten()
        if self._last is not None:
            moved, before = self._last
            change = gradient - before
            if moved @ change > 1e-10 * moved.norm() * change.norm():  # else the curvature is not positive
                self._pairs = [*self._pairs[1 - pairs_kept(image.numel()) :], (moved, change)]
        way = self._direction(gradient, shape)
        length = way.square().mean().sqrt()
        longest = LARGEST_MOVE if self._pairs else self._first
        if length > longest or not self._pairs:
            way *= longest / length.clamp_min(torch.finfo(way.dtype).tiny)
        start = image.clone()
        image.add_(way.view_as(image)).clamp_(0, 1)
        # Curvature is of the move that was made: with the one that was wanted, clamping spoils it.
        self._last = (image - start).flatten(), gradient.clone()

    def forget(self) -> None:
        # The latest curvature alone still tells how far to go; where that went wrong too, nothing is left.
        self._pairs, self._last = (self._pairs[-1:] if len(self._pairs) > 1 else []), None
        self._first /= 4

    def state(self) -> dict[str, Any]:
        return {"pairs": list(self._pairs), "last": self._last, "first": self._first}

    def restore(self, state: dict[str, Any]) -> None:
        self._pairs, self._last, self._first = list(state["pairs"]), state["last"], state["first"]

    def _direction(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Minus the gradient times the inverse Hessian's estimate (Nocedal and Wright, algorithm 7.4)."""
        way = -gradient
        shares = []
        for moved, change in reversed(self._pairs):
            share = (moved @ way) / (moved @ change)
            shares.append(share)
            way -= share * change
        way = self._smoothed(way, shape)
        if self._pairs:
            moved, change = self._pairs[-1]
            way *= (moved @ change) / (change @ self._smoothed(change, shape))
        for (moved, change), share in zip(self._pairs, reversed(shares), strict=True):
            way += (share - (change @ way) / (moved @ change)) * moved
        return way

    def _smoothed(self, flat: Tensor, shape: torch.Size) -> Tensor:
        """Symmetric and positive definite, as an estimate has to be."""
        spectrum = torch.fft.rfft2(flat.view(shape)) * self._gains
        return torch.fft.irfft2(spectrum, s=shape[-2:]).flatten()


class Adam:
    """Adam (Kingma and Ba 2015), its rate falling along a cosine, so that no grain is left at the end."""

    def __init__(self, rate: float = RATE) -> None:
        self.rate = rate
        self._steps = 0
        self._means: tuple[Tensor, Tensor] | None = None  # of the gradient and of its square

    def move(self, image: Tensor, gradient: Tensor, part: float) -> None:
        if self._means is None:
            self._means = torch.zeros_like(image), torch.zeros_like(image)
        first, second = self._means
        self._steps += 1
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient.square(), 0.001)
        rate = self.rate * (1 + math.cos(math.pi * part)) / 2 / (1 - 0.9**self._steps)
        spread = (second / (1 - 0.999**self._steps)).sqrt_().clamp_min_(torch.finfo(image.dtype).tiny)
        image.sub_(rate * first / spread).clamp_(0, 1)

    def forget(self) -> None:
        self._steps, self._means = 0, None
        self.rate /= 4

    def state(self) -> dict[str, Any]:
        return {"steps": self._steps, "means": self._means, "rate": self.rate}

    def restore(self, state: dict[str, Any]) -> None:
        self._steps, self._means, self.rate = state["steps"], state["means"], state["rate"]


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"lbfgs": Lbfgs, "adam": Adam}


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
        return {name: float(value.detach()) for name, value in terms.items()}

    def state(self) -> dict[str, Any]:
        """All that decides how it goes on, as tensors and plain values; copy it before the next step."""
        return {
            "image": self.image,
            "done": self.done,
            "kept": self._kept,
            "optimizer": self._optimizer.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a descent of the same size, objective and optimizer."""
        device = self.image.device
        self.image = state["image"].to(device).clone()
        self.done, self._kept = state["done"], _moved(state["kept"], device)
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
    begin, totals = perf_counter(), list[float]()
    while descent.done < steps and perf_counter() - begin < seconds:
        terms = descent.step(descent.done / steps)
        totals.append(sum(terms.values()))
        if listener:
            listener(Step(descent.done, steps, terms, descent.image, perf_counter() - begin))
        # An L-BFGS without a search may rise for a while; that alone ends nothing.
        settled = tolerance and len(totals) > OVER and totals[-1] > (1 - tolerance) * totals[-1 - OVER]
        if settled or stop():
            break
    return descent.image


def pairs_kept(values: int) -> int:
    """Most pairs `Lbfgs` keeps for an image of so many values (three a pixel)."""
    return int(min(MOST_PAIRS, max(LEAST_PAIRS, PAIR_BYTES // (8 * values))))


def _gains(image: Tensor) -> Tensor:
    """1/f for frequencies f of an image (1, C, H, W), 1 at least; their mean is 1."""
    height, width = image.shape[-2:]
    down = torch.fft.fftfreq(height, 1 / height, device=image.device, dtype=image.dtype)[:, None]
    across = torch.fft.rfftfreq(width, 1 / width, device=image.device, dtype=image.dtype)
    gains = (down.square() + across.square()).sqrt().clamp_min(1).reciprocal()
    return gains / gains.mean()


def _moved(value: Any, device: torch.device) -> Any:
    """The tensors of nested lists, tuples and dicts, on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _moved(each, device) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(each, device) for each in value)
    return value
