"""A folder of PNGs: exact pixels, a name only when complete, no user's file destroyed."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from rtstyle.media.frame_folder import FrameFolderSink


def noise(seed: int) -> Frame:
    values = np.random.default_rng(seed).integers(0, 256, (3, 17, 33), dtype=np.uint8)
    return Frame(torch.from_numpy(values), Fraction(seed, 25))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_frames_are_stored_exactly(tmp_path: Path) -> None:
    with FrameFolderSink(tmp_path / "out") as sink:
        for seed in range(3):
            sink.write(noise(seed))
    assert names(tmp_path / "out") == ["000001.png", "000002.png", "000003.png"]
    for seed in range(3):
        stored = cv2.imread(str(tmp_path / "out" / f"00000{seed + 1}.png"), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert np.array_equal(stored.transpose(2, 0, 1), noise(seed).image.numpy())
    assert sink.notes == ["a folder of pictures holds no times, sound or subtitles: left out"]


def test_the_name_appears_only_when_complete(tmp_path: Path) -> None:
    sink = FrameFolderSink(tmp_path / "out")
    sink.write(noise(0))
    assert names(tmp_path) == ["out.partial"]
    sink.close()
    sink.close()
    sink.abandon()
    assert names(tmp_path) == ["out"]


def test_an_abandoned_folder_keeps_its_frames(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FrameFolderSink(tmp_path / "out") as sink:
        sink.write(noise(0))
        raise KeyboardInterrupt
    assert names(tmp_path) == ["out.partial"]
    assert names(tmp_path / "out.partial") == ["000001.png"]


@pytest.mark.parametrize("end", ("close", "abandon"))
def test_without_a_frame_there_is_no_folder(end: str, tmp_path: Path) -> None:
    getattr(FrameFolderSink(tmp_path / "out"), end)()
    assert names(tmp_path) == []


def test_an_existing_folder_of_frames_is_replaced_only_when_told(tmp_path: Path) -> None:
    for seed, overwrite in ((0, False), (1, True)):
        with FrameFolderSink(tmp_path / "out", overwrite=overwrite) as sink:
            sink.write(noise(seed))
    with pytest.raises(RtstyleError, match="exists already"):
        FrameFolderSink(tmp_path / "out")
    stored = cv2.imread(str(tmp_path / "out" / "000001.png"))[:, :, ::-1]
    assert np.array_equal(stored.transpose(2, 0, 1), noise(1).image.numpy())


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FrameFolderSink(tmp_path / "out") as sink:
        sink.write(noise(0))
    assert names(tmp_path / "out") == ["000001.png"]


def test_a_users_own_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.png").touch()
    (tmp_path / "file").touch()
    for name, words in (("out", "holds other files"), ("file", "is a file")):
        with pytest.raises(RtstyleError, match=words):
            FrameFolderSink(tmp_path / name, overwrite=True)
    assert names(tmp_path / "out") == ["holiday.png"]


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    sink = FrameFolderSink(tmp_path / "out")
    (tmp_path / "out.partial" / "000001.png").mkdir()
    with pytest.raises(RtstyleError, match="cannot be written"):
        sink.write(noise(0))
