"""A stopped run goes on from the frames it kept."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.stylizers.carried import Steady
from rtstyle.stylizers.kept import Kept

PHOTOS = [torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(n)) for n in range(4)]


class Counted:
    def __init__(self, stop_at: int = 99) -> None:
        self.calls, self.stop_at = 0, stop_at

    def __call__(self, photo: Tensor, start: Tensor, steady: Steady | None) -> Tensor:
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return photo.flip(0) / 3


def results(kept: Kept) -> list[Tensor]:
    return [kept(photo, photo, None) for photo in PHOTOS]


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    whole = results(Kept(Counted(), tmp_path / "whole", {"steps": 9}))
    folder = tmp_path / "clip.frames"
    with pytest.raises(KeyboardInterrupt):
        results(Kept(Counted(stop_at=2), folder, {"steps": 9}))
    assert len(list(folder.glob("*.png"))) == 2
    method = Counted()
    again = Kept(method, folder, {"steps": 9})
    assert all(torch.equal(one, other) for one, other in zip(results(again), whole, strict=True))
    assert (method.calls, again.found) == (2, 2)
    assert (whole[0] - PHOTOS[0].flip(0) / 3).abs().max() < 1e-5
    again.discard()
    assert not folder.exists()


def test_nothing_is_left_of_a_run_that_made_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        results(Kept(Counted(stop_at=0), tmp_path / "none", {}))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("settings", "line"),
    [({"steps": 8}, "a stopped run with steps 9, not 8"), ({"steps": 9, "seed": 1}, "with seed None, not 1")],
)
def test_frames_of_other_settings_are_refused(tmp_path: Path, settings: dict[str, int], line: str) -> None:
    results(Kept(Counted(), tmp_path / "kept", {"steps": 9}))
    with pytest.raises(RtstyleError, match=line):
        Kept(Counted(), tmp_path / "kept", settings)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(RtstyleError, match="is in the way"):
        Kept(Counted(), tmp_path, {})


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    results(Kept(Counted(), tmp_path / "kept", {}))
    other = torch.rand(3, 8, 8)
    with pytest.raises(RtstyleError, match="of another size"):
        Kept(Counted(), tmp_path / "kept", {})(other, other, None)
