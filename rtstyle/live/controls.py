"""What a viewer can change while a live run goes on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch

from rtstyle.errors import RtstyleError
from rtstyle.stylizers.feedforward import FeedForward

# Every action, and what it does in a line; `LiveSession.do` and `Controls` have a method of each name.
ACTIONS = {
    "next": "next style",
    "previous": "previous style",
    "style": "one style, by name",
    "number": "one style, by its place from 1",
    "strength": "how much style, 0 to 1",
    "canvas": "strokes in bare places too, 0 to 1",
    "mix": "weights of several styles",
    "travel": "go to a style or a mix in so many seconds",
    "tour": "go through all styles, so many seconds each; 0 stops",
    "split": "original on the left of a line",
    "freeze": "hold the picture; styles still change",
    "mirror": "left and right swapped",
    "snapshot": "write original and restyled as PNG",
    "record": "write what is shown to a file",
    "quit": "end",
}


class Controls:
    """The settings of a live picture. Methods are the actions; what is set holds from the next frame on.

    Where an action takes ``on``, None means the other way round. Raises RtstyleError for values that
    are not allowed.
    """

    def __init__(self, palette: FeedForward) -> None:
        self.palette = palette
        self.split_at: float | None = None  # share of the width that shows the original
        self.frozen = False
        self.mirrored = False
        self.tour_seconds = Fraction(0)  # 0: no tour
        self._position = 0.5  # of the split when it is next switched on
        self._goal = ""  # style a tour is on its way to
        self._next_leg: Fraction | None = None  # when it is there

    def next(self) -> None:
        self._step(1)

    def previous(self) -> None:
        self._step(-1)

    def style(self, name: str) -> None:
        self.mix({str(name): 1.0})

    def number(self, n: int) -> None:
        styles = self.palette.styles
        if not isinstance(n, int) or not 1 <= n <= len(styles):
            raise RtstyleError(f"there is no style {n}; there are 1 to {len(styles)}: {', '.join(styles)}")
        self.style(styles[n - 1])

    def strength(self, value: float) -> None:
        self.palette.strength = _number("strength", value)

    def canvas(self, value: float) -> None:
        self.palette.canvas = _number("canvas", value)

    def mix(self, weights: Mapping[str, float]) -> None:
        self.palette.mix = _weights(weights)
        self.tour_seconds = Fraction(0)

    def travel(self, to: str | Mapping[str, float], seconds: float = 2.0) -> None:
        self.palette.travel({to: 1.0} if isinstance(to, str) else _weights(to), _number("seconds", seconds))
        self.tour_seconds = Fraction(0)

    def tour(self, seconds: float = 0.0) -> None:
        seconds = _number("seconds", seconds)
        if not 0 <= seconds <= 1e6:
            raise RtstyleError(f"a tour of {seconds} seconds a style; allowed are 0 (no tour) to a million")
        if seconds and len(self.palette.styles) < 2:
            raise RtstyleError("a tour needs two styles or more, as --style a,b,c")
        self.tour_seconds = Fraction(seconds).limit_denominator(1000)
        self._next_leg = None

    def split(self, on: bool | None = None, position: float | None = None) -> None:
        if position is not None:
            position = _number("position", position)
            if not 0 <= position <= 1:
                raise RtstyleError(f"the split is at {position}; allowed is 0 (left edge) to 1 (right edge)")
            self._position = position
        moved = on is None and position is not None
        self.split_at = self._position if moved or _toggled(on, self.split_at is not None) else None

    def freeze(self, on: bool | None = None) -> None:
        self.frozen = _toggled(on, self.frozen)

    def mirror(self, on: bool | None = None) -> None:
        self.mirrored = _toggled(on, self.mirrored)

    def advance(self, time: Fraction) -> None:
        """Keep a tour going; called before each frame with its time.

        It begins without a jump, with the mix of the moment.
        """
        seconds = self.tour_seconds
        if seconds and (self._next_leg is None or time >= self._next_leg):
            if self._next_leg is not None:  # arrived, however long the frames before took
                self.palette.mix = {self._goal: 1.0}
            self._goal = self._beside(1)
            self.palette.travel({self._goal: 1.0}, seconds)
            self._next_leg = time + seconds

    def compose(self, original: torch.Tensor, restyled: torch.Tensor) -> torch.Tensor:
        """What is shown of two images (3, H, W): the restyled, left of the split the original."""
        share = self.split_at
        if share is None:
            return restyled
        edge = round(share * original.shape[2])
        shown = restyled.clone()
        shown[:, :, :edge] = original[:, :, :edge]
        return shown

    def state(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "mix": self.palette.mix,
            "strength": self.palette.strength,
            "canvas": self.palette.canvas,
            "split": self.split_at,
            "frozen": self.frozen,
            "mirror": self.mirrored,
            "tour": float(self.tour_seconds),
        }

    def _step(self, by: int) -> None:
        self.style(self._beside(by))

    def _beside(self, by: int) -> str:
        """The style so many places after the strongest one of the present mix, round and round."""
        styles, mix = self.palette.styles, self.palette.mix
        strongest = max(mix, key=mix.__getitem__)
        return styles[(styles.index(strongest) + by) % len(styles)]


def call(method: Any, action: str, arguments: Mapping[str, Any]) -> None:
    """Call an action's method; RtstyleError for arguments it does not take."""
    signature = inspect.signature(method)
    try:
        bound = signature.bind(**arguments)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "no arguments"
        raise RtstyleError(f"action '{action}': {error}; it takes {takes}") from None
    method(*bound.args, **bound.kwargs)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RtstyleError(f"{name} is {value!r}; it takes a number")
    return float(value)


def _weights(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise RtstyleError(f"a mix is {weights!r}; it takes weights by style, as {{'a': 0.6, 'b': 0.4}}")
    return {str(name): _number(f"the weight of '{name}'", weight) for name, weight in weights.items()}


def _toggled(on: bool | None, now: bool) -> bool:
    if on is not None and not isinstance(on, bool):
        raise RtstyleError(f"on is {on!r}; it takes true, false, or nothing for the other way round")
    return not now if on is None else on
