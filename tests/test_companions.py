"""Sound, subtitles, chapters, covers and metadata beside a restyled picture."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition

from rtstyle.errors import RtstyleError
from rtstyle.media import companions
from rtstyle.media.converters import AudioConverter
from rtstyle.media.decoding import Damage, packets_of
from tests.media import (
    REORDERED,
    Clip,
    Sound,
    Text,
    convert,
    joined,
    packets,
    payload,
    read,
    sine,
    subtitles,
    times,
)

FORCED, DEFAULT = Disposition.forced, Disposition.default
SOURCES = {
    "aac": ".mp4", "libmp3lame": ".mp4", "ac3": ".mkv", "eac3": ".mp4", "libopus": ".mkv", "flac": ".mkv",
    "pcm_s16le": ".mov", "vorbis": ".webm", "alac": ".mov", "mp2": ".mkv",
}  # fmt: skip
# Where a stream cannot be copied. MOV holds neither Opus nor FLAC nor Vorbis in FFmpeg.
CONVERTED = {".mov": ("libopus", "flac", "vorbis"), ".webm": tuple(SOURCES.keys() - {"libopus", "vorbis"})}


def sounding(codec: str, path: Path, **more: object) -> Path:
    picture = {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}} if path.suffix == ".webm" else {}
    sound = Sound(codec, seconds=1, start=0.2, layout="stereo", **more)  # type: ignore[arg-type]
    return Clip(30, sounds=[sound], **picture).make(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", (".mp4", ".mkv", ".mov", ".webm"))
@pytest.mark.parametrize("codec", SOURCES)
def test_sound_is_copied_or_converted_and_in_time(codec: str, suffix: str, tmp_path: Path) -> None:
    source = sounding(codec, tmp_path / f"in{SOURCES[codec]}")
    output = tmp_path / f"out{suffix}"
    done = convert(source, output)
    if codec in CONVERTED.get(suffix, ()):
        encoder = "libopus" if suffix == ".webm" else "aac"
        assert len(done.notes) == 1 and done.notes[0].endswith(f"cannot hold it, converted to {encoder}")
    else:
        assert done.notes == []
        assert b"".join(payload(output)) == b"".join(payload(source)), "byte for byte"
    hertz, start = sine(output)
    assert hertz == pytest.approx(440, abs=2)
    assert start == pytest.approx(sine(source)[1], abs=0.003)


def test_sound_of_a_broadcast_loses_only_its_headers(tmp_path: Path) -> None:
    source = sounding("aac", tmp_path / "in.ts")
    for suffix in (".mp4", ".mkv", ".mov"):
        assert convert(source, tmp_path / f"out{suffix}").notes == []
        assert payload(tmp_path / f"out{suffix}") == [packet[7:] for packet in payload(source)]
        assert sine(tmp_path / f"out{suffix}")[0] == pytest.approx(440, abs=2)


def test_sound_no_encoder_takes_as_it_is_is_made_so(tmp_path: Path) -> None:
    """Eight-bit samples at 96 kHz in 5.1(side): Opus takes neither that rate nor that layout."""
    clip = Clip(10, sounds=[Sound("pcm_u8", rate=96000, layout="5.1(side)")])
    done = convert(clip.make(tmp_path / "in.mkv"), tmp_path / "out.webm")
    assert done.notes == ["audio stream 1 (pcm_u8): webm cannot hold it, converted to libopus"]
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == 6
    assert sine(tmp_path / "out.webm")[0] == pytest.approx(440, abs=3)


def test_sound_that_changes_its_shape_is_converted_on(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as made:
        stream = made.add_stream("pcm_s16le", rate=48000, layout="stereo")
        with av.open(str(tmp_path / "out.mkv"), "w") as output:
            route = AudioConverter(stream, output, "aac")  # type: ignore[arg-type]
            shapes = [("s16", "stereo", 48000), ("s16", "mono", 48000), ("s16", "stereo", 44100)]
            frames = []
            for number, (kind, layout, rate) in enumerate(shapes):
                frame = av.AudioFrame(kind, layout, 4800)
                frame.sample_rate, frame.pts, frame.time_base = rate, 4800 * number, Fraction(1, 48000)
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frames.append(frame)
            route._decode = lambda packet: frames if packet else []  # type: ignore[assignment]
            made_packets = [p for packet in (av.Packet(1), None) for p in route.feed(packet)]
            assert sum(packet.duration or 0 for packet in made_packets) >= 14000
        made.mux([])


def test_sound_of_any_length_and_start_is_kept(tmp_path: Path) -> None:
    sounds = [Sound(seconds=2, language="deu"), Sound(seconds=0.1, start=0.15, hertz=880, language="eng")]
    source = Clip(10, sounds=sounds).make(tmp_path / "in.mp4")
    for suffix in (".mp4", ".mkv", ".mov"):
        convert(source, tmp_path / f"out{suffix}")
        for number in (0, 1):
            before, after = (packets(path, "audio", number) for path in (source, tmp_path / f"out{suffix}"))
            assert [data for _, data in before] == [data for _, data in after]
            drift = max(abs(a - b) for (a, _), (b, _) in zip(before, after, strict=True))
            assert drift <= Fraction(1, 2000)
        assert sine(tmp_path / f"out{suffix}", 1)[0] == pytest.approx(880, abs=15)


def test_sound_follows_a_clock_that_jumps(tmp_path: Path) -> None:
    parts = [
        Clip(50, 50 * place, base=Fraction(1, 90000), options=REORDERED, sounds=[Sound(seconds=2)])
        for place in (0, 1)
    ]
    parts[0].ticks = [9_000_000 + 3600 * number for number in range(50)]
    parts[0].sounds = [Sound(seconds=2, start=100)]
    parts[1].ticks = [3600 * number for number in range(50)]
    source = joined(tmp_path / "in.ts", *parts)
    for suffix in (".mp4", ".mkv"):
        convert(source, tmp_path / f"out{suffix}")
        sounds = [time for time, _ in packets(tmp_path / f"out{suffix}", "audio")]
        assert len(sounds) == len(payload(source))
        assert sounds == sorted(sounds) and sounds[-1] - sounds[0] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("jump", (15, 160))
def test_sound_begins_with_the_picture_behind_a_clock_that_jumped(jump: int, tmp_path: Path) -> None:
    parts = [
        Clip(100, base=Fraction(1, 90000), options=REORDERED, sounds=[Sound(seconds=4, start=start)])
        for start in (0, 4 + jump)
    ]
    parts[1].ticks = [90000 * (4 + jump) + 3600 * number for number in range(100)]
    source = joined(tmp_path / "in.ts", *parts)
    convert(source, tmp_path / "out.mp4", start=6 + jump)
    pictures = times(read(tmp_path / "out.mp4")[0])
    sounds = [time for time, _ in packets(tmp_path / "out.mp4", "audio")]
    assert (pictures[0], pictures[-1]) == (pytest.approx(0, abs=0.1), pytest.approx(1.96, abs=0.1))
    assert (sounds[0], sounds[-1]) == (pytest.approx(0, abs=0.1), pytest.approx(2, abs=0.1))


def test_sound_follows_a_recorder_that_appends(tmp_path: Path) -> None:
    first, second = (
        Clip(50, sounds=[Sound(seconds=2, hertz=hertz)]).make(tmp_path / f"{hertz}.flv")
        for hertz in (440, 880)
    )
    source = tmp_path / "in.flv"
    source.write_bytes(first.read_bytes() + second.read_bytes()[13:])  # what follows the header
    done = convert(source, tmp_path / "out.mkv")
    assert "the clock jumps once; what follows is moved on without a gap" in done.notes
    sounds = [time for time, _ in packets(tmp_path / "out.mkv", "audio")]
    assert len(sounds) == len(payload(source)) and sounds == sorted(sounds)
    assert sounds[-1] == pytest.approx(4, abs=0.15) == float(done.times[-1]) + 0.04


def test_a_file_is_not_read_far_beyond_the_asked_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(60, base=Fraction(1), sounds=[Sound(seconds=60)], cover=True)
    convert(clip.make(tmp_path / "apart.mkv"), tmp_path / "in.mkv")
    clip.texts = [Text("subrip", ((0.5, 2, "early"),))]
    clip.make(tmp_path / "apart.mkv")  # all the picture first, then all the sound, then the text
    demuxed: list[float] = []

    def noting(container: av.container.InputContainer, damage: Damage) -> Iterator[av.Packet]:
        for packet in packets_of(container, damage):
            demuxed.append(float((packet.dts or 0) * packet.time_base))
            yield packet

    monkeypatch.setattr(companions, "packets_of", noting)
    for name, last in (("in", 14), ("apart", 60)):
        demuxed.clear()
        convert(tmp_path / f"{name}.mkv", tmp_path / f"{name}.cut.mkv", end=3)
        assert max(demuxed) == pytest.approx(last, abs=1.5)
        assert packets(tmp_path / f"{name}.cut.mkv", "audio")[-1][0] == pytest.approx(3, abs=0.1)
    assert subtitles(tmp_path / "apart.cut.mkv") == [(0.5, 2, "early")]


# Subtitles

LINES = (
    (0.0, 0.1, "from the first frame"),
    (0.12, 0.2, "two\nlines"),
    (0.24, 0.5, "späße & co"),
    (3, 4, "after the last frame"),
)


@pytest.mark.parametrize("after", (".mp4", ".mkv", ".mov", ".webm"))
@pytest.mark.parametrize(("before", "codec"), ((".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "webvtt")))
def test_subtitles_keep_text_and_times(before: str, codec: str, after: str, tmp_path: Path) -> None:
    clip = Clip(25, texts=[Text(codec, LINES, language="fra"), Text(codec, LINES[:1], language="spa")])
    source = clip.make(tmp_path / f"in{before}")
    output = tmp_path / f"out{after}"
    done = convert(source, output)
    assert subtitles(output) == list(LINES)
    assert subtitles(output, 1) == list(LINES[:1])
    holds = {".mp4": ("mov_text",), ".mov": ("mov_text",), ".mkv": ("subrip", "webvtt"), ".webm": ("webvtt",)}
    assert len(done.notes) == (0 if codec in holds[after] else 2)
    if codec in holds[after]:
        assert payload(output, "subtitle") == payload(source, "subtitle")


def test_bitmaps_are_left_out_where_they_must_be_and_said(tmp_path: Path) -> None:
    source = Clip(5, texts=[Text("dvd_subtitle")]).make(tmp_path / "in.mkv")
    assert convert(source, tmp_path / "out.mkv").notes == []
    assert payload(tmp_path / "out.mkv", "subtitle") == payload(source, "subtitle")
    (note,) = convert(source, tmp_path / "out.webm").notes
    assert note == "subtitle stream 1 (dvd_subtitle): webm cannot hold it, left out"


# What describes


def described(path: Path) -> list[tuple[str | None, str | None, Disposition]]:
    """(language, title, marks) of each stream with a language."""
    with av.open(str(path)) as container:
        return [
            (s.language, s.metadata.get("title", s.metadata.get("name")), s.disposition)
            for s in container.streams
            if s.type in ("audio", "subtitle")
        ]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    clip = Clip(
        50,
        sounds=[
            Sound(seconds=2, language="deu", title="Haupttext", marks=DEFAULT),
            Sound(seconds=2, language="eng", title="Comment", marks=Disposition.comment),
        ],
        texts=[
            Text(language="fra", title="Forcé", marks=DEFAULT | FORCED),
            Text(language="spa", title="Sordos", marks=Disposition.hearing_impaired),
        ],
        chapters=[(0, 0.8, "Ein"), (0.8, 2, "Zwei")],
        metadata={"title": "Tütel", "artist": "Me", "creation_time": "2020-01-02T03:04:05.000000Z"},
    )
    return clip.make(tmp_path / "in.mkv")


@pytest.mark.parametrize("suffix", (".mkv", ".mp4"))
def test_languages_titles_marks_and_metadata_are_kept(suffix: str, film: Path, tmp_path: Path) -> None:
    convert(film, tmp_path / f"out{suffix}")
    captions = Disposition.captions if suffix == ".mp4" else Disposition(0)  # as FFmpeg reads MP4's mark
    *others, deaf = described(film)
    assert described(tmp_path / f"out{suffix}") == [*others, (*deaf[:2], deaf[2] | captions)]
    convert(tmp_path / f"out{suffix}", tmp_path / f"again{suffix}")
    assert described(tmp_path / f"again{suffix}") == described(tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        metadata = {key.lower(): value for key, value in container.metadata.items()}
        chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
    assert (metadata["title"], metadata["artist"]) == ("Tütel", "Me")
    assert metadata["creation_time"].startswith("2020-01-02")
    assert chapters == [(0, "Ein"), (Fraction(4, 5), "Zwei")]


def test_what_quicktime_does_not_keep_is_said(film: Path, tmp_path: Path) -> None:
    notes = convert(film, tmp_path / "out.mov").notes
    assert [note for note in notes if "mark" in note] == [
        "audio stream 2 (aac): mov does not keep its mark (comment)",
        "subtitle stream 3 (subrip): mov does not keep its mark (forced)",
        "subtitle stream 4 (subrip): mov does not keep its mark (hearing_impaired)",
    ]
    assert [language for language, *_ in described(tmp_path / "out.mov")] == ["ger", "eng", "fra", "spa"]


@pytest.mark.parametrize("before", (".mp4", ".mkv"))
def test_a_cover_stays_a_cover(before: str, tmp_path: Path) -> None:
    source = Clip(cover=True).make(tmp_path / f"in{before}")
    for suffix in (".mp4", ".m4v", ".mkv"):
        assert convert(source, tmp_path / f"out{suffix}").notes == []
        assert payload(tmp_path / f"out{suffix}", "video", 1) == payload(source, "video", 1)
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            marks = [stream.disposition & Disposition.attached_pic for stream in container.streams.video]
        assert [bool(mark) for mark in marks] == [False, True]
        assert len(read(tmp_path / f"out{suffix}")[0]) == 10
    (note,) = convert(source, tmp_path / "out.webm").notes
    assert note == "cover picture (mjpeg): webm cannot hold it, left out"


def test_what_a_phone_tells_goes_along(tmp_path: Path) -> None:
    told = {"location.ISO6709": "+52.5+013.4/", "make": "Maker", "model": "Seven"}
    told["creationdate"] = "2024-05-06T07:08:09+0200"
    source = Clip().make(tmp_path / "plain.mov")
    with (
        av.open(str(source)) as plain,
        av.open(str(tmp_path / "in.mov"), "w", options={"movflags": "use_metadata_tags"}) as made,
    ):
        stream = made.add_stream_from_template(plain.streams.video[0])
        made.metadata.update({f"com.apple.quicktime.{key}": value for key, value in told.items()})
        for packet in plain.demux(video=0):
            packet.stream = stream
            made.mux([packet] if packet.size else [])
    for suffix, notes in ((".mov", []), (".mp4", ["the camera's make and model: mp4 holds none, left out"])):
        assert convert(tmp_path / "in.mov", tmp_path / f"out{suffix}").notes == notes
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            kept = container.metadata
        assert kept["location"].startswith("+52.5") and kept["date"] == told["creationdate"]
        assert (kept.get("make"), kept.get("model")) == (("Maker", "Seven") if not notes else (None, None))


def test_a_timecode_goes_along_where_it_stays_true(tmp_path: Path) -> None:
    plain = Clip(25).make(tmp_path / "plain.mov")
    with av.open(str(plain)) as container, av.open(str(tmp_path / "in.mov"), "w") as made:
        stream = made.add_stream_from_template(container.streams.video[0])
        stream.metadata["timecode"] = "01:02:03:04"
        for packet in container.demux(video=0):
            packet.stream = stream
            made.mux([packet] if packet.size else [])
    for start, timecode in ((None, "01:02:03:04"), (0.5, None)):
        output = tmp_path / f"out{start}.mov"
        assert convert(tmp_path / "in.mov", output, **({"start": start} if start else {})).notes == []
        with av.open(str(output)) as container:
            assert container.streams.video[0].metadata.get("timecode") == timecode


def test_captions_inside_the_picture_are_said_to_be_lost(tmp_path: Path) -> None:
    plain = Clip(8).make(tmp_path / "plain.mkv")
    # ATSC A/53 part 4, as an SEI message of registered user data before a frame.
    caption = bytes([0xB5, 0, 0x31]) + b"GA94" + bytes([3, 0x41, 0xFF, 0xFC, 0x94, 0x20, 0xFF])
    with av.open(str(plain)) as container:
        annexb = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
        frames = [bytes(q) for p in container.demux(video=0) if p.size for q in annexb.filter(p)]
    message = b"\0\0\0\1\6\4" + bytes([len(caption)]) + caption + b"\x80"
    (tmp_path / "in.h264").write_bytes(b"".join([frames[0], *(message + frame for frame in frames[1:])]))
    said = "closed captions inside the picture (CEA-608 or 708): left out"
    assert said in convert(tmp_path / "in.h264", tmp_path / "out.mp4").notes
    assert said not in convert(plain, tmp_path / "plain.mp4").notes


def test_fonts_go_along_in_matroska(tmp_path: Path) -> None:
    source = Clip().make(tmp_path / "plain.mkv")
    with av.open(str(source)) as plain, av.open(str(tmp_path / "in.mkv"), "w") as made:
        stream = made.add_stream_from_template(plain.streams.video[0])
        made.add_attachment("font.ttf", "application/x-truetype-font", b"glyphs")
        for packet in plain.demux(video=0):
            packet.stream = stream
            made.mux([packet] if packet.size else [])
    assert convert(tmp_path / "in.mkv", tmp_path / "out.mkv").notes == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [bytes(s.data) for s in container.streams if s.type == "attachment"] == [b"glyphs"]
    (note,) = convert(tmp_path / "in.mkv", tmp_path / "out.mp4").notes
    assert note == "attachment font.ttf: mp4 cannot hold it, left out"


def test_the_other_streams_of_a_gif_are_said(film: Path, tmp_path: Path) -> None:
    notes = convert(film, tmp_path / "out.gif").notes
    assert len([note for note in notes if note.endswith("gif cannot hold it, left out")]) == 4


# A part of a file


@pytest.mark.parametrize("suffix", (".mkv", ".mp4"))
def test_a_part_takes_its_part_of_everything(suffix: str, tmp_path: Path) -> None:
    lines = ((0.1, 0.3, "gone"), (0.5, 1.2, "begun before"), (1.2, 1.4, "within"), (1.8, 3, "cut"))
    clip = Clip(
        75,
        options=REORDERED,
        sounds=[Sound(seconds=3)],
        texts=[Text(lines=(*lines, (2.5, 3, "late")))],
        chapters=[(0, 0.5, "gone"), (0.5, 1.5, "first"), (1.5, 3, "second")],
    )
    source = clip.make(tmp_path / "in.mkv")
    output = tmp_path / f"out{suffix}"
    done = convert(source, output, start=Fraction(1), end=Fraction(2))
    assert times(read(output)[0]) == done.times == [Fraction(number, 25) for number in range(25)]
    assert subtitles(output) == [(0, 0.2, "begun before"), (0.2, 0.4, "within"), (0.8, 1, "cut")]
    with av.open(str(output)) as container:
        found = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in container.chapters()
        ]
    assert found == [(0, Fraction(1, 2), "first"), (Fraction(1, 2), 1, "second")]
    whole = [(time - 1, data) for time, data in packets(source, "audio") if 1 <= time < 2]
    part = packets(output, "audio")
    assert [data for _, data in part] == [data for _, data in whole]
    assert max(abs(a - b) for (a, _), (b, _) in zip(part, whole, strict=True)) <= Fraction(1, 1000)


def test_two_pictures_in_a_file_are_said(tmp_path: Path) -> None:
    one = Clip().make(tmp_path / "one.mkv")
    with av.open(str(one)) as first, av.open(str(tmp_path / "in.mkv"), "w") as made:
        copies = [made.add_stream_from_template(first.streams.video[0]) for _ in range(2)]
        copies[1].disposition = DEFAULT
        copies[1].metadata["language"] = "fin"
        for packet in first.demux(video=0):
            for copy in copies if packet.size else ():
                again = av.Packet(bytes(packet))
                again.pts, again.dts, again.time_base = packet.pts, packet.dts, packet.time_base
                again.is_keyframe, again.stream = packet.is_keyframe, copy
                made.mux_one(again)
    done = convert(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert done.notes == ["1 more video stream in the file: left out"]
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].language == "fin", "described as the restyled one"


def test_a_file_that_went_away_is_refused(tmp_path: Path) -> None:
    from rtstyle.media.companions import Companions
    from rtstyle.media.span import Span

    with pytest.raises(RtstyleError, match="no such file"):
        Companions(tmp_path / "gone.mp4", Span())


def test_text_that_overlaps_is_shown_together_where_only_one_can_be(tmp_path: Path) -> None:
    """QuickTime's text shows one cue at a time; FFmpeg would put off what begins in another, by seconds."""
    lines = ((0.2, 1.6, "SIGN"), (0.4, 0.6, "hi"), (0.8, 1.0, "you"), (0.8, 1.2, "there"))
    lines = (*lines, (1.3, 1.5, "SIGN"), (1.8, 2, "end"))
    source = Clip(50, texts=[Text(lines=lines)]).make(tmp_path / "in.mkv")
    for name in ("out.mp4", "out.mov"):
        convert(source, tmp_path / name)
        assert subtitles(tmp_path / name) == [
            (0.2, 0.4, "SIGN"), (0.4, 0.6, "SIGN\nhi"), (0.6, 0.8, "SIGN"), (0.8, 1.0, "SIGN\nyou\nthere"),
            (1.0, 1.2, "SIGN\nthere"), (1.2, 1.3, "SIGN"), (1.3, 1.5, "SIGN"), (1.5, 1.6, "SIGN"),
            (1.8, 2.0, "end"),
        ]  # fmt: skip
    convert(source, tmp_path / "out.mkv")
    assert subtitles(tmp_path / "out.mkv")[:3] == list(lines[:3])


def test_a_chapter_before_the_first_picture_is_cut(tmp_path: Path) -> None:
    clip = Clip(ticks=range(12, 60), options=REORDERED, chapters=[(0, 1, "one"), (1, 2, "two")])
    convert(clip.make(tmp_path / "in.mkv"), tmp_path / "out.mkv", end=Fraction(1))
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["one", "two"]
        assert container.chapters()[0]["start"] == 0


def test_figures_of_the_old_file_are_not_kept(tmp_path: Path) -> None:
    stale = {"BPS-eng": "123456", "DURATION-eng": "01:30:00", "ARTIST": "me"}
    source = Clip(setup=lambda stream: stream.metadata.update(stale)).make(tmp_path / "in.mkv")
    convert(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        kept = container.streams.video[0].metadata
    assert "ARTIST" in kept and not {"BPS-eng", "DURATION-eng"} & set(kept)
