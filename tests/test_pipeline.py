"""The loop and its threads: overlap, bounds, errors raised once, nothing left behind."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Sink, Source, Stylizer, VideoInfo
from rtstyle.pipeline import Progress, run
from rtstyle.threads import Background, Prefetch, latest


class Counting:
    """A source of numbered frames, with an error, or a pause, where it is told."""

    def __init__(self, length: int, fail_at: int = -1) -> None:
        self.info = VideoInfo(2, 2, Fraction(30), length)
        self.made = 0
        self.closed = 0
        self._fail_at = fail_at

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.info.length or 0):
            if number == self._fail_at:
                raise OSError("the camera is gone")
            self.made += 1
            yield Frame(torch.full((3, 2, 2), number % 256, dtype=torch.uint8), Fraction(number, 30))

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Inverse:
    def __init__(self) -> None:
        self.resets = 0

    def __call__(self, frame: Frame) -> Frame:
        return Frame(255 - frame.image, frame.time)

    def reset(self) -> None:
        self.resets += 1


class Keeping:
    """A sink that keeps its frames, with an error where it is told."""

    def __init__(self, fail_at: int = -1, fail_on_close: bool = False) -> None:
        self.frames: list[Frame] = []
        self.ended: list[str] = []
        self.threads: set[str] = set()
        self._fail_at = fail_at
        self._fail_on_close = fail_on_close

    def write(self, frame: Frame) -> None:
        if len(self.frames) == self._fail_at:
            raise OSError("the disk is full")
        self.threads.add(threading.current_thread().name)
        self.frames.append(frame)

    def close(self) -> None:
        self.ended.append("closed")
        if self._fail_on_close:
            raise OSError("the disk is full at the end")

    def abandon(self) -> None:
        self.ended.append("abandoned")

    def __enter__(self) -> "Keeping":
        return self

    def __exit__(self, *exc: object) -> None: ...


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_the_nouns_are_the_protocols() -> None:
    assert isinstance(Counting(1), Source)
    assert isinstance(Prefetch(Counting(1)), Source)
    assert isinstance(Inverse(), Stylizer)
    assert isinstance(Keeping(), Sink)


def test_all_frames_in_order_with_their_times() -> None:
    source, stylizer, sink = Counting(100), Inverse(), Keeping()
    done = run(source, stylizer, sink)
    assert [int(f.image[0, 0, 0]) for f in sink.frames] == [255 - n for n in range(100)]
    assert [f.time for f in sink.frames] == [Fraction(n, 30) for n in range(100)]
    assert (done.frames, done.length) == (100, 100)
    assert (source.closed, stylizer.resets, sink.ended) == (1, 1, ["closed"])
    assert set(done.waiting) == {"read", "stylize", "write"}
    assert sum(done.waiting.values()) == pytest.approx(done.seconds)


def test_the_listener_sees_every_frame() -> None:
    seen: list[int] = []

    def listen(progress: Progress) -> None:
        seen.append(progress.frames)

    run(Counting(5), Inverse(), Keeping(), listen)
    assert seen == [1, 2, 3, 4, 5]


def test_an_empty_source_closes_the_sink() -> None:
    sink = Keeping()
    assert run(Counting(0), Inverse(), sink).frames == 0
    assert sink.ended == ["closed"]


def test_reading_and_writing_have_threads_of_their_own() -> None:
    sink = Keeping()
    run(Counting(3), Inverse(), sink)
    assert sink.threads == {"rtstyle-write"}


def test_an_error_of_the_source_is_raised_after_the_frames_before_it() -> None:
    source, sink = Counting(50, fail_at=20), Keeping()
    with pytest.raises(OSError, match="the camera is gone"):
        run(source, Inverse(), sink)
    assert len(sink.frames) == 20
    assert (source.closed, sink.ended) == (1, ["abandoned"])


def test_an_error_of_the_stylizer_stops_all() -> None:
    class Broken(Inverse):
        def __call__(self, frame: Frame) -> Frame:
            if frame.time >= 1:
                raise ValueError("no style left")
            return frame

    source, sink = Counting(10**6), Keeping()
    with pytest.raises(ValueError, match="no style left"):
        run(source, Broken(), sink)
    assert len(sink.frames) == 30
    assert (source.closed, sink.ended) == (1, ["abandoned"])
    assert source.made < 100


@pytest.mark.parametrize("fail_at", [0, 10])
def test_an_error_of_the_sink_stops_all_and_is_raised_once(fail_at: int) -> None:
    source, sink = Counting(10**6), Keeping(fail_at=fail_at)
    with pytest.raises(OSError, match="the disk is full") as caught:
        run(source, Inverse(), sink)
    assert caught.value.__context__ is None
    assert any(entry.name == "write" for entry in caught.traceback), "the cause is in the traceback"
    assert len(sink.frames) == fail_at
    assert (source.closed, sink.ended) == (1, ["abandoned"])


def test_an_error_on_the_last_frame_is_raised_by_closing() -> None:
    sink = Keeping(fail_at=2)
    with pytest.raises(OSError, match="the disk is full"):
        run(Counting(3), Inverse(), sink)
    assert sink.ended == ["abandoned"]


def test_an_error_of_closing_is_raised() -> None:
    with pytest.raises(OSError, match="full at the end"):
        run(Counting(3), Inverse(), Keeping(fail_on_close=True))


def test_an_interrupt_leaves_a_partial_output() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.frames == 7:
            raise KeyboardInterrupt

    source, sink = Counting(10**6), Keeping()
    with pytest.raises(KeyboardInterrupt):
        run(source, Inverse(), sink, interrupt)
    assert len(sink.frames) == 7
    assert sink.ended == ["abandoned"]


def test_reading_ahead_is_bounded() -> None:
    source = Counting(1000)
    with Prefetch(source, depth=3) as frames:
        taken = iter(frames)
        next(taken)
        _until(lambda: source.made >= 5)  # 1 taken, 3 queued, 1 in the reader's hand
        time.sleep(0.05)
        assert source.made == 5


def test_writing_behind_is_bounded() -> None:
    gate = threading.Event()

    class Slow(Keeping):
        def write(self, frame: Frame) -> None:
            gate.wait()
            super().write(frame)

    accepted = []
    sink = Slow()
    background = Background(sink, depth=3)
    frames = list(Counting(10))

    def feed() -> None:
        for frame in frames:
            background.write(frame)
            accepted.append(frame)

    feeder = threading.Thread(target=feed)
    feeder.start()
    _until(lambda: len(accepted) == 4)  # 1 in the writer's hand, 3 queued
    time.sleep(0.05)
    assert len(accepted) == 4
    gate.set()
    feeder.join()
    background.close()
    background.close()
    assert len(sink.frames) == 10
    assert sink.ended == ["closed"]


def test_latest_drops_what_was_missed_and_counts_it() -> None:
    source = Counting(100)
    with latest(source) as frames:
        taken = iter(frames)
        kept = [next(taken)]
        _until(lambda: source.made == 100)
        kept += taken
        assert int(kept[-1].image[0, 0, 0]) == 99
        assert frames.dropped + len(kept) == 100
        assert [f.time for f in kept] == sorted(f.time for f in kept)


def test_a_source_can_be_left_early() -> None:
    source = Counting(10**6)
    with Prefetch(source) as frames:
        for frame in frames:
            if frame.time >= 1:
                break
    assert source.closed == 1


def test_a_closed_sink_takes_no_frame() -> None:
    background = Background(Keeping())
    background.close()
    with pytest.raises(RuntimeError, match="closed"):
        background.write(next(iter(Counting(1))))


def test_what_is_no_frame_ends_the_run_and_is_said() -> None:
    """None would look like the end: a run cut short, or one that waits for ever."""

    class Forgetful(Inverse):
        def __call__(self, frame: Frame) -> Frame:
            super().__call__(frame)
            return None  # type: ignore[return-value]

    class Lapsing(Counting):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield frame if self.made < 4 else None  # type: ignore[misc]

    for source, stylizer in ((Counting(20), Forgetful()), (Lapsing(20), Inverse())):
        sink = Keeping()
        with pytest.raises(RtstyleError, match="a NoneType came where a Frame should"):
            run(source, stylizer, sink)
        assert sink.ended == ["abandoned"] and source.closed


def test_a_plain_function_restyles() -> None:
    sink = Keeping()
    run(Counting(3), lambda frame: frame, sink)  # type: ignore[arg-type]
    assert len(sink.frames) == 3


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited 5 s in vain"
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda frame: Frame(frame.image), "of 0.0333333 s with one of 0 s"),
        (lambda frame: Frame(frame.image.float(), frame.time), "image of float32"),
        (lambda frame: Frame(frame.image[:1], frame.time), "is uint8 (3, H, W)"),
    ],
)
def test_what_a_stylizer_may_not_answer_is_said(answer: Callable[[Frame], Frame], said: str) -> None:
    with pytest.raises(RtstyleError, match=re.escape(said)):
        run(Counting(3), answer, Keeping())  # type: ignore[arg-type]
