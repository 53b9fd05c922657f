"""Several frames at once: the same frames, in order, and nothing left behind."""

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import torch

from rtstyle.crew import Crew
from rtstyle.engines import load_engine
from rtstyle.engines.eager import MEMORY
from rtstyle.frame import Divisible, Frame, Stylizer, VideoInfo
from rtstyle.media.null import MemorySource, NullSink
from rtstyle.networks import build
from rtstyle.pipeline import run
from rtstyle.stylizers.loading import load_palette, load_stylizer, load_tour

INFO = VideoInfo(64, 48, Fraction(25))


def frames(count: int) -> list[Frame]:
    random = torch.Generator().manual_seed(1)
    return [
        Frame(torch.randint(0, 256, (3, 48, 64), generator=random, dtype=torch.uint8), Fraction(n, 25))
        for n in range(count)
    ]


class Meeting:
    """A stylizer whose jobs end only when `size` of them are under way together; later ones at once."""

    def __init__(self, size: int, fail_at: int | None = None) -> None:
        self.size, self.fail_at = size, fail_at
        self.prepared: list[Fraction] = []
        self.threads: set[str] = set()
        self._meeting = threading.Barrier(size)

    def __call__(self, frame: Frame) -> Frame:
        return self.prepare(frame)()

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        number = len(self.prepared)
        self.prepared.append(frame.time)

        def job() -> Frame:
            self.threads.add(threading.current_thread().name)
            if number < self.size:
                self._meeting.wait(timeout=30)
            if number == self.fail_at:
                raise ValueError(f"frame {number} is cursed")
            return frame

        return job

    def at_once(self, width: int, height: int) -> int:
        assert (width, height) == (64, 48)
        return self.size

    def reset(self) -> None: ...


class InTurn:
    """A stylizer whose every frame needs the one before."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def __call__(self, frame: Frame) -> Frame:
        self.threads.add(threading.get_ident())
        return frame

    def reset(self) -> None: ...


def restyled(stylizer: Stylizer, given: list[Frame]) -> list[Frame]:
    with Crew(stylizer, INFO) as crew:
        return list(crew.restyle(iter(given)))


def test_frames_run_together_and_come_back_in_order() -> None:
    stylizer = Meeting(3)
    given = frames(10)
    assert restyled(stylizer, given) == given  # frames are equal only to themselves
    assert stylizer.prepared == [frame.time for frame in given]
    assert len(stylizer.threads) == 3
    assert not [t for t in threading.enumerate() if t.name.startswith("rtstyle-crew")]


def test_a_stylizer_that_remembers_gets_one_frame_at_a_time_in_the_callers_thread() -> None:
    stylizer = InTurn()
    assert not isinstance(stylizer, Divisible)
    assert len(restyled(stylizer, frames(5))) == 5
    assert stylizer.threads == {threading.get_ident()}


def test_an_error_comes_in_the_place_of_its_frame_and_ends_the_threads() -> None:
    shown = []
    with pytest.raises(ValueError, match="frame 4 is cursed"), Crew(Meeting(2, fail_at=4), INFO) as crew:
        for frame in crew.restyle(iter(frames(9))):
            shown.append(frame.time)
    assert shown == [Fraction(n, 25) for n in range(4)]
    assert not [t for t in threading.enumerate() if t.name.startswith("rtstyle-crew")]


def test_few_frames_are_taken_ahead() -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in frames(50):
            taken += 1
            yield frame

    with Crew(Meeting(2), INFO) as crew:
        for number, _ in enumerate(crew.restyle(counted())):
            assert taken <= number + 1 + 3


@pytest.mark.parametrize(
    "load",
    [
        lambda: load_stylizer("starry_night", strength=0.7, device="cpu"),
        lambda: load_stylizer("starry_night:0.6,the_scream:0.4", device="cpu"),
        lambda: load_tour("starry_night,the_scream", Fraction(1, 10), device="cpu"),
    ],
    ids=["style", "mix", "tour"],
)
def test_pictures_are_those_of_one_frame_at_a_time(
    load: Callable[[], Stylizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = frames(12)
    one, together = load(), load()
    alone = [one(frame) for frame in given]
    monkeypatch.setattr(type(together), "at_once", lambda *_: 3)
    for here, there in zip(restyled(together, given), alone, strict=True):
        assert here.time == there.time
        # The number of threads may change the order of a sum.
        assert (here.image.int() - there.image.int()).abs().max() <= 1


def test_a_travel_follows_the_frames_through_a_crew(monkeypatch: pytest.MonkeyPatch) -> None:
    # One engine: by itself a style alone may run in 8 bits, a palette never does.
    palette = load_palette(["starry_night", "the_scream"], device="cpu", engine="eager")
    monkeypatch.setattr(type(palette), "at_once", lambda *_: 3)
    palette.travel({"the_scream": 1}, Fraction(8, 25))
    given = frames(10)
    last = restyled(palette, given)[-1]
    target = load_stylizer("the_scream", device="cpu", engine="eager")(given[-1])
    assert (last.image.int() - target.image.int()).abs().max() <= 1


def test_threads_share_the_cores_and_the_callers_count_stays() -> None:
    before = torch.get_num_threads()
    counts = []

    class Counting(Meeting):
        def prepare(self, frame: Frame) -> Callable[[], Frame]:
            job = super().prepare(frame)
            return lambda: (counts.append(torch.get_num_threads()), job())[1]

    torch.set_num_threads(4)
    try:
        restyled(Counting(2), frames(6))
        assert torch.get_num_threads() == 4
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert seen == [4]
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {2}


def test_crews_made_at_once_have_all_threads_each() -> None:
    """While one shares the cores out, PyTorch's count is 1 for whoever asks for the first time."""

    class Asking(Meeting):
        def at_once(self, width: int, height: int) -> int:
            time.sleep(0.001)
            return torch.get_num_threads()

    before, sizes = torch.get_num_threads(), []

    def make() -> None:
        with Crew(Asking(2), VideoInfo(8, 8, Fraction(25))) as crew:
            sizes.append(crew._size if crew._pool else 1)

    torch.set_num_threads(4)
    try:
        for _ in range(20):
            makers = [threading.Thread(target=make) for _ in range(3)]
            for maker in makers:
                maker.start()
            for maker in makers:
                maker.join()
    finally:
        torch.set_num_threads(before)
    assert sizes == [4] * 60


def test_large_frames_are_fewer_at_once() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    try:
        for name in ("swift", "johnson"):
            engine = load_engine(build(name, {}), device="cpu")
            width, height = 1920, 1080
            most = MEMORY // (width * height * build(name, {}).bytes_per_pixel)
            assert engine.at_once(64, 48) == 8
            assert engine.at_once(width, height) == max(1, most) < 8
            assert engine.at_once(16000, 16000) == 1
    finally:
        torch.set_num_threads(before)


def test_a_run_counts_every_frame() -> None:
    done = run(MemorySource(frames(5), 23), Meeting(2), NullSink())
    assert done.frames == 23
    assert set(done.waiting) == {"read", "stylize", "write"}
