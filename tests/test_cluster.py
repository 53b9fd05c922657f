"""One video in segments: nothing lost, nothing doubled, and the file of one process comes out."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from rtstyle.api import stylize_video
from rtstyle.cluster import segments as cutting
from rtstyle.cluster.distribute import distribute
from rtstyle.cluster.join import Joiner, parameter_sets
from rtstyle.cluster.segments import Segment, Stamps, cut, segments_of
from rtstyle.cluster.workers import Continued, Encoded, Job, restyle_segment
from rtstyle.errors import RtstyleError
from rtstyle.frame import Divisible, Frame
from rtstyle.media.companions import Companions
from rtstyle.media.containers import open_media
from rtstyle.media.span import Span
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import Progress, run
from rtstyle.stylizers.loading import load_tour
from tests.families import save_family
from tests.media import REORDERED, Clip, Sound, Text, convert, numbers, payload, read, subtitles, times

OPEN = {**REORDERED, "x264-params": "open-gop=1:keyint=24:bframes=3"}


class Untouched:
    """Gives back what comes."""

    def __call__(self, frame: Frame) -> Frame:
        return frame

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        return lambda: frame

    def at_once(self, width: int, height: int) -> int:
        return 1

    def reset(self) -> None: ...


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "FEWEST", 16)


def in_segments(
    source: Path,
    output: Path,
    stylizer: Divisible | None = None,
    progress: list[int] | None = None,
    **options: object,
) -> tuple[list[Segment], list[str]]:
    """What a farm of two does, in this thread; the segments and all notes."""
    asked = {name: options.pop(name) for name in ("start", "end") if name in options}
    cuts: list[Segment] = []

    def restyle(job: Job, segments: Sequence[Segment]) -> Iterator[Encoded]:
        cuts.extend(segments)
        for segment in segments:
            yield restyle_segment(job, segment, stylizer or Untouched(), threads=1)

    def listen(record: Progress) -> None:
        if progress is not None:
            progress.append(record.frames)

    with VideoFileSource(source, **asked) as frames:  # type: ignore[arg-type]
        companions = Companions(source, frames.span)
        sink = VideoFileSink(output, frames.info, color=frames.color, companions=companions, **options)  # type: ignore[arg-type]
        distribute(frames, restyle, sink, listen, workers=2)
    return cuts, [*frames.notes, *sink.notes]


def stamps(path: Path) -> list[tuple[int | None, int | None, int | None]]:
    """(pts, dts, duration) of each packet of the picture, in file order."""
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, p.duration) for p in container.demux(video=0) if p.size]


@pytest.mark.parametrize(
    ("count", "at", "firsts"),
    [
        (35, [], [0, 10, 20, 30]),
        (34, [], [0, 10, 20]),  # a rest of 4 stays with the last
        (9, [], [0]),
        (40, [0, 12, 24], [0, 12, 24, 34]),  # evenly counted on from each cut
        (40, [0, 6, 14, 16], [0, 6, 16, 26]),  # of 6 and 14, as near to 10, the first
        (40, [5, 15], [0, 10, 20, 30]),  # half a length away is too far
        (24, [0, 20], [0, 10]),  # too near to the end
    ],
)
def test_cuts_lie_at_key_frames_where_there_are_any(count: int, at: list[int], firsts: list[int]) -> None:
    assert cut([number in at for number in range(count)], 10) == firsts


def test_segments_share_out_a_span() -> None:
    stamps = Stamps([Fraction(7) + Fraction(n, 10) for n in range(64)], [False] * 64, begin=Fraction(5))
    assert segments_of(stamps, Span(start=Fraction(7), end=Fraction(14)), workers=1) == [
        Segment(0, Fraction(2), Fraction(36, 10), 16, followed=True),
        Segment(1, Fraction(36, 10), Fraction(52, 10), 16, followed=True),
        Segment(2, Fraction(52, 10), Fraction(68, 10), 16, followed=True),
        Segment(3, Fraction(68, 10), Fraction(9), 16),
    ]
    assert segments_of(stamps, Span(), workers=99)[-1].end is None
    long = Stamps([Fraction(n) for n in range(9000)], [False] * 9000, begin=Fraction(0))
    assert len(segments_of(long, Span(), workers=2)) == 10


@pytest.mark.parametrize(
    ("name", "clip", "options"),
    [
        ("reordered.mp4", Clip(80, options=REORDERED), {}),
        ("open.mkv", Clip(80, options=OPEN), {}),
        ("variable.mp4", Clip(ticks=[n * n // 4 + 5 * n for n in range(80)], base=Fraction(1, 90)), {}),
        ("late.mkv", Clip(ticks=range(20, 100), options=REORDERED), {}),
        ("part.mp4", Clip(96, options=REORDERED), {"start": Fraction(41, 50), "end": Fraction(3)}),
        ("codec.mp4", Clip(80, options=REORDERED), {"codec": "hevc"}),
        ("short.mp4", Clip(20), {}),
        (
            "held.mp4",
            Clip(96, ticks=[*range(25), *range(60, 131)], options=REORDERED),
            {"start": Fraction(3, 2)},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_file_of_one_process_comes_out(
    name: str, clip: Clip, options: dict[str, object], tmp_path: Path
) -> None:
    text = Text("mov_text" if ".mp4" in name else "subrip")
    source = replace(clip, sounds=[Sound(seconds=2.5)], texts=[text])
    source.metadata, source.chapters = {"title": "Numbers"}, [(0, 1, "one"), (1, 2, "two")]
    source.make(tmp_path / name)
    one, many = tmp_path / f"one{Path(name).suffix}", tmp_path / f"many{Path(name).suffix}"
    whole = convert(tmp_path / name, one, preset="veryfast", **options)
    progress: list[int] = []
    cuts, notes = in_segments(tmp_path / name, many, progress=progress, preset="veryfast", **options)
    frames, _ = read(many)
    assert numbers(frames) == numbers(read(one)[0])
    assert times(frames) == whole.times
    assert (len(cuts) > 3) == (name != "short.mp4")
    assert progress[-1] == len(frames) == sum(segment.frames for segment in cuts)
    presented, decoded, lasting = zip(*stamps(many), strict=True)
    want = list(zip(*stamps(one), strict=True))
    assert [sorted(presented), decoded, lasting] == [sorted(want[0]), want[1], want[2]]
    assert notes == whole.notes
    assert payload(many) == payload(one) != []
    assert subtitles(many) == subtitles(one)
    with open_media(one) as first, open_media(many) as second:
        assert first.chapters() == second.chapters()
        assert second.metadata["title"] == "Numbers"


def test_a_part_within_the_last_picture_is_that_picture(tmp_path: Path) -> None:
    source = Clip(ticks=[0, 25, 50], options=REORDERED).make(tmp_path / "in.mp4")
    start = Fraction(101, 50)
    frames, _ = read(source, start=start)
    _, notes = in_segments(source, tmp_path / "out.mp4", start=start)
    assert numbers(frames) == numbers(read(tmp_path / "out.mp4")[0]) == [2]
    assert notes == []


KEYED = {**REORDERED, "g": "16", "keyint_min": "16"}


def zeroed(path: Path, begin: int, end: int) -> None:
    """Make nothing of the packets of frames from `begin` until before `end`, counted as they are shown."""
    with av.open(str(path)) as container:
        packets = sorted((p.pts or 0, p.pos or 0, p.size) for p in container.demux(video=0) if p.size)
    data = bytearray(path.read_bytes())
    for _, place, size in packets[begin:end]:
        data[place : place + size] = bytes(size)
    path.write_bytes(bytes(data))


# A whole segment and more; all but the first frame of the first, fewer than the encoder holds back; the
# last one; and within one. Nothing else of the file is touched: the container's own numbers stay.
@pytest.mark.parametrize(("begin", "end"), [(30, 70), (1, 40), (80, 96), (33, 36)])
def test_a_segment_in_which_nothing_decodes_is_passed_over(begin: int, end: int, tmp_path: Path) -> None:
    source = Clip(96, options=KEYED).make(tmp_path / "in.mp4")
    zeroed(source, begin, end)
    whole = convert(source, tmp_path / "one.mp4", preset="veryfast")
    cuts, notes = in_segments(source, tmp_path / "many.mp4", preset="veryfast")
    frames, _ = read(tmp_path / "many.mp4")
    assert len(cuts) == 6 and 50 < len(frames) < 96
    assert (times(frames), numbers(frames)) == (whole.times, numbers(read(tmp_path / "one.mp4")[0]))
    assert notes == whole.notes and len(notes) == 1 and notes[0].endswith(f", {len(frames)} were")


def test_damage_within_the_asked_span_is_said(tmp_path: Path) -> None:
    source = Clip(96, options=KEYED).make(tmp_path / "in.mp4")
    zeroed(source, 16, 48)
    _, notes = in_segments(source, tmp_path / "many.mp4", preset="veryfast", end=Fraction(64, 25))
    assert notes == ["damaged: about 32 frames (1.28 s) could not be decoded, 32 were"]


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_a_file_cut_short_is_said_as_by_one_process(name: str, tmp_path: Path) -> None:
    source = Clip(96, options=KEYED, container={"movflags": "faststart"} if name == "in.mp4" else {})
    path = source.make(tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    whole = convert(path, tmp_path / "one.mp4", preset="veryfast")
    assert in_segments(path, tmp_path / "many.mp4", preset="veryfast")[1] == whole.notes != []


def test_more_frames_than_packets_are_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Clip(80).make(tmp_path / "in.mp4")
    found = Stamps.read(path, Span())
    fewer = replace(found, times=found.times[:5] + found.times[8:], keys=found.keys[:5] + found.keys[8:])
    monkeypatch.setattr(Stamps, "read", staticmethod(lambda path, span: fewer))
    assert in_segments(path, tmp_path / "many.mp4")[1] == []
    assert len(read(tmp_path / "many.mp4")[0]) == 80


def quality(path: Path, like: Path) -> list[float]:
    """PSNR of each frame of a file to those of another one, dB."""
    with VideoFileSource(path) as made, VideoFileSource(like) as given:
        pairs = zip(made, given, strict=True)
        errors = [(a.image.float() - b.image.float()).square().mean().item() for a, b in pairs]
    return [10 * math.log10(255**2 / error) for error in errors]


def test_pictures_at_a_seam_are_as_good_as_those_of_one_process(tmp_path: Path) -> None:
    drawn = SyntheticSource(192, 112, seconds=96 / 30)
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    run(drawn, Untouched(), VideoFileSink(source, drawn.info, crf=4))
    convert(source, tmp_path / "one.mp4", preset="veryfast")
    cuts, _ = in_segments(source, output)
    one, many = quality(tmp_path / "one.mp4", source), quality(output, source)
    seams = [sum(segment.frames for segment in cuts[:number]) for number in range(1, len(cuts))]
    assert len(seams) == 5
    for near in ((-2, -1), (0, 1)):
        lost = [one[seam + n] - many[seam + n] for seam in seams for n in near]
        assert sum(lost) / len(lost) < 0.4  # without followers 0.9 in the last two
    assert min(many) > min(one) - 0.4


def test_a_tour_goes_on_where_it_would_have_come_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path))
    save_family(tmp_path, "family", "one", "two", "three")
    Clip(64, options={"crf": "0", "preset": "ultrafast"}).make(tmp_path / "in.mp4")
    styles = ("one,two,three", Fraction(4, 10))
    stylize_video(
        tmp_path / "in.mp4", tmp_path / "out.mp4", stylizer=load_tour(*styles, engine="eager"), crf=1
    )
    cuts, _ = in_segments(
        tmp_path / "in.mp4", tmp_path / "many.mp4", load_tour(*styles, engine="eager"), crf=1
    )
    assert len(cuts) == 4
    for here, there in zip(read(tmp_path / "many.mp4")[0], read(tmp_path / "out.mp4")[0], strict=True):
        assert (here.image.float() - there.image.float()).abs().mean() < 2


def test_what_was_before_is_settled_once_and_again_after_a_reset() -> None:
    seen: list[Fraction] = []

    class Noting(Untouched):
        def prepare(self, frame: Frame) -> Callable[[], Frame]:
            seen.append(frame.time)
            return lambda: frame

    continued = Continued(Noting(), Fraction(1))
    frames = [Frame(torch.zeros(3, 2, 2, dtype=torch.uint8), Fraction(n)) for n in (5, 6)]
    assert isinstance(continued, Divisible)
    assert [continued(frame) for frame in frames] == frames
    assert seen == [1, 5, 6]
    continued.reset()
    continued(frames[0])
    assert seen == [1, 5, 6, 1, 5]


def test_remarks_of_an_encoder_are_not_compared() -> None:
    vps, sps = b"\x40\x01vps", b"\x42\x01sps"
    remark = b"\x4e\x01frame-threads=3"
    start = b"\x00\x00\x00\x01"
    assert parameter_sets(start + vps + start + sps + start + remark) == [vps, sps]
    assert parameter_sets(b"\x01av1C") == [b"\x01av1C"]


def test_a_file_whose_clock_turned_back_is_not_cut(tmp_path: Path) -> None:
    whole = Clip(50).make(tmp_path / "whole.flv")
    assert len(Stamps.read(whole, Span()).times) == 50
    (tmp_path / "twice.flv").write_bytes(whole.read_bytes() + whole.read_bytes()[13:])  # after the header
    with pytest.raises(RtstyleError, match=r"cannot be cut into segments, .* or its clock may jump"):
        Stamps.read(tmp_path / "twice.flv", Span())


def test_another_encoder_does_not_join(tmp_path: Path) -> None:
    drawn = SyntheticSource(64, 48, seconds=1)
    with VideoFileSink(tmp_path / "out.mp4", drawn.info) as sink:
        foreign = Encoded(0, 1, b"\x00\x00\x01\x67other", [], [], {}, 0, [])
        with pytest.raises(RtstyleError, match="another header"):
            Joiner(sink).add(foreign)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("source", "output", "reason"), [
    ("in.ts", "out.mp4", "cannot be cut into segments"),
    ("in.avi", "out.mp4", "no times of their own"),
    ("in.mp4", "out.gif", "a gif is not made in segments"),
])  # fmt: skip
def test_what_cannot_be_made_in_segments_is_refused(
    source: str, output: str, reason: str, tmp_path: Path
) -> None:
    Clip(20).make(tmp_path / source)
    with pytest.raises(RtstyleError, match=reason):
        in_segments(tmp_path / source, tmp_path / output)
    assert [path.name for path in tmp_path.iterdir()] == [source]


def test_what_was_joined_before_an_error_stays(tmp_path: Path) -> None:
    class Failing(Untouched):
        def prepare(self, frame: Frame) -> Callable[[], Frame]:
            if frame.time > 2:
                raise RtstyleError("enough")
            return lambda: frame

    Clip(80).make(tmp_path / "in.mp4")
    with pytest.raises(RtstyleError, match="enough"):
        in_segments(tmp_path / "in.mp4", tmp_path / "out.mp4", Failing())
    assert not (tmp_path / "out.mp4").exists()
    frames, _ = read(tmp_path / "out.partial.mp4")
    assert numbers(frames) == list(range(48))  # three whole segments of 16


@pytest.mark.parametrize("suffix", (".mp4", ".mkv"))
def test_the_last_picture_of_a_segment_lasts_as_long_as_by_one_process(suffix: str, tmp_path: Path) -> None:
    ticks = [n + 12 * (n // 16) for n in range(80)]  # half a second stands still before each cut
    source = Clip(ticks=ticks, options=KEYED).make(tmp_path / "in.mp4")
    one, many = tmp_path / f"one{suffix}", tmp_path / f"many{suffix}"
    convert(source, one, preset="veryfast")
    cuts, _ = in_segments(source, many, preset="veryfast")
    assert len(cuts) > 3
    want, found = ({pts: length for pts, _, length in stamps(path)} for path in (one, many))
    assert found == want
