"""Reading: every frame, upright, at its exact time, whatever the container; damage said, not raised."""

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from rtstyle.errors import RtstyleError
from rtstyle.media.video_file import VideoFileSource
from tests.media import REORDERED, Clip, Sound, as_frame, joined, numbered, numbers, read, times
from tests.test_geometry import ONE, SHEETS

NINETY_KHZ = Fraction(1, 90000)


def grid(count: int, first: int = 0, rate: int = 25) -> list[Fraction]:
    return [Fraction(number, rate) for number in range(first, first + count)]


# Time


@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".mkv", ".avi", ".y4m", ".nut"))
def test_constant_rate(suffix: str, tmp_path: Path) -> None:
    codec, options = ("libx264", REORDERED) if suffix in (".mp4", ".mov", ".mkv", ".avi") else ("ffv1", {})
    codec = "wrapped_avframe" if suffix == ".y4m" else codec
    frames, notes = read(Clip(30, codec=codec, options=options).make(tmp_path / f"in{suffix}"))
    assert (numbers(frames), times(frames), notes) == (list(range(30)), grid(30), [])


@pytest.mark.parametrize("rate", ("24000/1001", "60000/1001", "240", "1000", "1/4"))
def test_other_rates_are_exact(rate: str, tmp_path: Path) -> None:
    frames, _ = read(Clip(5, rate=Fraction(rate)).make(tmp_path / "in.mp4"))
    assert times(frames) == [number / Fraction(rate) for number in range(5)]


def test_variable_rate(tmp_path: Path) -> None:
    ticks = [0, 40, 47, 100, 300, 301, 900, 1000]
    clip = Clip(base=Fraction(1, 1000), ticks=ticks, options=REORDERED)
    for suffix in (".mp4", ".mkv"):
        frames, notes = read(clip.make(tmp_path / f"in{suffix}"))
        assert times(frames) == [Fraction(tick, 1000) for tick in ticks]
        assert notes == []


@pytest.mark.parametrize("suffix", (".mp4", ".mkv"))
def test_a_late_start_is_kept(suffix: str, tmp_path: Path) -> None:
    clip = Clip(ticks=range(50, 60), sounds=[Sound(start=2)])
    frames, notes = read(clip.make(tmp_path / f"in{suffix}"))
    assert (times(frames), notes) == (grid(10, 50), [])


def test_an_edit_list_leaves_frames_out(tmp_path: Path) -> None:
    """Frames before zero are cut by the edit list of an MP4."""
    frames, notes = read(Clip(ticks=range(-3, 7)).make(tmp_path / "in.mp4"))
    assert (numbers(frames), times(frames), notes) == (list(range(3, 10)), grid(7), [])


def test_a_start_before_zero_is_moved_to_zero_and_said(tmp_path: Path) -> None:
    clip = Clip(ticks=range(-3, 7), container={"avoid_negative_ts": "disabled"})
    frames, notes = read(clip.make(tmp_path / "in.mkv"))
    assert (numbers(frames), times(frames)) == (list(range(10)), grid(10))
    assert notes[0] == "the clock starts at -0.12 s; it is moved to zero"


def test_a_thousand_frames_a_second_are_not_believed(tmp_path: Path) -> None:
    clip = Clip(20, rate=1000, base=Fraction(1, 1000), ticks=[33 * number for number in range(20)])
    with VideoFileSource(clip.make(tmp_path / "in.mkv")) as source:
        assert source.info.rate == pytest.approx(1000 / 33, rel=0.01)
        assert source.info.length in (19, 20, 21)


@pytest.mark.parametrize(("suffix", "codec"), ((".h264", "libx264"), (".m2v", "mpeg2video")))
def test_a_bare_stream_runs_at_its_codecs_rate(suffix: str, codec: str, tmp_path: Path) -> None:
    options = REORDERED if codec == "libx264" else {}
    frames, notes = read(Clip(30, rate=30, codec=codec, options=options).make(tmp_path / f"in{suffix}"))
    assert numbers(frames) == list(range(30))
    assert np.diff(times(frames)).tolist() == [Fraction(1, 30)] * 29
    if codec == "libx264":
        assert notes == ["the file holds no time stamps: frames are placed 30 a second"]


def test_a_broadcast_clock_is_moved_to_zero(tmp_path: Path) -> None:
    start = 95_000  # seconds: close to where the 33 bits of MPEG-TS wrap
    for name, first in (("late", start), ("wrap", start + 442)):
        ticks = [90000 * first + 3600 * number for number in range(50)]
        clip = Clip(base=NINETY_KHZ, ticks=ticks, options=REORDERED, sounds=[Sound(seconds=2, start=first)])
        frames, notes = read(clip.make(tmp_path / f"{name}.ts"))
        assert numbers(frames) == list(range(50))
        assert times(frames)[0] < Fraction(1, 10)
        assert np.diff(times(frames)).tolist() == [Fraction(1, 25)] * 49
        assert len(notes) == 1 and notes[0].endswith("it is moved to zero")


def test_a_broadcast_clock_may_jump(tmp_path: Path) -> None:
    parts = [
        Clip(
            50, 50 * place, base=NINETY_KHZ, options=REORDERED,
            ticks=[90000 * start + 3600 * number for number in range(50)],
            sounds=[Sound(seconds=2, start=start)],
        )
        for place, start in enumerate((5, 0))
    ]  # fmt: skip
    frames, notes = read(joined(tmp_path / "in.ts", *parts))
    assert numbers(frames) == list(range(100))
    assert times(frames)[-1] - times(frames)[0] == pytest.approx(99 / 25, abs=0.1)
    assert "the clock jumps once; what follows is moved on without a gap" in notes


def test_a_broadcast_of_variable_rate_is_read_from_its_first_frame(tmp_path: Path) -> None:
    ticks = [3600 * (n + n // 3 + 2 * (n // 5)) for n in range(60)]
    path = Clip(base=NINETY_KHZ, ticks=ticks, options=REORDERED).make(tmp_path / "in.ts")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate is None  # so that the rate has to be counted
    frames, notes = read(path)
    assert numbers(frames) == list(range(60)) and not notes
    assert [(time - frames[0].time) * 90000 for time in times(frames)] == ticks


# Start and end


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("long")
    many = {"frames": 150, "options": REORDERED}
    return {
        "mp4": Clip(**many).make(folder / "in.mp4"),
        "late mp4": Clip(**many, ticks=range(50, 200)).make(folder / "late.mp4"),
        "mkv": Clip(**many).make(folder / "in.mkv"),
        "one key": Clip(150, options={**REORDERED, "g": "999"}).make(folder / "one.mkv"),
        "ts": Clip(**many, base=NINETY_KHZ, ticks=range(0, 540000, 3600)).make(folder / "in.ts"),
        "avi": Clip(150, codec="mpeg4", options={"bf": "2", "g": "25"}).make(folder / "in.avi"),
        "h264": Clip(**many).make(folder / "in.h264"),
        "fragments": Clip(**many, container={"movflags": "frag_keyframe"}).make(folder / "fragments.mp4"),
    }


@pytest.mark.parametrize(
    ("start", "end"),
    ((None, "1"), ("0.1", "0.5"), ("2", "3"), ("2.99", "3.1"), ("3.01", None), ("5.9", None)),
)
@pytest.mark.parametrize(
    "name", ("mp4", "late mp4", "mkv", "one key", "ts", "avi", "h264", "fragments")
)  # fmt: skip
def test_a_part_is_exact_to_the_frame(
    name: str, start: str | None, end: str | None, long_clips: dict[str, Path]
) -> None:
    first = None if start is None else Fraction(start)
    last = None if end is None else Fraction(end)
    frames, notes = read(long_clips[name], start=first, end=last)
    wanted = [n for n in range(150) if (first or 0) <= Fraction(n, 25) < (last or 999)]
    assert numbers(frames) == wanted
    origin = Fraction(wanted[0], 25) - times(frames)[0]  # on the clock of the picture: one tick at most
    assert 0 <= (first or 0) - origin < Fraction(1, 25)
    assert times(frames) == [Fraction(n, 25) - origin for n in wanted]
    assert notes == [] or name == "h264"


@pytest.mark.parametrize("start", (13, 33, 50))
def test_a_part_of_a_slow_broadcast_is_looked_for_further_back(start: int, tmp_path: Path) -> None:
    ticks = range(0, 60 * 90000, 90000)
    clip = Clip(60, rate=1, base=NINETY_KHZ, ticks=ticks, options={**REORDERED, "g": "5"})
    frames, _ = read(clip.make(tmp_path / "in.ts"), start=Fraction(start))
    assert numbers(frames) == list(range(start, 60))


@pytest.mark.parametrize(("start", "end"), (("7", None), ("3", "2"), ("2.001", "2.01")))
def test_a_part_that_holds_nothing_is_refused(
    start: str, end: str | None, long_clips: dict[str, Path]
) -> None:
    with pytest.raises(RtstyleError, match=r"beyond the end|not after start|no frame lies"):
        read(long_clips["mp4"], start=Fraction(start), end=Fraction(end) if end else None)


# Geometry


@pytest.mark.parametrize("name", SHEETS)
def test_the_display_matrix_is_applied(name: str, tmp_path: Path) -> None:
    (a, b, c, d), corners = SHEETS[name]
    levels = {"a": 250, "b": 170, "c": 90, "d": 10}
    sheet = np.array([[levels["a"], levels["b"]], [levels["c"], levels["d"]]], np.uint8)
    picture = sheet.repeat(24, 0).repeat(32, 1)[..., None].repeat(3, 2)
    matrix = [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]
    clip = Clip(1, pictures=[as_frame(picture)], setup=lambda stream: stream.set_display_matrix(matrix))
    with VideoFileSource(clip.make(tmp_path / "in.mp4")) as source:
        image = next(iter(source)).image
        assert (source.info.width, source.info.height) == (image.shape[2], image.shape[1])
    assert image.shape[1:] == ((64, 48) if a == 0 else (48, 64))
    seen = [int(image[0, y, x]) for y in (4, -5) for x in (4, -5)]
    assert seen == pytest.approx([levels[corner] for corner in corners], abs=8)


def test_the_shape_of_pixels_turns_with_the_picture(tmp_path: Path) -> None:
    def setup(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        stream.set_display_matrix([0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30])

    path = Clip(2, setup=setup).make(tmp_path / "in.mp4")
    with VideoFileSource(path) as source:
        assert source.info.sample_aspect_ratio == Fraction(45, 64)
    with VideoFileSource(path, size=(None, 32)) as source:
        assert (source.info.width, source.info.height) == (24, 32)
        assert next(iter(source)).image.shape == (3, 32, 24)


@pytest.mark.parametrize("size", ((17, 16), (16, 17), (33, 35), (2048, 16)))
def test_odd_sizes_are_read_as_they_are(size: tuple[int, int], tmp_path: Path) -> None:
    frames, _ = read(Clip(2, size=size, pixel_format="yuv444p").make(tmp_path / "in.mp4"))
    assert [frame.image.shape for frame in frames] == [(3, size[1], size[0])] * 2
    assert numbers(frames) == [0, 1]


@pytest.mark.parametrize("interlaced", (False, True))
def test_a_size_change_loses_no_frame(interlaced: bool, tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "crf": "10", "flags": "+ildct+ilme" if interlaced else "0"}
    parts = [
        Clip(20, 20 * place, size, base=NINETY_KHZ, options=options)
        for place, size in enumerate(((64, 48), (96, 80), (48, 32)))
    ]
    for place, part in enumerate(parts):
        part.ticks = range(72000 * place, 72000 * (place + 1), 3600)
    frames, notes = read(joined(tmp_path / "in.ts", *parts))
    assert numbers(frames) == list(range(60))
    assert {frame.image.shape for frame in frames} == {(3, 48, 64)}
    assert notes[0].startswith("the picture changes size to 48x32 on the way; all frames are made 64x48")
    assert len(notes) == 1 + interlaced


# Fields


def combed(image: torch.Tensor) -> float:
    rows = image.float().mean(0)
    return float((rows[1:-1] - (rows[:-2] + rows[2:]) / 2).abs().mean())


def fields(count: int) -> list[av.VideoFrame]:
    """A bar that moves between the two fields of each frame."""
    frames = []
    for number in range(count):
        picture = np.zeros((96, 128, 3), np.uint8)
        for field in (0, 1):
            left = 4 * (2 * number + field)
            picture[field::2, left : left + 8] = 255
        frames.append(as_frame(picture))
    return frames


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    (
        ("libx264", ".mp4", {"x264-params": "tff=1", "preset": "ultrafast"}),
        ("libx264", ".mkv", {"x264-params": "bff=1", "preset": "ultrafast"}),
        ("mpeg2video", ".ts", {"b": "5000000"}),
    ),
)
def test_interlaced_frames_are_deinterlaced(
    codec: str, suffix: str, options: dict[str, str], tmp_path: Path
) -> None:
    options = {**options, "flags": "+ildct+ilme"}
    clip = Clip(10, size=(128, 96), codec=codec, options=options, pictures=fields(10))
    frames, notes = read(clip.make(tmp_path / f"in{suffix}"))
    assert notes == ["interlaced input: deinterlaced, one frame for each two fields"]
    assert len(frames) == 10
    assert np.diff(times(frames)).tolist() == [Fraction(1, 25)] * 9
    assert max(combed(frame.image) for frame in frames) < 1
    progressive = Clip(10, size=(128, 96), pictures=fields(10)).make(tmp_path / "progressive.mp4")
    assert min(combed(frame.image) for frame in read(progressive)[0]) > 5, "the test can fail"


# Which stream


def test_the_picture_need_not_be_the_first_stream_and_a_cover_is_none(tmp_path: Path) -> None:
    clip = Clip(cover=True, sounds=[Sound()], sound_first=True)
    frames, notes = read(clip.make(tmp_path / "in.mp4"))
    assert (numbers(frames), notes) == (list(range(10)), [])


# Damage


def busy() -> list[av.VideoFrame]:
    noise = np.random.default_rng(0)
    return [
        as_frame((numbered(number, 160, 120) // 2 + noise.integers(0, 80, (120, 160, 3))).astype(np.uint8))
        for number in range(60)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    files = {}
    for name, suffix, container in (
        ("mp4", ".mp4", {"movflags": "faststart"}),
        ("mkv", ".mkv", {}),
        ("ts", ".ts", {}),
        ("avi", ".avi", {}),
        ("flv", ".flv", {}),
        ("fragments", ".mp4", {"movflags": "frag_keyframe+empty_moov"}),
    ):
        sound = Sound("libmp3lame" if suffix == ".avi" else "aac", seconds=2.4)
        clip = Clip(60, size=(160, 120), options=REORDERED, container=container, sounds=[sound])
        clip.pictures = busy()
        files[name] = clip.make(folder / f"{name}{suffix}")
    return files


NAMES = ("mp4", "mkv", "ts", "avi", "flv", "fragments")


@pytest.mark.parametrize("name", NAMES)
def test_a_healthy_file_has_nothing_to_say(name: str, whole: dict[str, Path]) -> None:
    frames, notes = read(whole[name])
    assert (len(frames), notes) == (60, [])


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_short_is_read_as_far_as_it_goes(
    name: str, whole: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / whole[name].name
    data = whole[name].read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    frames, notes = read(path)
    assert 30 <= len(frames) < 40
    if name not in ("ts", "fragments"):  # these say nowhere how long they should be
        (note,) = notes
        assert f"about {60 - len(frames)} frames (" in note or f"about {61 - len(frames)} frames (" in note
        assert note.endswith(f"could not be decoded, {len(frames)} were")


@pytest.mark.parametrize("name", ("mp4", "mkv", "ts"))
def test_flipped_bytes_are_decoded_past_and_said(name: str, whole: dict[str, Path], tmp_path: Path) -> None:
    data, dice = bytearray(whole[name].read_bytes()), random.Random(1)
    for _ in range(20):
        data[dice.randrange(len(data) * 4 // 10, len(data) * 6 // 10)] ^= dice.randrange(1, 256)
    path = tmp_path / whole[name].name
    path.write_bytes(bytes(data))
    frames, notes = read(path)
    # Matroska loses a whole cluster when the flip meets the head of one; where it lies varies.
    assert (30 if name == "mkv" else 55) <= len(frames) <= 60
    assert len([note for note in notes if note.startswith("damaged: ")]) == 1


def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 99)
    Clip(1, sounds=[Sound()]).make(tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "sound.m4a"), "w") as output, av.open(str(tmp_path / "clip.mp4")) as clip:
        copy = output.add_stream_from_template(clip.streams.audio[0])
        for packet in clip.demux(audio=0):
            packet.stream = copy
            output.mux([packet] if packet.size else [])
    whole = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "headless.mp4").write_bytes(whole[: whole.index(b"moov")])
    for name, words in {
        "absent.mp4": "no such file",
        "empty.mp4": "empty",
        "text.mp4": "not a video",
        "sound.m4a": r"no video stream \(only audio\)",
        "headless.mp4": "is it complete",
        ".": "is a folder",
    }.items():
        with pytest.raises(RtstyleError, match=words) as caught:
            VideoFileSource(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_nothing_decodable_is_refused(tmp_path: Path) -> None:
    data = bytearray(Clip(5).make(tmp_path / "in.mkv").read_bytes())
    begin = data.index(b"\x1f\x43\xb6\x75") + 40  # the first cluster
    data[begin:] = bytes(len(data) - begin)
    (tmp_path / "in.mkv").write_bytes(bytes(data))
    with pytest.raises(RtstyleError, match=r"not one h264 frame could be decoded|holds no frame"):
        VideoFileSource(tmp_path / "in.mkv")


@pytest.mark.parametrize(
    "name", ("ünï çödé 100%.mp4", "quo\"te's.mp4", ".hidden.mp4", "12:30.mp4", "%03d.mp4")
)
def test_any_name_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clip().make(tmp_path / name)
    monkeypatch.chdir(tmp_path)  # a relative 12:30.mp4 would name a protocol
    assert numbers(read(Path(name))[0]) == list(range(10))


SLIDES = Clip(ticks=[0, 25, 150, 175, 300], options=REORDERED)  # pictures at 0, 1, 6, 7 and 12 seconds


@pytest.mark.parametrize("suffix", (".mp4", ".mkv"))
@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (None, 3, [(0, 0), (1, 1)]),
        (2, None, [(1, 0), (2, 4), (3, 5), (4, 10)]),
        (2, 5, [(1, 0)]),
        (6, 8, [(2, 0), (3, 1)]),  # it begins there
        ("5.95", 8, [(2, "0.05"), (3, "1.05")]),  # no picture lasts that short
    ],
)
def test_what_stands_as_a_part_begins_is_shown_and_nothing_beyond_its_end(
    start: float | str | None,
    end: int | None,
    shown: list[tuple[int, float | str]],
    suffix: str,
    tmp_path: Path,
) -> None:
    """A screen recording: one picture for seconds."""
    asked = {
        "start": None if start is None else Fraction(start),
        "end": None if end is None else Fraction(end),
    }
    frames, _ = read(SLIDES.make(tmp_path / f"in{suffix}"), **asked)
    assert [(number, time) for number, time in zip(numbers(frames), times(frames), strict=True)] == [
        (number, Fraction(time)) for number, time in shown
    ]
    if end is not None:
        assert frames[-1].time + (frames[-1].duration or 0) == end - (asked["start"] or 0)


def test_pictures_that_carry_exif_are_read_and_turned(tmp_path: Path) -> None:
    """PyAV 18.1 has no name for that kind of side data, and without one refuses the rotation beside it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "one.jpg", exif=exif)
    frames, _ = read(tmp_path / "one.jpg")
    assert [frame.image.shape for frame in frames] == [(3, 64, 48)]
