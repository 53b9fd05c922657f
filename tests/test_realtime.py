"""Files, drawings and streams as live sources: their own speed, loops, connections that break."""

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.media import realtime
from rtstyle.media.camera import open_camera
from rtstyle.media.null import MemorySource
from rtstyle.media.realtime import NetworkStream, Pace, RealTime, public_address
from rtstyle.threads import latest
from tests.media import Clip, number_of, numbers


class Clock:
    """Stands in for time.monotonic and for waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = Fraction(1000)
        self.waited: list[float] = []
        monkeypatch.setattr(realtime, "moment", lambda: self.now)

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += Fraction(seconds)
        return False


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def pace_on(clock: Clock) -> Pace:
    return Pace(clock)  # type: ignore[arg-type]


def test_frames_wait_until_they_are_due(clock: Clock) -> None:
    pace = pace_on(clock)
    assert [pace(Fraction(n, 4)) for n in range(3)] == [1000, Fraction(4001, 4), Fraction(2001, 2)]
    assert clock.waited == [0.25, 0.25]
    clock.now += Fraction(1, 2)  # the machine was busy: a frame that is late comes now
    assert pace(Fraction(3, 4)) == clock.now
    assert pace(Fraction(5, 4)) == 1000 + Fraction(5, 4), "the clock is the same as before"


def test_after_a_sleep_playing_goes_on_from_now(clock: Clock) -> None:
    pace = pace_on(clock)
    pace(Fraction(0))
    clock.now += 3600
    begin = clock.now
    assert [pace(Fraction(n, 4)) for n in (1, 2, 3)] == [
        begin,
        begin + Fraction(1, 4),
        begin + Fraction(1, 2),
    ]


def test_a_file_is_looped_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[Fraction] = []

    class Noted(Pace):
        def __call__(self, time: Fraction) -> Fraction:
            times.append(time)
            return time

    monkeypatch.setattr(realtime, "Pace", Noted)
    with RealTime(Clip(frames=3).make(tmp_path / "clip.mp4")) as source:
        assert source.info == VideoInfo(64, 48, Fraction(25))
        frames = list(islice(source, 8))
    assert numbers(frames) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert times == [Fraction(n, 25) for n in range(8)]


def test_a_source_without_loop_ends(clock: Clock) -> None:
    source = RealTime(MemorySource(list(RealTimeFrames()), 2, Fraction(1000)), loop=False)
    assert source.info.length == 2
    assert len(list(source)) == 2
    assert isinstance(source, Source)


def test_an_empty_source_is_not_looped_for_ever() -> None:
    assert list(RealTime(MemorySource(list(RealTimeFrames()), 0))) == []


def test_stop_ends_a_wait_at_once() -> None:
    source = RealTime(MemorySource(list(RealTimeFrames()), 10, Fraction(1, 1000)))
    with latest(source) as frames:
        assert next(iter(frames)).time > 0
        begin = time.monotonic()
    assert time.monotonic() - begin < 100, "a frame is due in a thousand seconds"


def RealTimeFrames() -> Iterator[Frame]:
    import torch

    yield Frame(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_what_a_camera_may_be(tmp_path: Path) -> None:
    with open_camera("synthetic", (64, 48), 25) as drawn:
        assert (drawn.info.width, drawn.info.height, drawn.info.length) == (64, 48, None)
        assert next(iter(drawn)).image.shape == (3, 48, 64)
    with open_camera(str(Clip(frames=2).make(tmp_path / "a.mp4"))) as file:
        assert isinstance(file, RealTime)
    with pytest.raises(RtstyleError, match=r"--camera nothing\.mp4: no such file; allowed are .*'synthetic'"):
        open_camera("nothing.mp4")
    with pytest.raises(RtstyleError, match=r"rtsp://127.0.0.1:1/x: cannot be opened"):
        open_camera("rtsp://user:secret@127.0.0.1:1/x")


def test_a_stream_that_ends_is_connected_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "_RETRIES", (0.0,))
    path = Clip(frames=3, options={"preset": "ultrafast", "crf": "10", "tune": "zerolatency"}).make(
        tmp_path / "stream.mkv"
    )
    notes: list[str] = []
    with NetworkStream(f"file:{path}") as source:
        source.listener = notes.append
        assert (source.info.width, source.info.height, source.info.length) == (64, 48, None)
        frames = list(islice(source, 7))
        assert numbers(frames) == [0, 1, 2, 0, 1, 2, 0]
        assert [f.time for f in frames] == sorted(f.time for f in frames)
        name = f"file:{path}"
        lost, back = f"{name}: the stream ended; trying to connect again", f"{name}: connected again"
        assert notes == [lost, back] * 2
        # The server is gone: said once, tried until it is back.
        path.rename(tmp_path / "away.mkv")
        taken = iter(source)
        attempts = 0
        connect = source._connect

        def counted() -> object:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                (tmp_path / "away.mkv").rename(path)
            return connect()

        monkeypatch.setattr(source, "_connect", counted)
        source._disconnect()
        notes.clear()
        assert number_of(next(taken).image) == 0
        assert len(notes) == 2
        assert "No such file" in notes[0]
        assert notes[1] == back


def test_a_waiting_stream_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "_RETRIES", (1000.0,))
    path = Clip(frames=2).make(tmp_path / "stream.mkv")
    source = NetworkStream(f"file:{path}")
    lost = threading.Event()
    source.listener = lambda line: lost.set()
    with latest(source) as frames:
        next(iter(frames))
        assert lost.wait(60)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("rtsp://host:554/a/b", "rtsp://host:554/a/b"),
        ("rtsp://user:p@ss@host/s", "rtsp://host/s"),
        ("http://host/v.cgi?user=a&pwd=secret", "http://host/v.cgi"),
        ("http://host/a@b", "http://host/a@b"),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_what_is_secret_in_an_address_is_not_said(address: str, said: str) -> None:
    assert public_address(address) == said


def test_a_stream_is_made_the_size_asked_for(tmp_path: Path) -> None:
    path = Clip(frames=3).make(tmp_path / "clip.mp4")
    with NetworkStream(f"file:{path}", (None, 24)) as source:
        assert (source.info.width, source.info.height) == (32, 24)
        assert next(iter(source)).image.shape == (3, 24, 32)


def test_a_stream_without_pictures_is_said(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>404")
    with pytest.raises(RtstyleError, match="cannot be opened"):
        NetworkStream(f"file:{tmp_path / 'page.html'}")


def test_a_broken_picture_does_not_break_the_connection(tmp_path: Path) -> None:
    path = Clip(frames=6, codec="mjpeg", pixel_format="yuvj420p", options={}).make(tmp_path / "cam.mov")
    with av.open(str(path)) as container:
        places = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    data[places[3][0] : places[3][0] + places[3][1]] = bytes(places[3][1])
    path.write_bytes(bytes(data))
    notes: list[str] = []
    with NetworkStream(f"file:{path}") as source:
        source.listener = notes.append
        assert numbers(islice(source, 5)) == [0, 1, 2, 4, 5]
    assert notes == []


@pytest.mark.parametrize("network", (True, False))
def test_pixels_that_are_not_square_are_made_so(network: bool, tmp_path: Path) -> None:
    def wide(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)

    path = Clip(frames=2, setup=wide).make(tmp_path / "wide.mkv")
    with NetworkStream(f"file:{path}") if network else RealTime(path, loop=False) as source:
        assert (source.info.width, source.info.height, source.info.sample_aspect_ratio) == (128, 48, 1)
        (frame,) = islice(source, 1)
        assert frame.image.shape == (3, 48, 128)
