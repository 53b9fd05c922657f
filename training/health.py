"""Is a run still worth its time? Finds an objective that is not finite, and output gone gray or black."""

from torch import Tensor

LOST_STEPS = 10  # more steps without a finite objective than with one: something is broken, not unlucky
FLAT_STEPS = 25  # steps in a row of flat output
FLAT = 0.1  # of the photos' or the painting's spread, the lower; a restyled picture has 0.5 to 1.5 of it
FIRST_STEPS = 100  # not judged: what fresh weights paint takes shape in about 20 steps


def spread(pictures: Tensor) -> Tensor:
    """Standard deviation over pixels of (B, 3, H, W) clamped to [0, 1], mean over the rest, a scalar."""
    return pictures.float().clamp(0, 1).std((2, 3)).mean()


class Health:
    """Judges each step; knows only how many of late were bad."""

    def __init__(self) -> None:
        self._lost = self._flat = 0

    @property
    def good(self) -> bool:
        """Whether nothing was wrong with the last step: its weights may be kept."""
        return self._lost == self._flat == 0

    @property
    def flat(self) -> bool:
        """Whether the last output was flat, if not yet for long enough to go back."""
        return self._flat > 0

    def judge(self, number: int, finite: bool, output: float, wanted: float) -> str:
        """Why the run should go back, or "".

        ``number``: of the step; ``finite``: its objective and gradient; ``output``: the output's spread;
        ``wanted``: the lower of the photos' and the painting's.
        """
        # Counted down, not to 0: a run that learns nothing in most of its steps is no better than a lost one.
        self._lost = max(0, self._lost - 1) if finite else self._lost + 1
        self._flat = self._flat + 1 if output < FLAT * wanted and number > FIRST_STEPS else 0
        if self._lost >= LOST_STEPS:
            return "the objective was mostly not finite"
        if self._flat >= FLAT_STEPS:
            return f"the output was gray, black or white for {self._flat} steps"
        return ""

    def recover(self) -> None:
        """After going back."""
        self._lost = self._flat = 0
