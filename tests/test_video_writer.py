"""Writing: exact times, tags and shapes; a file under its name only when complete; nothing left behind."""

import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo
from rtstyle.media.companions import Companions
from rtstyle.media.frame_folder import FrameFolderSink
from rtstyle.media.mp4_end import mend_end
from rtstyle.media.output import check_output
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import run
from tests.media import Clip, Sound, as_frame, convert, numbered, numbers, packets, read, times


def info(width: int = 64, height: int = 48, rate: Fraction | int = 25, **more: Fraction) -> VideoInfo:
    return VideoInfo(width, height, Fraction(rate), **more)


def frame(number: int, time: Fraction | int = 0, width: int = 64, height: int = 48) -> Frame:
    return Frame(torch.from_numpy(numbered(number, width, height).transpose(2, 0, 1).copy()), Fraction(time))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Times


@pytest.mark.parametrize("suffix", (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif"))
def test_frames_and_times_come_through(suffix: str, tmp_path: Path) -> None:
    source = Clip(12).make(tmp_path / "in.mp4")
    done = convert(source, tmp_path / f"out{suffix}")
    frames, notes = read(tmp_path / f"out{suffix}")
    assert (numbers(frames), times(frames), notes) == (list(range(12)), done.times, [])


@pytest.mark.parametrize("rate", ("24000/1001", "60000/1001", "30", "240", "480"))
@pytest.mark.parametrize("suffix", (".mp4", ".mov"))
def test_mp4_is_exact_at_any_rate_and_start(rate: str, suffix: str, tmp_path: Path) -> None:
    clip = Clip(rate=Fraction(rate), ticks=range(7, 17), sounds=[Sound(start=0.05)])
    clip.container = {"movie_timescale": str(Fraction(rate).numerator * 100)}
    source = clip.make(tmp_path / "in.mp4")
    assert convert(source, tmp_path / f"out{suffix}").times[0] == 7 / Fraction(rate)
    assert times(read(tmp_path / f"out{suffix}")[0]) == times(read(source)[0])
    before, after = (packets(path, "audio") for path in (source, tmp_path / f"out{suffix}"))
    assert max(abs(a - b) for (a, _), (b, _) in zip(before, after, strict=True)) < Fraction(1, 10000)


def test_matroska_rounds_to_its_millisecond(tmp_path: Path) -> None:
    source = Clip(rate=Fraction(30000, 1001)).make(tmp_path / "in.mp4")
    done = convert(source, tmp_path / "out.mkv")
    after = times(read(tmp_path / "out.mkv")[0])
    assert after == [Fraction(round(time * 1000), 1000) for time in done.times]


def test_a_variable_rate_stays_variable(tmp_path: Path) -> None:
    ticks = [0, 40, 47, 100, 300, 301, 900, 1000]
    source = Clip(base=Fraction(1, 1000), ticks=ticks).make(tmp_path / "in.mkv")
    for suffix in (".mp4", ".mkv", ".webm"):
        convert(source, tmp_path / f"out{suffix}")
        assert times(read(tmp_path / f"out{suffix}")[0]) == [Fraction(tick, 1000) for tick in ticks]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    ((".mp4", "h264"), (".mov", "hevc"), (".mkv", "hevc"), (".webm", "av1"), (".gif", None)),
)
def test_the_last_frame_is_shown_as_long_as_in_the_source(
    suffix: str, codec: str | None, tmp_path: Path
) -> None:
    ticks = [0, 4, 20, 24, 28, 60, 64, 68]  # the last for 4 more, where the mean is 9
    source = Clip(rate=25, base=Fraction(1, 100), ticks=ticks).make(tmp_path / "in.mp4")
    done = convert(source, tmp_path / f"out{suffix}", codec=codec)
    assert done.times == [Fraction(tick, 100) for tick in ticks]
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.duration == 720_000


@pytest.mark.parametrize("codec", ("h264", "hevc"))
@pytest.mark.parametrize("suffix", (".mp4", ".mov"))
@pytest.mark.parametrize(
    "held",  # milliseconds a frame; from an encoder that holds some back for B frames
    ([500] * 6 + [2000, 3000], [100, 50, 200, 30, 400], [33] * 10 + [5000], [40] * 9, [1000]),
)
def test_a_file_ends_where_its_last_frame_does(
    held: list[int], suffix: str, codec: str, tmp_path: Path
) -> None:
    path, tick = tmp_path / f"out{suffix}", Fraction(1, 1000)
    begins = [sum(held[:place]) * tick for place in range(len(held))]
    with VideoFileSink(path, info(rate=30, time_base=tick), codec=codec) as sink:
        for place, begin in enumerate(begins):
            sink.write(Frame(frame(place).image, begin, held[place] * tick))
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.duration * stream.time_base == sum(held) * tick
        assert container.duration == 1000 * sum(held)
    assert times(read(path)[0]) == begins


def test_the_end_is_put_right_in_the_pictures_track_alone(tmp_path: Path) -> None:
    source = Clip(9, rate=25, sounds=[Sound(seconds=0.36)]).make(tmp_path / "in.mp4")
    held = convert(source, tmp_path / "even.mp4")
    assert held.times == [Fraction(number, 25) for number in range(9)]
    data = (tmp_path / "even.mp4").read_bytes()
    mend_end(tmp_path / "even.mp4", Fraction(9, 25))  # it is so long
    assert (tmp_path / "even.mp4").read_bytes() == data
    mend_end(tmp_path / "even.mp4", Fraction(3))
    assert (tmp_path / "even.mp4").stat().st_size == len(data) + 8  # one step is another than the rest
    assert times(read(tmp_path / "even.mp4")[0]) == held.times
    assert packets(tmp_path / "even.mp4", "audio") == packets(source, "audio")
    (tmp_path / "none.mp4").write_bytes(data[:-9])  # cut off: left as it is
    mend_end(tmp_path / "none.mp4", Fraction(3))
    assert (tmp_path / "none.mp4").read_bytes() == data[:-9]


def test_a_gif_keeps_its_speed(tmp_path: Path) -> None:
    """Players show a frame of 1/100 s for 1/10 s: frames that close are left out, and said."""
    done = convert(Clip(60, rate=100).make(tmp_path / "in.mp4"), tmp_path / "out.gif")
    assert done.notes == ["gif plays 50 frames a second at most: 30 frames left out"]
    frames, _ = read(tmp_path / "out.gif")
    assert times(frames) == [Fraction(number, 50) for number in range(30)]
    assert numbers(frames) == list(range(0, 60, 2))


def test_a_time_before_the_beginning_is_refused(tmp_path: Path) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", info())
    with pytest.raises(RtstyleError, match=r"a frame's time is -0.2 s; a file begins at 0"), sink:
        sink.write(frame(1, Fraction(-1, 5)))
    assert left_in(tmp_path) == []


def test_plain_numbers_do_for_rates(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "out.mp4", VideoInfo(64, 48, 29.97)) as sink:  # type: ignore[arg-type]
        sink.write(frame(1))
    assert VideoInfo(64, 48, 25).rate == Fraction(25)  # type: ignore[arg-type]
    for rate in (0, -1, float("nan"), float("inf"), "fast"):
        with pytest.raises(RtstyleError, match="the rate is"):
            VideoInfo(64, 48, rate)  # type: ignore[arg-type]
    with pytest.raises(RtstyleError, match="this sink is closed"):
        sink.write(frame(1))


# Shapes


@pytest.mark.parametrize(
    ("codec", "size", "written"),
    (
        ("h264", (17, 16), (18, 16)),
        ("h264", (16, 17), (16, 18)),
        ("h264", (4096, 16), (4096, 16)),
        ("hevc", (65, 67), (66, 68)),
        ("av1", (65, 67), (65, 67)),
        ("vp9", (17, 19), (17, 19)),
    ),
)
def test_odd_sizes_are_kept_or_padded_and_said(
    codec: str, size: tuple[int, int], written: tuple[int, int], tmp_path: Path
) -> None:
    sink = VideoFileSink(tmp_path / "out.mkv", info(*size), codec=codec)
    with sink:
        for number in range(3):
            sink.write(frame(85 * number, Fraction(number, 25), *size))
    frames, _ = read(tmp_path / "out.mkv")
    assert [f.image.shape for f in frames] == [(3, written[1], written[0])] * 3
    assert numbers(frames) == [0, 85, 170]
    padded = f"{codec} needs even sides: {size[0]}x{size[1]} is padded to {written[0]}x{written[1]}"
    assert sink.notes == ([padded] if size != written else [])


def test_frames_of_another_size_are_said(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "out.mp4", info()) as sink:
        for number in range(3):
            sink.write(frame(number, Fraction(number, 25), 32, 32) if number else frame(0))
    assert sink.notes == ["frames of 32x32 came where 64x48 was said: made that size"]


def test_padding_repeats_the_edge(tmp_path: Path) -> None:
    white = Frame(torch.full((3, 17, 17), 255, dtype=torch.uint8))
    with VideoFileSink(tmp_path / "out.mp4", info(17, 17)) as sink:
        sink.write(white)
    assert read(tmp_path / "out.mp4")[0][0].image.min() > 250


@pytest.mark.parametrize(
    ("suffix", "codec"), ((".mp4", "h264"), (".mov", "hevc"), (".mkv", "h264"), (".mp4", "vp9"))
)  # fmt: skip
def test_the_shape_of_pixels_is_kept(suffix: str, codec: str, tmp_path: Path) -> None:
    aspect = Fraction(64, 45)
    path = tmp_path / f"out{suffix}"
    with VideoFileSink(path, info(sample_aspect_ratio=aspect), codec=codec) as sink:
        sink.write(frame(1))
    with VideoFileSource(path) as source:
        assert source.info.sample_aspect_ratio == aspect


@pytest.mark.parametrize(("aspect", "size"), ((Fraction(3, 2), (96, 48)), (Fraction(1, 2), (64, 96))))
@pytest.mark.parametrize("suffix", (".webm", ".gif"))
def test_pixels_are_made_square_where_their_shape_cannot_be_said(
    suffix: str, aspect: Fraction, size: tuple[int, int], tmp_path: Path
) -> None:
    with VideoFileSink(tmp_path / f"out{suffix}", info(sample_aspect_ratio=aspect)) as sink:
        sink.write(frame(85))
    assert len(sink.notes) == 1 and f"is made {size[0]}x{size[1]}" in sink.notes[0]
    frames, _ = read(tmp_path / f"out{suffix}")
    assert frames[0].image.shape == (3, size[1], size[0])
    assert numbers(frames) == [85]


@pytest.mark.parametrize(
    ("codec", "size", "words"),
    (("hevc", (8, 8), "libx265 cannot encode 8x8"), ("av1", (640, 24), "sides of at least 32")),
)
def test_a_size_the_encoder_refuses_is_said_and_leaves_nothing(
    codec: str, size: tuple[int, int], words: str, tmp_path: Path
) -> None:
    with pytest.raises(RtstyleError, match=words):
        VideoFileSink(tmp_path / "out.mp4", info(*size), codec=codec)
    assert left_in(tmp_path) == []


# Choices


@pytest.mark.parametrize(
    ("name", "options", "words"),
    (
        ("out.xyz", {}, "cannot write .xyz"),
        ("out.webm", {"codec": "h264"}, "cannot hold h264"),
        ("out.mp4", {"codec": "theora"}, "codec 'theora' is unknown"),
        ("out.mp4", {"crf": 99}, "crf 99 is out of range"),
        ("out.mp4", {"codec": "h264_nvenc", "crf": 0}, r"h264_nvenc takes 1 \(best\) to 51"),
        ("out.mp4", {"preset": "warp"}, "preset 'warp' is unknown"),
        ("out.gif", {"crf": 9}, "leave them out"),
    ),
)
def test_choices_that_make_no_sense_are_refused(name: str, options: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(RtstyleError, match=words):
        VideoFileSink(tmp_path / name, info(), **options)
    assert left_in(tmp_path) == []


def test_an_encoder_ffmpeg_was_built_without_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from rtstyle.media.encoders import ENCODERS, opens

    monkeypatch.setitem(ENCODERS, "hevc", replace(ENCODERS["hevc"], name="libx999"))
    assert opens("h264") and not opens("hevc")
    with pytest.raises(RtstyleError, match="this FFmpeg was built without libx999; try another --codec"):
        VideoFileSink(tmp_path / "out.mp4", info(), codec="hevc")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("codec", ("h264", "hevc", "av1", "vp9"))
def test_every_codec_opens_with_every_end_of_its_presets(codec: str, tmp_path: Path) -> None:
    from rtstyle.media.encoders import _NAMED, _NUMBERED, ENCODERS

    presets = _NUMBERED.get(ENCODERS[codec].name, _NAMED)
    for preset in (presets[0], presets[-1]):
        VideoFileSink(tmp_path / "out.mkv", info(), codec=codec, preset=preset).abandon()
    assert left_in(tmp_path) == []


# Names, partial files, what is left behind


@pytest.mark.parametrize("count", (1, 2))
def test_one_or_two_frames_make_a_file(count: int, tmp_path: Path) -> None:
    for codec in ("h264", "hevc", "vp9"):
        for _ in range(5):  # what x265 leaves unset differs from one time to the next
            path = tmp_path / "out.mp4"
            with VideoFileSink(path, info(), codec=codec, overwrite=True) as sink:
                for number in range(count):
                    sink.write(frame(number, Fraction(number, 25)))
            assert times(read(path)[0]) == [Fraction(number, 25) for number in range(count)]


def test_the_name_appears_only_when_complete(tmp_path: Path) -> None:
    sink = VideoFileSink(tmp_path / "a.b.mp4", info())
    sink.write(frame(1))
    assert left_in(tmp_path) == ["a.b.partial.mp4"]
    sink.close()
    assert left_in(tmp_path) == ["a.b.mp4"]
    sink.close()
    sink.abandon()
    assert left_in(tmp_path) == ["a.b.mp4"]


@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".mkv", ".webm", ".gif"))
def test_an_abandoned_file_plays(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoFileSink(tmp_path / f"out{suffix}", info()) as sink:
        for number in range(7):
            sink.write(frame(number, Fraction(number, 25)))
        raise KeyboardInterrupt
    assert left_in(tmp_path) == [f"out.partial{suffix}"]
    frames, _ = read(tmp_path / f"out.partial{suffix}")
    assert numbers(frames) == list(range(7))


@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".mkv"))
@pytest.mark.parametrize("codec", ("h264", "hevc"))
def test_the_last_frames_are_there_whatever_their_number(suffix: str, codec: str, tmp_path: Path) -> None:
    """B frames are stored after the frame that is shown after them, at the very end too."""
    path = tmp_path / f"out{suffix}"
    for rate, counts in {1: (4, 7, 12, 16, 23), 8: (9, 25, 26), 25: (26, 27, 51, 52, 53)}.items():
        for count in counts:
            due = [Fraction(number, rate) for number in range(count)]
            about = VideoInfo(64, 48, Fraction(rate), count, Fraction(1, rate))
            with VideoFileSink(path, about, codec=codec, overwrite=True) as sink:
                for number, time in enumerate(due):  # a fade, which encoders make of B frames
                    sink.write(Frame(torch.full((3, 48, 64), 4 * number, dtype=torch.uint8), time))
            with VideoFileSource(path) as source:
                assert [frame.time for frame in source] == due, (rate, count)
                assert source.info.rate == rate
            stored = [time for time, _ in packets(path, "video")]
            assert stored != sorted(stored), "no B frames: this says nothing"


@pytest.mark.parametrize("suffix", (".mp4", ".mkv"))
def test_a_killed_job_leaves_a_file_that_plays(suffix: str, tmp_path: Path) -> None:
    """Not even a signal that can't be caught costs more than the last seconds."""
    source = Clip(120, sounds=[Sound(seconds=4.8)]).make(tmp_path / "in.mp4")
    program = (
        "import os, sys\n"
        "from rtstyle.media.companions import Companions\n"
        "from rtstyle.media.video_file import VideoFileSource\n"
        "from rtstyle.media.video_writer import VideoFileSink\n"
        "source = VideoFileSource(sys.argv[1])\n"
        "companions = Companions(sys.argv[1], source.span)\n"
        "sink = VideoFileSink(sys.argv[2], source.info, preset='ultrafast', companions=companions)\n"
        "for number, frame in enumerate(source):\n"
        "    sink.write(frame)\n"
        "    if number == 100: os._exit(9)\n"
    )
    output = tmp_path / f"out{suffix}"
    assert subprocess.run([sys.executable, "-c", program, source, output]).returncode == 9
    frames, _ = read(tmp_path / f"out.partial{suffix}")
    assert numbers(frames) == list(range(len(frames))) and len(frames) >= 50
    assert len(packets(tmp_path / f"out.partial{suffix}", "audio")) > 80


@pytest.mark.parametrize("end", ("close", "abandon"))
def test_without_a_frame_there_is_no_file(end: str, tmp_path: Path) -> None:
    sink = VideoFileSink(tmp_path / "out.mp4", info())
    getattr(sink, end)()
    assert left_in(tmp_path) == []


def test_an_existing_output_is_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("precious")
    with pytest.raises(RtstyleError, match="exists already"):
        VideoFileSink(tmp_path / "out.mp4", info())
    assert (tmp_path / "out.mp4").read_text() == "precious"
    with VideoFileSink(tmp_path / "out.mp4", info(), overwrite=True) as sink:
        sink.write(frame(1))
        assert (tmp_path / "out.mp4").read_text() == "precious", "replaced only when complete"
    assert len(read(tmp_path / "out.mp4")[0]) == 1


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    source = Clip(1).make(tmp_path / "in.mp4")
    (tmp_path / "link.mp4").symlink_to(source)
    for output in (source, tmp_path / "link.mp4", tmp_path / "." / "in.mp4"):
        with pytest.raises(RtstyleError, match="is the input itself"):
            check_output(output, overwrite=True, inputs=(source,))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RtstyleError, match="cannot make this folder"):
        VideoFileSink(tmp_path / "file" / "out.mp4", info())


@pytest.mark.parametrize(
    "name", ("ünï çödé 100%.mp4", "quo\"te's.mp4", ".hidden.mkv", "12:30.mp4", "%03d.mkv")
)
def test_any_name_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoFileSink(Path(name), info()) as sink:
        sink.write(frame(1))
    assert left_in(tmp_path) == [name]


class Same:
    def __call__(self, frame: Frame) -> Frame:
        return frame

    def reset(self) -> None: ...


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def held() -> tuple[int, int]:
    """How many threads there are, and how many open files."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0)
    pictures = [as_frame(noise.integers(0, 255, (240, 320, 3), dtype=np.uint8)) for _ in range(40)]
    return Clip(40, size=(320, 240), pictures=pictures, sounds=[Sound()]).make(tmp_path / "in.mp4")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file handles in /proc")
@pytest.mark.parametrize("suffix", (".mp4", ".mkv", ".webm"))
def test_a_full_disk_is_said_once_and_leaves_what_fitted(suffix: str, noisy: Path, tmp_path: Path) -> None:
    before = held()
    with VideoFileSource(noisy) as source:
        preset = "8" if suffix == ".webm" else "ultrafast"
        output, companions = tmp_path / f"out{suffix}", Companions(noisy, source.span)
        sink = VideoFileSink(output, source.info, crf=10, preset=preset, companions=companions)
        with full_disk(1_500_000), pytest.raises(RtstyleError, match="cannot be written") as caught:
            run(source, Same(), sink)
    assert "\n" not in str(caught.value)
    frames, _ = read(tmp_path / f"out.partial{suffix}")
    assert 1 <= len(frames) < 40
    assert not output.exists()
    del frames, caught, sink, source, companions
    assert held() == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file handles in /proc")
def test_no_thread_and_no_file_handle_is_left(tmp_path: Path) -> None:
    source = Clip(sounds=[Sound()], cover=True).make(tmp_path / "in.mp4")
    before = held()
    for suffix in (".mp4", ".mkv", ".webm", ".gif"):
        with VideoFileSource(source) as frames:
            companions = Companions(source, frames.span)
            sink = VideoFileSink(tmp_path / f"out{suffix}", frames.info, companions=companions)
            run(frames, Same(), sink)
    for wrong in (tmp_path / "out.mp4", tmp_path / "out.xyz"):
        with VideoFileSource(source) as frames, pytest.raises(RtstyleError):
            VideoFileSink(wrong, frames.info, companions=Companions(source, frames.span))
    assert held() == before


def test_tags_are_those_of_the_source_also_in_the_header(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "out.mp4", info(1280, 720)) as sink:
        sink.write(frame(1, 0, 1280, 720))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    info, frame = VideoInfo(64, 48, Fraction(25)), torch.zeros(3, 48, 64, dtype=torch.uint8)
    first = VideoFileSink(tmp_path / "out.mp4", info)
    first.write(Frame(frame))
    with pytest.raises(RtstyleError, match="another run is writing this"):
        VideoFileSink(tmp_path / "out.mp4", info)
    first.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    VideoFileSink(tmp_path / "out.mp4", info, overwrite=True).abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    folder = FrameFolderSink(tmp_path / "frames")
    folder.write(Frame(frame))
    with pytest.raises(RtstyleError, match="another run is writing this"):
        FrameFolderSink(tmp_path / "frames")
    folder.close()
    assert [path.name for path in (tmp_path / "frames").iterdir()] == ["000001.png"]
