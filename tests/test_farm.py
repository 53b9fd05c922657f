"""Workers on a Ray cluster of this machine: kept busy, replaced when they die, gone at the end."""

import os
import signal
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from rtstyle.api import stylize_video
from rtstyle.cli import main
from rtstyle.cluster import segments as cutting
from rtstyle.cluster.farm import Farm, _connect
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from tests.media import REORDERED, Clip, Sound, convert, numbers, payload, read, times


class Mortal:
    """Inverts pictures. At `moment` it kills its process, if nobody has died there before."""

    def __init__(self, folder: Path, moment: Fraction) -> None:
        self._folder, self._moment = folder, moment

    def __call__(self, frame: Frame) -> Frame:
        return self.prepare(frame)()

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        (self._folder / f"worker-{os.getpid()}").touch()
        if frame.time == self._moment:
            if not (self._folder / "died").exists():
                (self._folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if (self._folder / "fail").exists():
                raise RtstyleError("this moment is cursed")
        return lambda: Frame(255 - frame.image, frame.time)

    def at_once(self, width: int, height: int) -> int:
        return 1

    def reset(self) -> None: ...


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """Two workers that share a folder."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'rtstyle[ray]'")
    monkeypatch.setattr(cutting, "FEWEST", 16)
    with Farm("local", partial(Mortal, tmp_path, Fraction(60, 25)), cores=2) as farm:
        assert farm.workers == 2
        yield farm
    assert not ray.is_initialized()


def test_a_worker_that_dies_is_replaced_and_nothing_lost_or_doubled(farm: Farm, tmp_path: Path) -> None:
    source = Clip(128, options=REORDERED, sounds=[Sound(seconds=5)]).make(tmp_path / "in.mp4")
    one = convert(source, tmp_path / "one.mp4", preset="veryfast")
    counts: list[int] = []

    def restyle(output: str) -> int:
        stylizer = Mortal(tmp_path, Fraction(60, 25))
        return stylize_video(
            source,
            tmp_path / output,
            stylizer=stylizer,
            farm=farm,
            listener=lambda p: counts.append(p.frames),
        ).frames

    assert restyle("many.mp4") == 128
    assert (tmp_path / "died").exists()
    assert len(list(tmp_path.glob("worker-*"))) >= 2
    assert counts == [16, 32, 48, 64, 80, 96, 112, 128]
    frames, notes = read(tmp_path / "many.mp4")
    assert [255 - number for number in numbers(frames)] == list(range(128))
    assert (times(frames), notes) == (one.times, [])
    assert payload(tmp_path / "many.mp4") == payload(tmp_path / "one.mp4")

    (tmp_path / "fail").touch()  # another video on the same farm; what came before the error stays
    with pytest.raises(RtstyleError, match=r"^this moment is cursed$"):
        restyle("failed.mp4")
    frames, _ = read(tmp_path / "failed.partial.mp4")
    assert [255 - number for number in numbers(frames)] == list(range(48))
    (tmp_path / "fail").unlink()
    assert restyle("again.mp4") == 128


def test_without_ray_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    Clip(10).make(tmp_path / "in.mp4")
    assert main(["video", str(tmp_path / "in.mp4"), str(tmp_path / "out.mp4"), "--ray", "local"]) == 1
    assert capsys.readouterr().err == "rtstyle: Ray is not installed; pip install 'rtstyle[ray]'\n"


def test_a_cluster_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'rtstyle[ray]'")
    Clip(10).make(tmp_path / "in.mp4")
    assert main(["video", str(tmp_path / "in.mp4"), str(tmp_path / "out.mp4"), "--ray", "auto"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("rtstyle: cannot join the Ray cluster at 'auto'") and error.count("\n") == 1


def test_an_error_without_words_is_named() -> None:
    class Silent:
        def init(self, **_: object) -> None:
            raise ConnectionError

    with pytest.raises(RtstyleError, match=r"^cannot join the Ray cluster at 'auto' \(ConnectionError\)$"):
        _connect(Silent(), "auto", None)
