"""Folders of pictures: exact pixels, a name only when complete, no user's file destroyed, frames in order."""

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.media.frame_folder import FrameFolderSink, FrameFolderSource
from tests.test_image_file import wide_profile


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


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    with FrameFolderSink(tmp_path / "out", shape=Fraction(4, 3)) as sink:
        for seed in range(2):
            sink.write(noise(seed))
    assert cv2.imread(str(tmp_path / "out" / "000002.png")).shape == (17, 44, 3)
    assert sink.notes[1:] == ["pictures have square pixels: they are made 44x17"]


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
    with pytest.raises(RtstyleError, match="is a folder with files in it"):
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


def write(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    assert cv2.imwrite(str(folder / name), pixels)


def test_pictures_become_frames_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100, 8):
        write(tmp_path / "in", f"shot_{number}.png", np.full((16, 24, 3), number, np.uint8))
    (tmp_path / "in" / "notes.txt").write_text("mine")
    write(tmp_path / "in" / "more", "1.png", np.zeros((16, 24, 3), np.uint8))
    with FrameFolderSource(tmp_path / "in", rate=Fraction(30000, 1001)) as source:
        assert source.info == VideoInfo(24, 16, Fraction(30000, 1001), 4, Fraction(1001, 30000))
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [8, 9, 10, 100]
    assert [frame.time for frame in frames] == [number * Fraction(1001, 30000) for number in range(4)]
    assert source.notes == []


def test_names_are_sorted_as_people_count(tmp_path: Path) -> None:
    wanted = ("shot.png", "shot2.png", "shot02.png", "shot10.png", "shot10b.png")
    for number, name in enumerate(wanted):
        write(tmp_path / "in", name, np.full((16, 16, 3), number, np.uint8))
    with FrameFolderSource(tmp_path / "in") as source:
        shown = [int(frame.image[0, 0, 0]) for frame in source]
    assert shown in ([0, 1, 2, 3, 4], [0, 2, 1, 3, 4])  # 2 and 02 are the same number


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    """Green and red change places in this profile."""
    (tmp_path / "in").mkdir()
    wide = Image.fromarray(np.full((16, 16, 3), (200, 40, 40), np.uint8))
    wide.save(tmp_path / "in" / "1.png", icc_profile=wide_profile())
    with FrameFolderSource(tmp_path / "in") as source:
        red, green, blue = next(iter(source)).image[:, 0, 0].tolist()
    assert abs(green - 200) < 8 and abs(red - 40) < 8 and abs(blue - 40) < 8


def test_what_a_folder_source_changes_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder, "1.png", np.full((16, 24, 3), 90, np.uint8))
    write(folder, "2.png", np.full((32, 48, 3), 90, np.uint8))
    write(folder, "3.png", np.full((16, 24, 3), 257 * 90, np.uint16))
    clear = np.full((16, 24, 4), 90, np.uint8)
    clear[:, :12, 3] = 0
    write(folder, "4.png", clear)
    with FrameFolderSource(folder) as source:
        frames = [frame.image for frame in source]
    assert all(image.shape == (3, 16, 24) and image.dtype == torch.uint8 for image in frames)
    assert all(bool((image == 90).all()) for image in frames[:3])
    assert (frames[3][:, :, :12] == 0).all()
    assert source.notes == [
        "16 bits a sample became 8",
        "pictures of 2 sizes; all are made 24x16, other shapes on black",
        "transparent pictures: composited on black",
    ]


@pytest.mark.parametrize(
    ("size", "shown"),  # where the picture is: rows, columns
    [
        ((16, 48), (4, 12, 0, 24)),
        ((32, 16), (0, 16, 8, 16)),
        ((8, 8), (0, 16, 4, 20)),
        ((33, 48), (0, 16, 0, 24)),  # but for rounding the same shape
    ],
)
def test_pictures_of_another_shape_keep_it(
    size: tuple[int, int], shown: tuple[int, int, int, int], tmp_path: Path
) -> None:
    write(tmp_path / "in", "1.png", np.full((16, 24, 3), 90, np.uint8))
    write(tmp_path / "in", "2.png", np.full((*size, 3), 90, np.uint8))
    with FrameFolderSource(tmp_path / "in") as source:
        _, frame = source
    top, bottom, left, right = shown
    expected = torch.zeros(3, 16, 24, dtype=torch.uint8)
    expected[:, top:bottom, left:right] = 90
    assert torch.equal(frame.image, expected)


@pytest.mark.parametrize(
    ("start", "end", "shown"), [(None, "0.2", [0, 1]), ("0.2", None, [2, 3, 4]), ("0.15", "0.31", [2, 3])]
)
def test_a_part_of_a_folder(start: str | None, end: str | None, shown: list[int], tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "in", f"{number}.png", np.full((16, 16, 3), number, np.uint8))
    begin, over = (None if time is None else Fraction(time) for time in (start, end))
    with FrameFolderSource(tmp_path / "in", rate=10, start=begin, end=over) as source:
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == shown
    assert frames[0].time == 0 and source.info.length == len(shown)


def test_what_is_no_folder_of_frames_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RtstyleError, match="holds no picture"):
        FrameFolderSource(tmp_path / "empty")
    write(tmp_path / "in", "1.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(RtstyleError, match=r"no frame lies .*; it lasts 0\.04 s"):
        FrameFolderSource(tmp_path / "in", start=Fraction(1))
    for rate in (0, 0.0001, 2000, math.inf, math.nan):
        with pytest.raises(RtstyleError, match=f"{rate:g} frames a second; allowed are 0.01 to 1000"):
            FrameFolderSource(tmp_path / "in", rate=rate)
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")
    with FrameFolderSource(tmp_path / "in") as source, pytest.raises(RtstyleError, match=r"2\.png"):
        list(source)
