"""Stamps mended, clocks steadied, times read and said."""

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import pytest

from rtstyle.errors import RtstyleError
from rtstyle.media.timing import SteadyClock, TimeRepair, parse_time, say_time

MS = Fraction(1, 1000)


def mend(*stamps: int | None) -> tuple[list[int], int]:
    """Stamps in milliseconds through a repair for 25 frames a second; (times, how many were mended)."""
    repair: TimeRepair[int] = TimeRepair(Fraction(1, 25), MS)
    stamped = ((None if stamp is None else stamp * MS, place) for place, stamp in enumerate(stamps))
    mended = list(repair(stamped))
    assert [item for _, item in mended] == list(range(len(stamps))), "no frame lost, none moved"
    return [int(time / MS) for time, _ in mended], repair.mended


def test_good_stamps_are_never_touched() -> None:
    stamps = (0, 40, 41, 300, 301, 9000, 9040)
    assert mend(*stamps) == (list(stamps), 0)


@pytest.mark.parametrize(
    ("stamps", "times"),
    (
        ((0, None, 80), [0, 40, 80]),
        ((0, None, None, 300), [0, 100, 200, 300]),
        ((0, 40, None, None), [0, 40, 80, 120]),
        ((None, None, 500, 540), [420, 460, 500, 540]),
        ((None, None, None), [0, 40, 80]),
        ((0, 40, 40, 120), [0, 20, 40, 120]),
        ((0, 80, 40, 120), [0, 20, 40, 120]),
        ((0, 40, 9000, 120, 160), [0, 40, 80, 120, 160]),
        ((5000, 40, 80), [0, 40, 80]),
        ((0, 40, None, 42), [0, 40, 41, 42]),
    ),
)
def test_missing_and_unordered_stamps_are_spread(stamps: tuple, times: list[int]) -> None:
    assert mend(*stamps)[0] == times


def test_a_clock_set_back_goes_on_without_a_gap() -> None:
    times, mended = mend(*range(10_000, 10_200, 40), *range(0, 800, 40))
    assert times == list(range(10_000, 11_000, 40))
    assert 0 < mended < 12, "what follows the jump is moved, not mended"


def test_times_always_grow() -> None:
    times, _ = mend(0, 40, 40, 40, 40, 41, None, 39, 12, 80, 80, 80)
    assert all(a < b for a, b in pairwise(times))


def packet(stream: int, seconds: float, kind: str = "video") -> SimpleNamespace:
    ticks = round(seconds * 1000)
    base = {"pts": ticks, "dts": ticks, "duration": 40, "time_base": MS}
    return SimpleNamespace(stream_index=stream, stream=SimpleNamespace(type=kind), **base)


def steady(*packets: SimpleNamespace) -> tuple[list[int], int]:
    clock = SteadyClock()
    for one in packets:
        clock(one)
    return [one.pts for one in packets], clock.jumps


def test_a_clock_that_starts_again_moves_all_streams_alike() -> None:
    before = [packet(0, 10), packet(1, 10.01), packet(0, 10.04), packet(1, 10.05)]
    after = [packet(0, 0), packet(1, 0.01), packet(0, 0.04), packet(1, 0.05)]
    times, jumps = steady(*before, *after)
    assert jumps == 1
    assert times == [10000, 10010, 10040, 10050, 10080, 10090, 10120, 10130]


def test_a_clock_that_leaps_ahead_is_brought_back() -> None:
    times, jumps = steady(packet(0, 0), packet(0, 0.04), packet(0, 5000), packet(0, 5000.04))
    assert (times, jumps) == ([0, 40, 80, 120], 1)


def test_a_gap_of_seconds_stays() -> None:
    times, jumps = steady(packet(0, 0), packet(1, 0), packet(0, 5), packet(1, 5))
    assert (times, jumps) == ([0, 0, 5000, 5000], 0)


def test_a_long_gap_stays_where_streams_may_pause() -> None:
    clock = SteadyClock(closes_gaps=False)
    seconds = [0, 50, 50.04, 0, 0.04]
    waited = [packet(stream, time) for time in seconds for stream in (0, 1)]
    for one in waited:
        clock(one)
    assert [one.pts for one in waited[::2]] == [0, 50000, 50040, 50080, 50120]
    assert [one.pts for one in waited[1::2]] == [0, 50000, 50040, 50080, 50120]


def test_one_wrong_stamp_moves_nothing() -> None:
    times, jumps = steady(packet(0, 0), packet(0, 0.04), packet(0, 5), packet(0, 0.12), packet(0, 0.16))
    assert (times, jumps) == ([0, 40, 5000, 120, 160], 0)


def test_sparse_subtitles_tell_nothing_of_the_clock() -> None:
    times, jumps = steady(packet(0, 0), packet(2, 60, "subtitle"), packet(0, 0.04))
    assert (times, jumps) == ([0, 60000, 40], 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    (("90", 90), ("90.5", Fraction(181, 2)), ("1:30.5", Fraction(181, 2)), ("0:01:30", 90), (" 2s ", 2)),
)
def test_times_are_read(text: str, seconds: Fraction) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ("", "x", "-1", "1:2:3:4", "1e3", "1:", "nan"))
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RtstyleError, match="not understood"):
        parse_time(text)


def test_times_are_said() -> None:
    assert [say_time(Fraction(n)) for n in (0, Fraction(17, 4), 185, 3723)] == [
        "0 s",
        "4.25 s",
        "3:05",
        "1:02:03",
    ]
