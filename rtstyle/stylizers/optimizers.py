"""What moves a picture's pixels, given a gradient: L-BFGS or Adam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

# Pairs of pictures that L-BFGS remembers. 50 end 2 % lower than 10 after 150 steps; where they would take
# more than so many bytes they are fewer.
MOST_PAIRS, LEAST_PAIRS, PAIR_BYTES = 50, 10, 400e6
FIRST_MOVE = 0.02  # root mean square of the pixels' first move, before any curvature is known
LARGEST_MOVE = 0.2  # the same for any move; each may be twice as long as was allowed to the one before
RATE = 0.03  # of Adam, at first; it falls to 0 along a cosine


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
        # Moves, changes of the gradient and their products, oldest first.
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self._last: tuple[Tensor, Tensor] | None = None  # latest move, and the gradient before it
        self._longest = FIRST_MOVE  # that the next move may be; there is no line search to shorten it
        self._length = 0.0  # of the latest move
        self._gains: Tensor | None = None  # of each frequency, (H, W // 2 + 1)

    def move(self, image: Tensor, gradient: Tensor, part: float) -> None:
        if self._gains is None:
            self._gains = _gains(image)
        shape, gradient = image.shape, gradient.flatten()
        if self._last is not None:
            moved, before = self._last
            change = gradient - before
            bent = moved @ change
            if bent > 1e-10 * moved.norm() * change.norm():  # else the curvature is not positive
                self._pairs = [*self._pairs[1 - pairs_kept(image.numel()) :], (moved, change, bent)]
        way = self._direction(gradient, shape)
        length = float(way.square().mean().sqrt())
        if length > self._longest or not self._pairs:
            way *= self._longest / max(length, torch.finfo(way.dtype).tiny)
            length = self._longest
        self._length, self._longest = length, min(LARGEST_MOVE, 2 * self._longest)
        start = image.clone()
        image.add_(way.view_as(image)).clamp_(0, 1)
        # Curvature is of the move that was made: with the one that was wanted, clamping spoils it.
        self._last = (image - start).flatten(), gradient.clone()

    def forget(self) -> None:
        # The latest curvature alone still tells how far to go; where that went wrong too, nothing is left.
        self._pairs, self._last = (self._pairs[-1:] if len(self._pairs) > 1 else []), None
        # Where the curvature misleads, as between two bends of the objective, only shorter moves learn it.
        self._longest = self._length / 4

    def state(self) -> dict[str, Any]:
        lengths = self._longest, self._length
        return {"pairs": list(self._pairs), "last": self._last, "lengths": lengths}

    def restore(self, state: dict[str, Any]) -> None:
        self._pairs, self._last = list(state["pairs"]), state["last"]
        self._longest, self._length = state["lengths"]

    def _direction(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Minus the gradient times the inverse Hessian's estimate (Nocedal and Wright, algorithm 7.4)."""
        way = -gradient
        shares = []
        for moved, change, bent in reversed(self._pairs):
            share = (moved @ way) / bent
            shares.append(share)
            way.addcmul_(change, share, value=-1)
        way = self._smoothed(way, shape)
        if self._pairs:
            _, change, bent = self._pairs[-1]
            way *= bent / (change @ self._smoothed(change, shape))
        for (moved, change, bent), share in zip(self._pairs, reversed(shares), strict=True):
            way.addcmul_(moved, share - (change @ way) / bent)
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
