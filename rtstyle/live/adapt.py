"""The size a live picture is restyled at, so that a frame rate is held on this machine."""

from __future__ import annotations

from statistics import median

# One step changes the pixels to restyle by a fifth: enough to matter, too little to catch the eye.
_STEP = 0.9
# Pixels of the shorter side. Below, a face that fills a fifth of the height is lost among strokes: rather
# fewer frames than that.
_SMALLEST = 240
# Shares of the time between two frames: a size is given up above the first, chosen to stay below the
# second. The rest is for capture, drawing and outputs, and for what else the machine does.
_MOST, _AIM = 0.9, 0.75
_FIRST_LOOK, _LOOK, _LONG_LOOK = 3, 12, 90  # frames measured before a step: at first, down, up
_MOST_PATIENCE = 32  # long looks


class Adapt:
    """Chooses among sizes of one shape by the time that restyling takes.

    Down as soon as a median says so, as many steps as the number of pixels makes likely; up by one
    step after a long look, and after each such step that had to be taken back only after one twice as
    long: it never hunts. The time is taken to grow with the number of pixels.

    Args:
        width, height: of the camera, pixels: the largest size.
        rate: frames a second to hold.
    """

    def __init__(self, width: int, height: int, rate: float) -> None:
        self.sizes = [(width, height)]
        share = _STEP
        while share * min(width, height) >= _SMALLEST:
            # Multiples of 8, so that a network that halves thrice pads nothing.
            self.sizes.append((_multiple(width * share), _multiple(height * share)))
            share *= _STEP
        self._interval = 1 / rate
        self._place = 0
        self._times: list[float] = []
        self._fresh = True  # the first frame of a size pays for what is set up once
        self._look = _FIRST_LOOK
        self._patience = 1  # long looks before a step up
        self._climbed = False  # the last step went up

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) to restyle at now."""
        return self.sizes[self._place]

    def took(self, seconds: float) -> None:
        """Tell how long the last frame took at `size`; another size may hold from here on."""
        if self._fresh:
            self._fresh = False
            return
        self._times.append(seconds)
        if len(self._times) % self._look == 0 and self._must_shrink():
            return
        if len(self._times) >= _LONG_LOOK * self._patience:
            self._consider_growing()

    def _must_shrink(self) -> bool:
        now = median(self._times[-self._look :])
        if now <= _MOST * self._interval or self._place == len(self.sizes) - 1:
            self._look = _LOOK
            return False
        place = self._place + 1
        if self._climbed:  # back to what held
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
            self._go(place, climbed=False)
            return True
        while place < len(self.sizes) - 1 and self._expected(now, place) > _AIM * self._interval:
            place += 1
        self._go(place, climbed=False)
        return True

    def _consider_growing(self) -> None:
        now = median(self._times)
        if self._place > 0 and self._expected(now, self._place - 1) <= _AIM * self._interval:
            self._go(self._place - 1, climbed=True)
        else:
            self._times.clear()
            self._climbed = False

    def _expected(self, now: float, place: int) -> float:
        return now * _pixels(self.sizes[place]) / _pixels(self.size)

    def _go(self, place: int, climbed: bool) -> None:
        self._place, self._climbed = place, climbed
        self._times.clear()
        self._fresh = True


def _multiple(side: float) -> int:
    return max(8, 8 * round(side / 8))


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]
