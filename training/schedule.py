"""How the learning rate goes over a run."""

import math

RISE = 50  # steps from a learning rate of 0 to its peak


def rate_at(peak: float, done: int, steps: int, rise: int = RISE) -> float:
    """The rate of the step after ``done`` of ``steps``: a short linear rise, and half a cosine down to 0."""
    return peak * min(1.0, (done + 1) / rise) * 0.5 * (1 + math.cos(math.pi * done / steps))
