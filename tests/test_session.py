"""One live run: actions, outputs of their own threads, recording, snapshots, how it ends."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from rtstyle.engines import load_engine
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.live import fan, keeping, session, snapshot
from rtstyle.live.outputs import Mailbox
from rtstyle.live.session import LiveSession
from rtstyle.live.snapshot import write_pair
from rtstyle.media.image_file import read_image
from rtstyle.media.realtime import moment
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.strokes import scaled
from tests.families import network
from tests.media import read

WIDTH, HEIGHT = 64, 48
LONG = 60.0  # seconds

pytestmark = pytest.mark.usefixtures("patient")


class Stepped:
    """A live source that gives a frame for each `step`, and ends with `stop`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.info = VideoInfo(WIDTH, HEIGHT, Fraction(30))
        self.listener: Callable[[str], None] = lambda line: None
        self.closed = 0
        self._error = error
        self._steps = threading.Semaphore(0)
        self._stopped = False
        self.image = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)

    def step(self) -> None:
        self._steps.release()

    def stop(self) -> None:
        self._stopped = True
        self._steps.release()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            self._steps.acquire()
            if self._stopped:
                return
            if self._error is not None:
                raise self._error
            yield Frame(self.image, moment())

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> "Stepped":
        return self

    def __exit__(self, *exc: object) -> None: ...


class Keeping:
    """An output that keeps frames, and fails or hangs when told to."""

    def __init__(self, name: str = "kept", fail: str = "", gate: threading.Event | None = None) -> None:
        self.name = name
        self.frames: list[Frame] = []
        self.ended: list[str] = []
        self._fail, self._gate = fail, gate

    def show(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self._gate is not None:
            self._gate.wait(LONG)
        if self._fail:
            raise OSError(self._fail)

    def close(self) -> None:
        self.ended.append(threading.current_thread().name)


class Live:
    """A session under way in a thread, stepped frame by frame."""

    def __init__(self, *outputs: Keeping, source: Stepped | None = None, **options: Any) -> None:
        nets = {name: network(seed) for seed, name in enumerate("abc")}
        states = {name: each.state_dict() for name, each in nets.items()}
        self.palette = FeedForward(load_engine(nets["a"], "eager", "cpu"), states=states)
        self.source = source or Stepped()
        self.notes: list[str] = []
        self.session = LiveSession(
            self.source, self.palette, list(outputs), listener=self.notes.append, **options
        )
        self.do = self.session.do
        self._number = 0
        self._thread = threading.Thread(target=self.session.run)
        self._thread.start()

    def step(self) -> tuple[Frame, Frame]:
        """One frame more: (original, shown)."""
        self.source.step()
        newest = self.session.latest(self._number, timeout=LONG)
        assert newest is not None
        self._number = newest[0]
        return newest[1], newest[2]

    def end(self) -> None:
        self.do("quit")
        self._thread.join(LONG)
        assert not self._thread.is_alive()


@pytest.fixture
def make() -> Iterator[Callable[..., Live]]:
    made: list[Live] = []

    def start(*outputs: Keeping, **options: Any) -> Live:
        made.append(Live(*outputs, **options))
        return made[-1]

    yield start
    for live in made:
        live.end()


def test_frames_are_restyled_and_handed_to_every_output(make: Callable[..., Live]) -> None:
    one, two = Keeping("one"), Keeping("two")
    live = make(one, two)
    original, shown = live.step()
    assert torch.equal(shown.image, live.palette(original).image)
    assert original.time == shown.time
    _until(lambda: bool(one.frames and two.frames))
    assert torch.equal(one.frames[0].image, shown.image)
    live.end()
    assert one.ended == ["rtstyle-one"]
    assert two.ended == ["rtstyle-two"]
    assert live.source.closed == 1
    assert live.session.latest(after=1, timeout=5) is None, "nobody waits for a run that is over"


def test_styles_are_switched_mixed_and_travelled(make: Callable[..., Live]) -> None:
    live = make()
    expected = {}
    for name in "abc":
        live.do("style", name=name)
        expected[name] = live.step()[1].image
    assert not torch.equal(expected["a"], expected["b"])
    live.do("next")
    assert torch.equal(live.step()[1].image, expected["a"])
    live.do("previous")
    assert torch.equal(live.step()[1].image, expected["c"])
    live.do("number", n=2)
    assert torch.equal(live.step()[1].image, expected["b"])
    live.do("mix", weights={"a": 1, "b": 3})
    assert live.session.state()["mix"] == {"a": 0.25, "b": 0.75}
    live.do("travel", to="c", seconds=0)
    assert torch.equal(live.step()[1].image, expected["c"])
    live.do("strength", value=0)
    original, shown = live.step()
    assert torch.equal(original.image, shown.image)


def test_a_tour_begins_where_the_picture_is(make: Callable[..., Live]) -> None:
    live = make()
    live.do("style", name="b")
    live.step()
    live.do("tour", seconds=1000)
    live.step()
    live.step()
    mix = live.session.state()["mix"]
    assert set(mix) == {"b", "c"}
    assert mix["b"] > 0.99
    live.do("style", name="a")
    assert live.session.state()["tour"] == 0
    live.do("tour", seconds=0.001)
    seen = set()
    for _ in range(12):
        live.step()
        time.sleep(0.002)
        seen |= set(live.session.state()["mix"])
    assert seen == {"a", "b", "c"}


def test_split_mirror_and_freeze(make: Callable[..., Live]) -> None:
    live = make()
    _, plain = live.step()
    live.do("split", position=0.25)
    original, shown = live.step()
    assert torch.equal(shown.image[:, :, :16], original.image[:, :, :16])
    assert torch.equal(shown.image[:, :, 16:], plain.image[:, :, 16:])
    live.do("split")
    assert live.session.state()["split"] is None
    live.do("mirror", on=True)
    original, _ = live.step()
    assert torch.equal(original.image, live.source.image.flip(2))
    live.do("mirror")
    live.do("freeze")
    held, _ = live.step()
    live.source.image = 255 - live.source.image
    live.do("next")
    original, shown = live.step()
    assert torch.equal(original.image, held.image)
    assert original.time > held.time
    assert not torch.equal(shown.image, plain.image), "styles still change"
    live.do("freeze")
    assert torch.equal(live.step()[0].image, live.source.image)


@pytest.mark.parametrize(
    ("action", "arguments", "says"),
    [
        ("dance", {}, "no action 'dance'"),
        ("state", {}, "no action 'state'"),
        ("next", {"by": 2}, "action 'next'"),
        ("style", {}, "missing a required argument: 'name'"),
        ("style", {"name": "z"}, "no style 'z'"),
        ("style", {"name": ["a"]}, "no style"),
        ("number", {"n": 4}, "there are 1 to 3: a, b, c"),
        ("number", {"n": "1"}, "there is no style 1"),
        ("strength", {"value": 2}, "strength is 2"),
        ("strength", {"value": float("nan")}, "takes a number"),
        ("strength", {"value": True}, "takes a number"),
        ("mix", {"weights": {"a": -1}}, "allowed are numbers from 0 up"),
        ("mix", {"weights": ["a"]}, "takes weights by style"),
        ("travel", {"to": "b", "seconds": -1}, "allowed are numbers from 0 up"),
        ("travel", {"to": 3}, "takes weights by style"),
        ("tour", {"seconds": -1}, "allowed are 0"),
        ("split", {"position": 1.5}, "allowed is 0 (left edge) to 1"),
        ("freeze", {"on": "yes"}, "takes true, false"),
        ("record", {"on": 1}, "takes true, false"),
        ("snapshot", {}, "no picture has come"),
    ],
)
def test_wrong_actions_are_said_and_change_nothing(
    make: Callable[..., Live], action: str, arguments: dict[str, Any], says: str
) -> None:
    live = make()
    before = live.session._controls.state()
    with pytest.raises(RtstyleError) as caught:
        live.do(action, **arguments)
    assert says in str(caught.value)
    assert live.session._controls.state() == before


def test_a_slow_output_misses_frames_and_holds_up_nobody(make: Callable[..., Live]) -> None:
    gate = threading.Event()
    slow, quick = Keeping("slow", gate=gate), Keeping("quick")
    live = make(slow, quick)
    live.step()
    _until(lambda: bool(slow.frames))
    for _ in range(5):
        _, last = live.step()
        _until(lambda last=last: quick.frames[-1].time == last.time)
    gate.set()
    live.end()
    assert len(quick.frames) == 6
    assert [frame.time for frame in slow.frames] == [quick.frames[0].time, quick.frames[-1].time]
    figures = live.session.stats.as_dict()["outputs"]
    assert (figures["slow"]["shown"], figures["slow"]["dropped"]) == (2, 4)
    assert figures["quick"]["dropped"] == 0


def test_a_broken_output_is_said_once_and_closed(make: Callable[..., Live]) -> None:
    broken, good = Keeping("wall", fail="the cable is out"), Keeping("good")
    live = make(broken, good)
    for count in range(1, 4):
        live.step()
        _until(lambda count=count: len(good.frames) == count)
    assert live.notes == ["wall ended: the cable is out"]
    assert len(broken.frames) == 1
    assert broken.ended == ["rtstyle-wall"]


def test_an_output_that_hangs_is_left_behind(
    make: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan, "_PATIENCE", 0.05)
    gate = threading.Event()
    live = make(Keeping("stuck", gate=gate))
    live.step()
    live.end()
    gate.set()
    assert "stuck does not end; it is left behind" in live.notes
    _until(lambda: not any(thread.name == "rtstyle-stuck" for thread in threading.enumerate()))


def test_an_output_that_is_slow_is_waited_for() -> None:
    class Slow(Keeping):
        def show(self, frame: Frame) -> None:
            time.sleep(0.2)
            super().show(frame)

    output = Slow()
    mailbox = Mailbox(output, depth=8)
    for number in range(6):  # in all longer than the patience
        mailbox.put(Frame(torch.zeros(3, 1, 1, dtype=torch.uint8), Fraction(number)))
    mailbox.end()
    assert mailbox.join(0.5)
    assert len(output.frames) == 6


def test_a_run_that_nobody_sees_ends_with_its_last_output(make: Callable[..., Live]) -> None:
    broken = Keeping("wall", fail="the cable is out")
    live = make(broken, watched=False)
    live.step()
    _until(lambda: bool(broken.ended))
    live.source.step()
    live._thread.join(LONG)
    assert not live._thread.is_alive()
    assert live.notes == ["wall ended: the cable is out", "no output is left: the run ends"]


def test_an_error_of_the_source_is_raised_and_outputs_are_finished() -> None:
    output = Keeping()
    source = Stepped(error=RtstyleError("the camera burnt"))
    palette = FeedForward(load_engine(network(0), device="cpu"))
    source.step()
    with pytest.raises(RtstyleError, match="burnt"):
        LiveSession(source, palette, [output]).run()
    assert output.ended == ["rtstyle-kept"]


def test_quit_and_a_time_limit_end_a_run_without_frames(make: Callable[..., Live]) -> None:
    palette = FeedForward(load_engine(network(0), device="cpu"))
    assert LiveSession(Stepped(), palette).run(seconds=0.05).as_dict()["frames_out"] == 0
    ended = LiveSession(Stepped(), palette)
    ended.do("quit")
    ended.run()


def test_a_snapshot_is_a_pair(make: Callable[..., Live], tmp_path: Path) -> None:
    folder = tmp_path / "new"
    live = make(folder=folder)
    original, shown = live.step()
    live.do("split", position=0.5)
    live.step()
    live.do("snapshot")
    live.end()
    first, second = sorted(folder.iterdir())
    assert first.name.endswith("-original.png")
    assert torch.equal(read_image(first).image, original.image)
    assert torch.equal(read_image(second).image, shown.image), "the whole picture, without the split"
    assert live.notes == [f"snapshot: {second}"]


def test_a_snapshot_that_cannot_be_written_is_said(make: Callable[..., Live], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    live = make(folder=tmp_path / "file" / "folder")
    live.step()
    live.do("snapshot")
    live.end()
    assert len(live.notes) == 1
    assert "cannot make this folder" in live.notes[0]


def test_more_snapshots_than_a_disk_can_write_are_refused(
    make: Callable[..., Live], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def write(folder: Path, *pair: Frame) -> Path:
        assert gate.wait(LONG)
        return folder / "a.png"

    monkeypatch.setattr(keeping, "write_pair", write)
    live = make(folder=tmp_path)
    live.step()
    threads = threading.active_count()
    with pytest.raises(RtstyleError, match="snapshots are still being written"):
        for _ in range(10):
            live.do("snapshot")
    assert threading.active_count() == threads + 1
    gate.set()
    live.end()
    assert 3 <= len(live.notes) <= 4


def test_a_snapshot_that_breaks_does_not_stop_those_after_it(
    make: Callable[..., Live], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception | Path] = [PermissionError("not yours"), tmp_path / "b.png"]

    def write(folder: Path, *pair: Frame) -> Path:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(keeping, "write_pair", write)
    live = make(folder=tmp_path)
    live.step()
    for count in (1, 2):
        live.do("snapshot")
        _until(lambda count=count: len(live.notes) == count)
    assert live.notes == ["snapshot: not yours", f"snapshot: {tmp_path / 'b.png'}"]


def test_snapshots_of_one_millisecond_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["1", "1", "2"])
    monkeypatch.setattr(snapshot, "timed_path", lambda folder, ending: folder / f"{next(names)}{ending}")
    frame = Frame(torch.zeros(3, 4, 4, dtype=torch.uint8))
    assert [write_pair(tmp_path, frame, frame).name for _ in range(2)] == ["1-restyled.png", "2-restyled.png"]


def test_recording_is_switched_on_and_off(make: Callable[..., Live], tmp_path: Path) -> None:
    live = make(folder=tmp_path)
    live.step()
    live.do("record", on=True)
    live.do("record", on=True)
    name, seconds = (live.session.state()[key] for key in ("recording", "recorded"))
    assert 0 <= seconds < 60
    assert name.endswith(".mkv")
    times = [live.step()[0].time for _ in range(4)]
    live.do("record")
    assert live.session.state()["recording"] is live.session.state()["recorded"] is None
    live.step()
    live.end()
    frames, _ = read(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert [round(float(f.time), 3) for f in frames] == pytest.approx(
        [float(t - times[0]) for t in times], abs=0.0011
    )
    assert live.notes == [f"{tmp_path / name}: recorded"]


def test_recording_from_the_start_to_a_named_file(make: Callable[..., Live], tmp_path: Path) -> None:
    live = make(record=tmp_path / "mine.mkv")
    live.step()
    live.step()
    live.end()
    assert len(read(tmp_path / "mine.mkv")[0]) == 2
    with pytest.raises(RtstyleError, match="exists already"):
        LiveSession(Stepped(), live.palette, record=tmp_path / "mine.mkv")
    with pytest.raises(RtstyleError, match=r"a recording ends in \.mkv"):
        LiveSession(Stepped(), live.palette, record=tmp_path / "mine.txt")


def test_the_state_is_json_and_says_what_is_shown(make: Callable[..., Live]) -> None:
    live = make(titles={"b": "Bees"}, size=(32, 24), fps=25)
    assert live.session.state()["waiting"], "no frame has come"
    live.step()
    live.source.listener("camera 0 is gone; waiting for it")
    state = json.loads(json.dumps(live.session.state()))
    assert state["styles"][:2] == [{"name": "a", "title": "a"}, {"name": "b", "title": "Bees"}]
    assert (state["camera"], state["size"], state["fixed_size"]) == ([64, 48], [32, 24], True)
    assert (state["fps"], state["waiting"], state["device"], state["engine"]) == (25, False, "cpu", "eager")
    assert state["notes"] == [[1, "camera 0 is gone; waiting for it"]]
    assert state["stats"]["frames_out"] == 1
    assert set(state["stats"]["stages_ms"]) == {"capture", "restyle", "compose"}


def test_a_slow_camera_is_no_missing_one(make: Callable[..., Live], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_SILENCE", 0.01)
    source = Stepped()
    source.info = VideoInfo(WIDTH, HEIGHT, Fraction(1, 10))
    live = make(source=source)
    live.step()
    time.sleep(0.05)
    assert not live.session.state()["waiting"]


def test_a_slow_style_is_no_missing_camera(
    make: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_SILENCE", 0.05)
    run = make()
    run.step()
    begun, go_on = threading.Event(), threading.Event()
    restyle = run.palette._run

    def slow(*given: Any) -> torch.Tensor:
        begun.set()
        assert go_on.wait(LONG)
        return restyle(*given)

    monkeypatch.setattr(run.palette, "_run", slow)
    run.source.step()
    assert begun.wait(LONG)
    time.sleep(0.1)
    assert not run.session.state()["waiting"]
    go_on.set()
    run.session.latest(1, timeout=LONG)
    time.sleep(0.3)
    assert run.session.state()["waiting"]


def test_a_travel_goes_on_where_no_style_is_seen(make: Callable[..., Live]) -> None:
    run = make()
    run.step()
    run.do("strength", value=0.0)
    run.step()
    run.palette.travel({"b": 1}, seconds=0.05)
    for _ in range(3):
        run.step()
        time.sleep(0.05)
    assert run.palette.mix == {"b": 1}


def test_a_smaller_processing_size_keeps_the_outputs_size(make: Callable[..., Live], tmp_path: Path) -> None:
    output = Keeping()
    live = make(output, size=(32, 24), folder=tmp_path)
    original, shown = live.step()
    small = scaled(original.image, (32, 24))
    assert torch.equal(shown.image, live.palette(replace(original, image=small)).image)
    _until(lambda: bool(output.frames))
    assert output.frames[0].image.shape == original.image.shape
    live.do("snapshot")
    _until(lambda: bool(live.notes))
    for path in tmp_path.glob("*.png"):
        assert read_image(path).image.shape == original.image.shape
    live.do("split", on=True, position=0.5)
    original, shown = live.step()
    half = original.image.shape[2] // 2
    assert torch.equal(shown.image[:, :, :half], original.image[:, :, :half])
    assert not torch.equal(shown.image[:, :, half:], original.image[:, :, half:])


def test_no_style_gives_back_the_very_picture(make: Callable[..., Live]) -> None:
    live = make(size=(32, 24))
    live.do("strength", value=0)
    original, shown = live.step()
    assert torch.equal(shown.image, original.image)


def test_a_mailbox_gives_the_newest_and_finishes_what_waits() -> None:
    gate = threading.Event()
    output = Keeping(gate=gate)
    mailbox = Mailbox(output)
    frames = [Frame(torch.zeros(3, 1, 1, dtype=torch.uint8), Fraction(n)) for n in range(4)]
    mailbox.put(frames[0])
    _until(lambda: bool(output.frames))
    for frame in frames[1:]:
        mailbox.put(frame)
    mailbox.end()
    gate.set()
    assert mailbox.join(LONG)
    assert output.frames == [frames[0], frames[3]]
    assert (mailbox.newly_dropped(), mailbox.newly_dropped()) == (2, 0)
    mailbox.put(frames[0])
    assert not mailbox.alive


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)
