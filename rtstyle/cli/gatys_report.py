"""What ``rtstyle gatys`` shows and keeps while it paints: bar, table, curves, snapshots, state."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import TracebackType

from torch import Tensor
from tqdm import tqdm

from rtstyle.cli.options import say, shows_progress
from rtstyle.errors import RtstyleError
from rtstyle.media.output import partial_path
from rtstyle.stylizers.gatys import Plan, Progress, ScaleStep
from rtstyle.training.plot import LossPlot

ROW = 50  # steps between two rows of the table
KEEP = 60.0  # seconds between two writings of the state
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Report:
    """Hears every step; closes bar and curves when left, however the run ended."""

    def __init__(
        self,
        options: argparse.Namespace,
        plan: Plan,
        progress: Progress,
        *,
        keep: Callable[[], None],
        save: Callable[[Tensor, Path], list[str]],
        title: str = "",
    ) -> None:
        """``keep`` writes the state; ``save`` an image (1, 3, h, w) to a file; ``title``: of the bar."""
        self.partial = partial_path(options.output)
        self._options, self._progress, self._keep, self._save = options, progress, keep, save
        self._begin = perf_counter()
        self._written = -math.inf  # at the first step: it tells whose plot and snapshots are
        self._earlier = progress.seconds
        # Time a step takes is about its pixels.
        self._work = [
            height * width
            for (height, width), steps in zip(plan.sizes, plan.steps, strict=True)
            for _ in range(steps)
        ]
        self._done = 0  # steps before this run
        self._rows = self._heard = 0
        self._bar = tqdm(
            total=sum(plan.steps), bar_format=BAR, desc=title or None,
            disable=not shows_progress(options), leave=False,
        )  # fmt: skip

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._options.plot:
            plot = LossPlot(self._options.plot, memory=0.0)
            for number, terms in self._progress.terms:
                plot.add(number, groups(terms))
            try:
                plot.draw()
            except RtstyleError as failure:  # the painting is still to be written
                say(self._options, [str(failure)])

    def __call__(self, heard: ScaleStep) -> None:
        if not self._heard and heard.number > 1:
            self._done = heard.number - 1
            self.tell(f"going on from step {self._done}")
            self._bar.initial = self._bar.n = self._done
        self._heard += 1
        sums = groups(heard.step.terms)
        self._bar.set_postfix_str(
            f"{self._left(heard.number)}  content {sums['content']:.3f}  style {sums['style']:.3f}",
            refresh=False,
        )
        self._bar.update(heard.number - self._bar.n)
        if heard.number % ROW == 0 or heard.number == heard.of:
            self._row(heard, sums)
        if perf_counter() - self._written > KEEP:
            self._keep()
            self._written = perf_counter()
        if self._options.every and heard.number % self._options.every == 0:
            self._save(heard.step.image, snapshot(self._options.output, heard.number))

    def tell(self, line: str) -> None:
        """One line on stderr, above the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            say(self._options, [line])

    def _row(self, heard: ScaleStep, sums: dict[str, float]) -> None:
        if self._options.quiet:
            return
        with self._bar.external_write_mode(file=sys.stderr):
            if not self._rows:
                print(f"{'step':>6} {'size':>10} {'content':>9} {'style':>9} {'total':>9} {'s':>7}  left",
                      file=sys.stderr)  # fmt: skip
            size = f"{heard.size[1]}x{heard.size[0]}"
            print(
                f"{heard.number:6} {size:>10} {sums['content']:9.4f} {sums['style']:9.4f} "
                f"{heard.step.total:9.4f} {heard.seconds:7.1f}  {self._left(heard.number)}",
                file=sys.stderr,
            )
        self._rows += 1

    def _left(self, number: int) -> str:
        """Time left, for a time that grows with the pixels of each step."""
        spent = perf_counter() - self._begin
        seconds = spent * sum(self._work[number:]) / sum(self._work[self._done : number])
        if self._options.seconds:
            seconds = min(seconds, self._options.seconds - self._earlier - spent)
        minutes, rest = divmod(round(max(0.0, seconds)), 60)
        return f"{minutes}:{rest:02d}"


def snapshot(output: Path, number: int) -> Path:
    """The file of the picture after a step: ``OUT.00050.ext``."""
    return output.with_name(f"{output.stem}.{number:05d}{output.suffix}")


def groups(terms: dict[str, float]) -> dict[str, float]:
    """Sums by the first word: all content layers, all style layers; the rest is the picture's own."""
    sums = dict.fromkeys(("content", "style", "variation"), 0.0)
    for name, value in terms.items():
        kind = name.partition(" ")[0]
        sums[kind if kind in sums else "variation"] += value
    return sums
