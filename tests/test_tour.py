"""A tour of styles: which one is seen at which time."""

from fractions import Fraction

import pytest

from rtstyle.errors import RtstyleError
from rtstyle.frame import Stylizer
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.tour import Tour
from tests.test_feedforward import STATES, Flat, any_frame_is_a_picture, palette, shown

__all__ = ["any_frame_is_a_picture"]  # a fixture


def test_each_style_has_its_time_and_round_again() -> None:
    """Styles of 0, 200 and 100, two seconds from each to the next, in a video that begins at 5 s."""
    tour = Tour(palette(), 2)
    assert isinstance(tour, Stylizer)
    assert tour.name == "a>b>c"
    seen = [shown(tour, 5 + time) for time in range(13)]
    assert seen == [0, 100, 200, 150, 100, 50, 0, 100, 200, 150, 100, 50, 0]


def test_it_eases_and_keeps_exact_times() -> None:
    tour = Tour(palette(), 0.1)
    assert shown(tour, 0) == 0
    assert shown(tour, Fraction(1, 40)) == 31
    assert shown(tour, Fraction(1000003, 10)) == 200, "still in step after 27 hours"


def test_a_new_video_begins_with_the_first_style() -> None:
    tour = Tour(palette(), 2)
    assert [shown(tour, time) for time in (0, 2)] == [0, 200]
    tour.reset()
    assert [shown(tour, time) for time in (1, 3)] == [0, 200]


def test_what_is_no_tour_is_refused() -> None:
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(RtstyleError, match="allowed are numbers above 0"):
            Tour(palette(), wrong)
    for states in ({}, {"a": STATES["a"]}):
        with pytest.raises(RtstyleError, match="two styles or more"):
            Tour(FeedForward(Flat(0), states=states), 2)
