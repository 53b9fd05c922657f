"""Processing sizes chosen by time, with machines simulated by a time per pixel."""

import itertools

from rtstyle.live.adapt import Adapt


class Machine:
    """Takes so many seconds a megapixel, and what `extra` adds."""

    def __init__(self, adapt: Adapt, per_megapixel: float) -> None:
        self.adapt, self.per_megapixel = adapt, per_megapixel
        self.sizes: list[tuple[int, int]] = []

    def frames(self, count: int) -> list[tuple[int, int]]:
        """Restyle so many frames; the sizes that were used."""
        before = len(self.sizes)
        for _ in range(count):
            width, height = self.adapt.size
            self.sizes.append((width, height))
            self.adapt.took(self.seconds())
        return self.sizes[before:]

    def seconds(self) -> float:
        width, height = self.adapt.size
        return width * height / 1e6 * self.per_megapixel


def changes(sizes: list[tuple[int, int]]) -> int:
    return sum(a != b for a, b in itertools.pairwise(sizes))


def test_a_fast_machine_restyles_the_whole_picture() -> None:
    assert set(Machine(Adapt(1280, 720, 30), 0.01).frames(1000)) == {(1280, 720)}


def test_a_slow_machine_finds_its_size_within_a_few_frames() -> None:
    machine = Machine(Adapt(1280, 720, 30), 0.25)
    machine.frames(6)
    assert machine.seconds() < 1 / 30
    settled = machine.adapt.size
    assert set(machine.frames(2000)) == {settled}, "and stays there"
    assert abs(settled[0] / settled[1] - 16 / 9) < 0.05


def test_no_size_loses_faces_among_strokes() -> None:
    machine = Machine(Adapt(640, 480, 30), 100.0)
    machine.frames(300)
    assert 240 <= machine.adapt.size[1] < 270
    assert Adapt(320, 180, 30).sizes == [(320, 180)], "a camera that is smaller keeps its own"


def test_the_size_is_as_large_as_the_machine_allows() -> None:
    machine = Machine(Adapt(1280, 720, 30), 0.1)
    machine.frames(3000)
    place = machine.adapt.sizes.index(machine.adapt.size)
    larger = machine.adapt.sizes[place - 1]
    assert larger[0] * larger[1] / 1e6 * 0.1 > 0.7 / 30


def test_it_follows_a_machine_that_gets_busy_and_free_again() -> None:
    machine = Machine(Adapt(1280, 720, 30), 0.03)
    machine.frames(100)
    assert machine.adapt.size == (1280, 720)
    machine.per_megapixel = 0.12
    machine.frames(30)
    assert machine.seconds() < 1 / 30
    small = machine.adapt.size
    machine.per_megapixel = 0.01
    steps = machine.frames(2000)
    assert machine.adapt.size == (1280, 720)
    place = machine.adapt.sizes.index
    assert all(place(a) - place(b) <= 1 for a, b in itertools.pairwise(steps)), "one step at a time"
    assert small in steps


def test_single_slow_frames_change_nothing() -> None:
    adapt = Adapt(640, 360, 30)
    for number in range(1000):
        adapt.took(0.2 if number % 10 == 5 else 0.01)
    assert adapt.size == (640, 360)


def test_it_does_not_hunt_where_the_next_size_is_slower_than_its_pixels_say() -> None:
    class Cliff(Machine):
        """Fast up to some size, slow above: a cache too small."""

        def seconds(self) -> float:
            width, _ = self.adapt.size
            return 0.01 if width < 900 else 0.1

    machine = Cliff(Adapt(1280, 720, 30), 0)
    machine.frames(200)
    early = changes(machine.frames(5000))
    late = changes(machine.frames(5000))
    assert machine.adapt.size[0] < 900
    assert late <= early
    assert late <= 6


def test_there_is_a_smallest_size() -> None:
    machine = Machine(Adapt(320, 240, 30), 100)
    machine.frames(500)
    assert machine.adapt.size == machine.adapt.sizes[-1]
    assert min(machine.adapt.size) >= 120
    tiny = Adapt(64, 48, 30)
    assert tiny.sizes == [(64, 48)]
