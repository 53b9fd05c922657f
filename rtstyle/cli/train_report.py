"""What ``rtstyle train`` shows while it runs: bar or log, preview, curves, and figures at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec

from torch import Tensor
from tqdm import tqdm

from rtstyle.cli.options import say, shows_progress
from rtstyle.errors import RtstyleError
from rtstyle.training.board import Board
from rtstyle.training.distributed import started_rank
from rtstyle.training.plot import LossPlot
from rtstyle.training.preview import Preview
from rtstyle.training.recipe import Recipe
from rtstyle.training.train import Step

EVERY = 50  # steps between two lines of a log, and between two previews
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"

P = ParamSpec("P")


class Report:
    """Hears every step; closes bar and curves when left, however the run ended."""

    def __init__(self, options: argparse.Namespace, recipe: Recipe, shown: list[Tensor], out: Path) -> None:
        """``shown``: photos for the preview, (3, H, W) in [0, 1]; of the first process alone."""
        self._options, self._recipe, self._out = options, recipe, out
        self._steps: list[tuple[float, float, int]] = []  # seconds of each, seconds it waited, its photos
        self._last: Step | None = None
        self._lost = 0  # steps that taught nothing
        self._bar = tqdm(total=recipe.steps, bar_format=BAR, disable=not shows_progress(options), leave=False)
        self._plot = LossPlot(options.plot)
        self.on_past = self._plot.add
        self._listeners: list[Callable[[Step], None]] = []
        self._board: Board | None = None
        if started_rank() == 0:
            preview = Preview(options.preview, shown, EVERY)
            self._listeners += [self._plot, self.forgiving(preview)]
            if options.tensorboard:
                self._board = Board(options.tensorboard)
                self._listeners.append(self._board)

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self.forgiving(self._plot.draw)()
        if self._board:
            self._board.close()

    def __call__(self, step: Step) -> None:
        if self._last is None and step.number > 1:
            self.tell(f"going on from step {step.number - 1}")
            self._bar.initial = self._bar.n = step.number - 1
        self._last = step
        self._steps.append((step.seconds, step.waited, self._recipe.shape(step.number - 1)[0]))
        self._lost += step.skipped
        if step.note:
            self.tell(f"step {step.number}: {step.note}")
        terms = "  ".join(f"{name} {value:.3f}" for name, value in step.groups().items())
        speed = self._images_per_second(EVERY)
        self._bar.set_postfix_str(f"{speed:.1f} images/s  {terms}", refresh=False)
        self._bar.update(step.number - self._bar.n)
        if self._bar.disable and (step.number % EVERY == 0 or step.number == step.of):
            recent = [seconds for seconds, *_ in self._steps[-EVERY:]]
            left = (step.of - step.number) * sum(recent) / len(recent) / 60  # all steps take about as long
            self.tell(f"step {step.number}/{step.of}  {terms}  {speed:.1f} images/s  {left:.0f} min left")
        for listener in self._listeners:
            listener(step)

    def tell(self, line: str) -> None:
        """One line on stderr, above the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            say(self._options, [line])

    def forgiving(self, listener: Callable[P, None]) -> Callable[P, None]:
        """The listener, with an error of its own told and not raised: no run ends for its preview."""

        def hear(*heard: P.args, **named: P.kwargs) -> None:
            try:
                listener(*heard, **named)
            except RtstyleError as error:
                self.tell(str(error))

        return hear

    def summary(self) -> dict[str, Any]:
        seconds, waited, _ = (
            (sum(column) for column in zip(*self._steps, strict=True)) if self._steps else (0, 0, 0)
        )
        last = self._last
        return {
            "output": str(self._out),
            "steps": self._recipe.steps,
            "steps_now": len(self._steps),  # fewer, where a run before was stopped
            "seconds": round(seconds, 1),
            "images_per_second": round(self._images_per_second(len(self._steps)), 2),
            "not_finite": self._lost,  # of the steps now: they taught nothing
            "waiting_for_data": round(waited / (seconds or 1), 4),  # share of the time
            "terms": {name: round(value, 5) for name, value in last.terms.items()} if last else {},
        }

    def summary_line(self) -> str:
        facts = self.summary()
        whole = facts["steps_now"] == facts["steps"]
        steps = f"{facts['steps']} steps" + ("" if whole else f" ({facts['steps_now']} of them now)")
        steps += f", {self._lost} of them without effect, not finite" if self._lost else ""
        return (
            f"{facts['output']}: {steps}, {facts['seconds']:.0f} s "
            f"({facts['images_per_second']:.1f} images/s, {facts['waiting_for_data']:.1%} waiting for data)"
        )

    def _images_per_second(self, steps: int) -> float:
        """Over the last so many steps."""
        recent = self._steps[-steps:]
        return sum(photos for *_, photos in recent) / (sum(seconds for seconds, *_ in recent) or 1)
