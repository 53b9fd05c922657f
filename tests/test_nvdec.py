"""Decoding on a GPU: what qualifies, what is said where it does not, and the same pictures where it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from av.codec.hwaccel import HWAccel

from rtstyle.api import stylize_video
from rtstyle.cli import main
from rtstyle.cli.doctor import _of_gpu
from rtstyle.engines import load_engine
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from rtstyle.media import decoding, nvdec, opened
from rtstyle.media.color import BT601, BT709, FULL, LIMITED, ColorTags, ToRgb, tags_of
from rtstyle.media.encoders import ENCODERS, opens
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.networks import build
from rtstyle.stylizers.feedforward import FeedForward
from tests.charts import chart
from tests.gpus import needs_gpu
from tests.media import REORDERED, Clip, Sound, as_frame, joined, number_of, numbered, numbers, read, times

CUDA = torch.device("cuda")
SIZE = (320, 240)  # HEVC's decoder takes none below 144


class Surface:
    """A frame in host memory that looks like one on a GPU."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame.reformat(format="nv12")
        self._frame.colorspace, self._frame.color_range = frame.colorspace, frame.color_range
        self.sw_format = self._frame.format

    def __getattr__(self, name: str) -> object:
        return getattr(self._frame, name)


def colours(count: int, size: tuple[int, int] = SIZE) -> Iterator[av.VideoFrame]:
    """A chart that moves to the right, in BT.709."""
    wide = np.tile(chart(), (size[1] // 64 + 1, size[0] // 64 + 1, 1))[: size[1], : size[0]]
    for number in range(count):
        frame = as_frame(np.roll(wide, 3 * number, axis=1), "rgb24")
        yield frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")


def tagged(stream: av.VideoStream) -> None:
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1


def clip(path: Path, count: int = 20, **more: object) -> Path:
    given = {"size": SIZE, "pictures": colours(count), "setup": tagged, "options": REORDERED, **more}
    return Clip(count, **given).make(path)  # type: ignore[arg-type]


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that decodes into host memory."""
    gpu = False

    @contextmanager
    def accelerator(device: torch.device) -> Iterator[None]:
        nonlocal gpu
        assert device == CUDA
        gpu = True
        yield None

    def decode(*given: object) -> Iterator[object]:
        return map(Surface, real(*given)) if gpu else real(*given)

    real = opened.decode
    monkeypatch.setattr(nvdec, "accelerator", accelerator)
    monkeypatch.setattr(opened, "decode", decode)


@contextmanager
def absent(device: torch.device) -> Iterator[HWAccel]:
    """A GPU no machine has."""
    yield HWAccel("cuda", "99", is_hw_owned=True)


def read_pretended(path: Path, **options: object) -> tuple[list[Frame], list[str]]:
    with VideoFileSource(path, device=CUDA, **options) as source:  # type: ignore[arg-type]
        source._device = None  # there is none to take the pictures to
        return list(source), source.notes


# What qualifies


@pytest.mark.parametrize(
    ("layout", "size", "why"),
    (
        ("yuv420p", (64, 48), ""),
        ("yuvj420p", (64, 48), ""),
        ("yuv420p10le", (64, 48), ""),
        ("yuv420p", (63, 48), "odd sides (63x48)"),
        ("yuv420p", (64, 47), "odd sides (64x47)"),
        ("yuv422p", (64, 48), "its samples (yuv422p)"),
        ("yuv444p10le", (64, 48), "its samples (yuv444p10le)"),
        ("gray", (64, 48), "its samples (gray)"),
        ("yuv420p", (46, 64), "too narrow (46)"),
    ),
)
def test_what_a_gpu_decodes(layout: str, size: tuple[int, int], why: str) -> None:
    assert nvdec.refusal(av.VideoFrame(*size, layout)) == why


def test_high_dynamic_range_is_the_cpus() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    frame.color_trc = 16
    assert nvdec.refusal(frame) == "HDR"
    frame.color_trc, frame.colorspace = 1, 10
    assert nvdec.refusal(frame) == "its colour matrix"


@pytest.mark.parametrize(
    ("codec", "options", "left"),
    (
        ("libx264", {}, True),
        ("libx264", {"x264-params": "chromaloc=1"}, False),
        ("libx264", {"x264-params": "chromaloc=2"}, None),
        ("mpeg1video", {}, False),
        ("mpeg2video", {}, True),
    ),
)
def test_where_chroma_lies_is_found_out(
    codec: str, options: dict[str, str], left: bool | None, tmp_path: Path
) -> None:
    path = clip(tmp_path / "in.mkv", 2, codec=codec, options=options)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    before = [bytes(plane) for plane in frame.planes]
    assert nvdec.chroma_left(frame) is left
    assert [bytes(plane) for plane in frame.planes] == before
    assert nvdec.refusal(frame) == ("where its chroma lies" if left is None else "")
    if left is not None:
        found = nvdec.SurfaceToRgb(left=left)(Surface(frame), tags_of(frame))  # type: ignore[arg-type]
        assert (found.int() - ToRgb()(frame, tags_of(frame)).int()).abs().max() <= 1


def test_the_gpu_must_begin_where_the_cpu_does() -> None:
    first = next(colours(1))
    first.pts = 3
    assert nvdec.difference(None, first) == "the GPU decoded nothing"
    assert nvdec.difference(first, first) == "the GPU has no decoder for it"
    surface = Surface(first)
    assert nvdec.difference(surface, first) == ""  # type: ignore[arg-type]
    surface.sw_format = SimpleNamespace(name="yuv444p")  # type: ignore[assignment]
    assert nvdec.difference(surface, first) == "the GPU has no decoder for it"  # type: ignore[arg-type]
    for name, value in (("pts", 4), ("width", 322), ("color_range", 2)):
        other = Surface(first)
        setattr(other, name, value)
        assert nvdec.difference(other, first) == "the GPU's first frame is another one"  # type: ignore[arg-type]


def test_surfaces_are_fetched_from_the_first_interlaced_one_on() -> None:
    frames = [Surface(each) for each in colours(4)]
    frames[2].interlaced_frame = True  # type: ignore[attr-defined]
    seen = list(nvdec.in_reach(frames))  # type: ignore[arg-type]
    assert seen[:2] == frames[:2]  # type: ignore[comparison-overlap]
    assert [type(each) for each in seen[2:]] == [av.VideoFrame] * 2


@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("matrix", (BT601, BT709))
def test_a_surface_is_converted_as_on_the_cpu(matrix: int, full: bool) -> None:
    tags = ColorTags(matrix, FULL if full else LIMITED)
    surface = Surface(next(colours(1)))
    found = nvdec.SurfaceToRgb()(surface, tags)  # type: ignore[arg-type]
    right = ToRgb()(surface._frame, tags)
    assert (found.int() - right.int()).abs().max() <= 1


def test_a_surface_is_scaled_as_on_the_cpu() -> None:
    tags, picture = ColorTags(BT709, LIMITED), numbered(77, *SIZE)
    surface = Surface(as_frame(picture))
    smaller = nvdec.SurfaceToRgb((160, 120))(surface, tags)  # type: ignore[arg-type]
    right = ToRgb((160, 120))(surface._frame, tags)
    assert smaller.shape == (3, 120, 160)
    assert number_of(smaller) == 77
    assert (smaller.int() - right.int()).abs().float().mean() < 1


# The way through a source, with a GPU that is only pretended


@pytest.mark.parametrize("suffix", (".mp4", ".mkv", ".avi", ".ts"))
def test_the_same_frames_at_the_same_times(suffix: str, pretended: None, tmp_path: Path) -> None:
    path = clip(tmp_path / f"in{suffix}")
    (right, said), (found, notes) = read(path), read_pretended(path)
    assert times(found) == times(right)
    assert notes == said
    for one, other in zip(found, right, strict=True):
        assert (one.image.int() - other.image.int()).abs().max() <= 1


def test_a_part_of_a_file(pretended: None, tmp_path: Path) -> None:
    path = Clip(100, options=REORDERED).make(tmp_path / "in.mp4")
    part = {"start": Fraction(3), "end": Fraction(33, 10)}
    (right, _), (found, notes) = read(path, **part), read_pretended(path, **part)
    assert (numbers(found), times(found), notes) == (numbers(right), times(right), [])


def test_a_picture_on_its_side(pretended: None, tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mp4", setup=lambda stream: stream.set_display_rotation(90))
    (right, _), (found, notes) = read(path), read_pretended(path)
    assert found[0].image.shape == (3, 320, 240)
    assert (found[3].image.int() - right[3].image.int()).abs().max() <= 1
    assert notes == []


def test_a_size_change_loses_no_frame(pretended: None, tmp_path: Path) -> None:
    path = joined(tmp_path / "in.ts", Clip(5), Clip(5, first=5, size=(96, 80)))
    frames, _ = read_pretended(path)
    assert numbers(frames) == list(range(10))
    assert {tuple(frame.image.shape) for frame in frames} == {(3, 48, 64)}


def test_a_part_with_fields_is_deinterlaced(pretended: None, tmp_path: Path) -> None:
    plain = Clip(20, base=Fraction(1, 90000), ticks=range(0, 72000, 3600))
    options = {"preset": "ultrafast", "crf": "10", "flags": "+ildct+ilme"}
    fields = Clip(20, 20, base=Fraction(1, 90000), ticks=range(72000, 144000, 3600), options=options)
    path = joined(tmp_path / "in.ts", plain, fields)
    (right, said), (frames, notes) = read(path), read_pretended(path)
    assert (numbers(frames), times(frames)) == (list(range(40)), times(right))
    assert notes == said == ["interlaced input: deinterlaced, one frame for each two fields"]


def test_what_does_not_qualify_is_said_and_read(pretended: None, tmp_path: Path) -> None:
    path = Clip(5, pixel_format="yuv444p").make(tmp_path / "in.mkv")
    frames, notes = read_pretended(path)
    assert numbers(frames) == list(range(5))
    assert notes == ["decoded by the processor, not by the GPU: its samples (yuv444p)"]


def test_a_gpu_that_does_not_know_the_codec_is_said(
    monkeypatch: pytest.MonkeyPatch, pretended: None, tmp_path: Path
) -> None:
    monkeypatch.setattr(opened, "decode", decoding.decode)
    path = Clip(5).make(tmp_path / "in.mkv")
    frames, notes = read_pretended(path)
    assert (numbers(frames), times(frames)) == (list(range(5)), times(read(path)[0]))
    assert notes == ["decoded by the processor, not by the GPU: the GPU has no decoder for it"]


def test_a_gpu_ffmpeg_cannot_open_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = Clip(5).make(tmp_path / "in.mkv")
    monkeypatch.setattr(nvdec, "accelerator", absent)
    frames, notes = read_pretended(path)
    assert numbers(frames) == list(range(5))
    (note,) = notes
    assert note.startswith(
        f"decoded by the processor, not by the GPU: {path}: FFmpeg cannot open it for the GPU ("
    )


def test_doctor_says_what_an_ailing_gpu_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(device: torch.device) -> list[str]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setitem(ENCODERS, "h264_nvenc", replace(ENCODERS["h264_nvenc"], name="h264_nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr(nvdec, "codecs", full)
        said = _of_gpu()
        assert said["nvdec"] == "none: CUDA out of memory.; videos are decoded by the processor"
        assert "h264_nvenc" not in said["nvenc"]
    with monkeypatch.context() as patch:
        patch.setattr(nvdec, "_is_cuda", lambda config: False)
        assert _of_gpu()["nvdec"].startswith("none: this FFmpeg was built without;")
    monkeypatch.setattr(nvdec, "accelerator", absent)
    assert _of_gpu()["nvdec"].startswith("none: ")


def test_an_encoder_of_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    assert opens("h264")
    if opens("h264_nvenc"):
        pytest.skip("there is one")
    given = {"codec": "h264_nvenc", "crf": 30, "preset": "p1"}
    with VideoFileSource(clip(tmp_path / "in.mp4")) as source:
        with pytest.raises(
            RtstyleError, match=r"h264_nvenc cannot encode 320x240 .* a GPU with NVENC is needed"
        ):
            VideoFileSink(tmp_path / "out.mp4", source.info, **given)  # type: ignore[arg-type]
        with pytest.raises(RtstyleError, match="takes p1, p2"):
            VideoFileSink(tmp_path / "out.mp4", source.info, codec="h264_nvenc", preset="veryfast")
    assert not (tmp_path / "out.mp4").exists()


def test_a_driver_without_its_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "_LIBRARY", "libnosuchthing.so.1")
    with pytest.raises(RuntimeError, match=r"libnosuchthing\.so\.1 is missing; a container needs"):
        nvdec._check_driver()


# A real one


@needs_gpu
@pytest.mark.parametrize(
    ("codec", "layout"),
    (
        ("libx264", "yuv420p"),
        ("libx264", "yuvj420p"),
        ("libx265", "yuv420p"),
        ("libx265", "yuv420p10le"),
        ("libvpx-vp9", "yuv420p"),
        ("mpeg2video", "yuv420p"),
    ),
)
def test_a_gpu_decodes_what_the_cpu_does(codec: str, layout: str, tmp_path: Path) -> None:
    options = REORDERED if codec == "libx264" else {}
    pictures = (each.reformat(format=layout) for each in colours(40))
    path = clip(tmp_path / "in.mkv", 40, codec=codec, pixel_format=layout, options=options, pictures=pictures)
    right, said = read(path)
    found, notes = read(path, device=CUDA)
    assert notes == said == []
    assert times(found) == times(right)
    for one, other in zip(found, right, strict=True):
        assert one.image.is_cuda
        distance = (one.image.cpu().int() - other.image.int()).abs().float()
        assert distance.mean() < 0.6
        # MPEG-2 leaves its transform to each decoder, and what is off is carried on to the next frames.
        assert distance.max() <= (8 if codec == "mpeg2video" else 3)


@needs_gpu
def test_pictures_stay_what_they_were_while_others_are_decoded(tmp_path: Path) -> None:
    """No surface is given back before it was read; many frames, a busy GPU, numbers to tell them apart."""
    path = Clip(200, size=(640, 480), options=REORDERED).make(tmp_path / "in.mp4")
    load = torch.randn(4096, 4096, device=CUDA)
    images = []
    with VideoFileSource(path, device=CUDA) as source:
        for frame in source:
            load = torch.nn.functional.normalize(load @ load)  # keeps the stream behind
            images.append(frame)
    assert numbers(images) == list(range(200))


@needs_gpu
def test_what_this_gpu_does_not_decode_is_said(tmp_path: Path) -> None:
    path = Clip(5, codec="ffv1").make(tmp_path / "in.mkv")
    frames, notes = read(path, device=CUDA)
    assert notes == ["decoded by the processor, not by the GPU: the GPU has no decoder for it"]
    assert numbers(frames) == list(range(5)) and frames[0].image.is_cuda


@needs_gpu
@pytest.mark.parametrize("size", ((64, 48), (320, 240)))
def test_a_gpus_pictures_are_encoded_as_the_cpus(size: tuple[int, int], tmp_path: Path) -> None:
    """At 64 x 48 the decoder may refuse; the rest is the same."""
    path = clip(tmp_path / "in.mp4", size=size, pictures=colours(20, size))
    for name, device in (("cpu", None), ("gpu", CUDA)):
        source = VideoFileSource(path, device=device)
        sink = VideoFileSink(tmp_path / f"{name}.mp4", source.info, color=source.color, crf=1)
        with source, sink:
            for frame in source:
                sink.write(frame)
    (right, _), (found, _) = read(tmp_path / "cpu.mp4"), read(tmp_path / "gpu.mp4")
    assert times(found) == times(right)
    for one, other in zip(found, right, strict=True):
        assert (one.image.int() - other.image.int()).abs().float().mean() < 2
    with av.open(str(tmp_path / "gpu.mp4")) as made:
        assert tags_of(next(made.decode(video=0))) == ColorTags(BT709, LIMITED, 1, 1)


def feedforward(device: str, engine: str = "auto") -> FeedForward:
    torch.manual_seed(0)
    small = {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}
    network = build("swift", small).eval()
    return FeedForward(load_engine(network, engine, device))


@needs_gpu
@pytest.mark.parametrize("size", (None, "160x120"))
def test_a_whole_video(size: str | None, tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mp4", 60, sounds=[Sound(seconds=2.4)])
    done = {}
    for name, stylizer in (("cpu", feedforward("cpu", "eager")), ("gpu", feedforward("cuda"))):
        output = tmp_path / f"{name}.mp4"
        done[name] = stylize_video(path, output, stylizer=stylizer, size=size)
    assert (done["gpu"].engine, done["gpu"].notes) == ("graph", done["cpu"].notes)
    (right, _), (found, _) = read(tmp_path / "cpu.mp4"), read(tmp_path / "gpu.mp4")
    assert times(found) == times(right)
    for one, other in zip(found, right, strict=True):
        assert (one.image.int() - other.image.int()).abs().float().mean() < 4  # x264 between


@needs_gpu
def test_an_empty_frame_comes_back_as_it_was() -> None:
    stylizer, image = feedforward("cuda"), torch.full((3, 64, 96), 40, dtype=torch.uint8, device=CUDA)
    frame = Frame(image)
    assert stylizer(frame) is frame
    picture = torch.from_numpy(numbered(77, 96, 64).transpose(2, 0, 1).copy())
    half = FeedForward(feedforward("cuda").engine, strength=0.5)(Frame(picture.to(CUDA))).image
    right = FeedForward(feedforward("cpu", "eager").engine, strength=0.5)(Frame(picture)).image
    assert (half.cpu().int() - right.int()).abs().float().mean() < 2


@needs_gpu
def test_doctor_tells_what_the_gpu_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "h264" in next(line for line in said.splitlines() if line.startswith("nvdec"))
    assert any(line.startswith("nvenc") for line in said.splitlines())


def test_doctor_says_that_there_is_no_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["doctor"]) == 0
    said = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert said["gpu"] == "none that torch can use; everything runs on the processor"
    assert "graph (PyTorch finds no CUDA GPU)" in said["engines"]
    assert "nvdec" not in said
