"""The feed-forward stylizer: what it keeps of a frame, and what strength does."""

from fractions import Fraction

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Stylizer
from rtstyle.stylizers.feedforward import FeedForward


class Inverse:
    """An engine anyone can check by hand."""

    device = torch.device("cpu")

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return (65535 - image.int()).to(image.dtype) if image.dtype == torch.uint16 else 255 - image


def frame(value: int, dtype: torch.dtype = torch.uint8) -> Frame:
    return Frame(torch.full((3, 4, 5), value, dtype=dtype), time=Fraction(1001, 30000))


def test_it_is_a_stylizer_and_keeps_the_time() -> None:
    stylizer = FeedForward(Inverse())
    assert isinstance(stylizer, Stylizer)
    stylizer.reset()
    result = stylizer(frame(10))
    assert result.time == Fraction(1001, 30000)
    assert torch.equal(result.image, frame(245).image)


@pytest.mark.parametrize("dtype, value, mixed", [(torch.uint8, 55, 91), (torch.uint16, 5535, 19151)])
def test_strength_mixes_with_the_input(dtype: torch.dtype, value: int, mixed: int) -> None:
    """A quarter of the way from 55 to 200 is 91.25; from 5535 to 60000, 19151.25."""
    result = FeedForward(Inverse(), strength=0.25)(frame(value, dtype)).image
    assert result.dtype == dtype
    assert torch.equal(result, frame(mixed, dtype).image)


def test_strength_zero_gives_the_very_frame_and_runs_nothing() -> None:
    given = frame(7)
    assert FeedForward(None, strength=0)(given) is given  # type: ignore[arg-type]


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(RtstyleError, match="allowed is 0"):
        FeedForward(Inverse(), strength)
