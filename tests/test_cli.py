"""The command line: exit codes, one-line errors, what it prints where."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from rtstyle import __version__
from rtstyle.cli import COMMANDS, main
from rtstyle.networks import build
from rtstyle.style_file import Style, save_style
from tests.families import save_family


@pytest.fixture(autouse=True)
def own_styles(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A style of random weights named ``tiny``, which every test may use."""
    folder = tmp_path_factory.mktemp("styles")
    network = build("swift", {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1})
    card = Style(name="tiny", title="Random weights", network="swift", config=network.config)
    save_style(folder / "tiny.safetensors", network, card)
    monkeypatch.setenv("RTSTYLE_STYLES", str(folder))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", frames=12)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(noise(32, 48)).save(path)
    return path


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_clip(path: Path, frames: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        picture = noise(32, 48)
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(picture, number, 1))))
        container.mux(stream.encode(None))
    return path


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_help_needs_no_torch() -> None:
    heavy = "torch", "av", "cv2", "numpy", "PIL"
    code = (
        "import sys; from rtstyle.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_torch(command: str) -> None:
    code = (
        "import sys; from rtstyle.cli import main\n"
        f"try: main(['{command}', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"rtstyle {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["vidio"], ["video"], ["video", "a.mp4", "b.mp4", "--strength", "2"]]
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("rtstyle: ") and error.count("\n") == 1 and "--help' shows" in error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("vidoe a.mp4 b.mp4", "no command 'vidoe', did you mean 'video'?; 'rtstyle --help'"),
        (
            "video a.mp4 --stlye x b.mp4",
            "no option '--stlye', did you mean '--style'?; 'rtstyle video --help'",
        ),
        ("/ b.mp4", "'/' is no command; files come after one: rtstyle video IN OUT, image IN OUT; "),
        ("image a.jpg --frobnicate=3 b.jpg", "no option '--frobnicate'; "),
        ("video a.mp4 b.mp4 -q", "no option '-q'; "),
        ("doctor --strokes 2", "'--strokes' is an option of video, image, live, not of doctor; "),
        ("video a.mp4 b.mp4 c.mp4", "too much: c.mp4; "),
        ("video a.mp4 b.mp4 --crf 1.5", "--crf: '1.5' is not a whole number; "),
        ("video a.mp4 b.mp4 --tour five", "--tour: 'five' is not a number; "),
    ],
)
def test_a_slip_of_the_keyboard_is_named(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*line.split())
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_video(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "clip.mp4"
    assert run("video", clip, output, "--style", "tiny", "--json") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    figures = {"frames", "seconds", "fps", "width", "height", "strokes"}
    assert set(summary) == {*figures, "style", "engine", "waiting", "notes", "output"}
    assert (summary["frames"], summary["width"], summary["height"]) == (12, 48, 32)
    assert (summary["style"], summary["output"]) == ("tiny", str(output))
    assert set(summary["waiting"]) == {"read", "stylize", "write"}
    assert "12 frames" in one_line(printed.err)
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


@pytest.fixture
def family() -> None:
    """Styles of one family beside ``tiny``, which has none."""
    save_family(Path(os.environ["RTSTYLE_STYLES"]), "sea", "wave", "storm", "calm")


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (["--style", "wave:3,storm:1"], "wave:0.75+storm:0.25"),
        (["--style", "wave,storm,calm", "--tour", "0.2"], "wave>storm>calm"),
    ],
)
def test_several_styles_in_a_video(
    extra: list[str], name: str, family: None, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    alone, among = tmp_path / "alone", tmp_path / "out" / "clip.mp4"
    assert run("video", clip, alone, *extra, "--json") == 0
    assert json.loads(capsys.readouterr().out)["style"] == name
    clip.rename(folder / "clip.mp4")
    assert run("video", folder, tmp_path / "out", *extra, "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["style"] == name
    assert among.exists()


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--style", "wave:0.5,tiny:0.5"], "with 'wave' mix: calm, storm"),
        (["--style", "wave:-1,storm:2"], "'-1'; allowed are numbers above 0"),
        (["--style", "wave,strom"], "did you mean 'storm'"),
        (["--style", "wave", "--tour", "3"], "two styles or more"),
        (["--style", "wave,storm", "--tour", "-3"], "above 0"),
        (["--style", "wave:1,storm:2", "--tour", "3"], "leave the weights out"),
    ],
)
def test_a_wrong_mix_is_one_line_and_no_output(
    extra: list[str], said: str, family: None, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("video", clip, tmp_path / "out.mp4", *extra) == 1
    assert said in one_line(capsys.readouterr().err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4"]


def test_an_existing_output_is_refused(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    assert run("video", clip, output, "--style", "tiny") == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert output.read_bytes() == b"precious"
    assert run("video", clip, output, "--style", "tiny", "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert output.read_bytes() != b"precious"


def test_the_input_is_never_the_output(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = clip.read_bytes()
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    for output in (clip, link):
        assert run("video", clip, output, "--style", "tiny", "--overwrite") == 1
        assert "is the input itself" in one_line(capsys.readouterr().err)
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--style", "tiyn"], "tiny"),
        (["--codec", "h266"], "hevc"),
        (["--crf", "99"], "51"),
        (["--preset", "quick"], "veryfast"),
        (["--size", "big"], "1280x720"),
        (["--start", "noon"], "MM:SS"),
        (["--start", "5"], "beyond the end"),
        (["--start", "0.3", "--end", "0.2"], "not after start"),
        (["--device", "tpu"], "cuda"),
        (["--engine", "steam"], "eager"),
    ],
)
def test_a_wrong_value_is_one_line_and_no_output(
    extra: list[str], said: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    style = [] if "--style" in extra else ["--style", "tiny"]
    assert run("video", clip, tmp_path / "out.mp4", *style, *extra) == 1
    assert said in one_line(capsys.readouterr().err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.mp4", None, "no such file"),
        ("none.mp4", b"", "empty"),
        ("text.mp4", b"hello" * 99, "not a video"),
    ],
)
def test_an_unreadable_input_is_one_line_and_no_output(
    name: str, content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run("video", tmp_path / name, tmp_path / "out.mp4", "--style", "tiny") == 1
    assert said in one_line(capsys.readouterr().err)
    assert not list(tmp_path.glob("out*"))


def test_verbose_shows_where(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such file"):
        run("video", tmp_path / "gone.mp4", tmp_path / "out.mp4", "--style", "tiny", "--verbose")


def test_a_folder_of_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    make_clip(folder / "a.mp4", frames=3)
    make_clip(folder / "deep" / "b.mkv", frames=4)
    (folder / "bad.mp4").write_bytes(b"")
    (folder / "notes.txt").write_text("not a video")
    (folder / "._a.mp4").write_bytes(b"what macOS puts beside it")
    assert run("video", folder, folder, "--style", "tiny") == 1
    assert "is the input folder; name another" in capsys.readouterr().err
    assert run("video", folder, tmp_path / "out", "--style", "tiny", "--json") == 1
    printed = capsys.readouterr()
    total = json.loads(printed.out)
    assert (total["frames"], len(total["files"]), len(total["failed"])) == (7, 2, 1)
    assert "empty" in printed.err
    made = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*"))
    assert made == ["a.mp4", "deep/b.mkv"]


def test_what_a_phone_takes_becomes_jpeg(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 16), (200, 90, 10)).save(tmp_path / "in" / "IMG_1.HEIC")
    assert run("image", tmp_path / "in", tmp_path / "out", "--style", "tiny", "--quiet") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["IMG_1.jpg"]
    assert Image.open(tmp_path / "out" / "IMG_1.jpg").size == (32, 16)
    Image.new("RGB", (16, 16), (200, 90, 10)).save(tmp_path / "in" / "img_1.JPG")
    assert run("image", tmp_path / "in", tmp_path / "both", "--style", "tiny", "--quiet") == 0
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "both").iterdir()}
    assert sizes == {"img_1.JPG": (16, 16), "IMG_1_HEIC.jpg": (32, 16)}


def test_what_is_read_and_not_written_gets_another_name(tmp_path: Path) -> None:
    for name in ("a.gif", "b.JFIF", "b.png"):
        Image.new("RGB", (16, 16), (200, 90, 10)).save(tmp_path / name)
    names = [tmp_path / name for name in ("a.gif", "b.JFIF", "b.png")]
    assert run("image", *names, tmp_path / "out", "--style", "tiny", "--quiet") == 0
    made = {path.name: Image.open(path).format for path in (tmp_path / "out").iterdir()}
    assert made == {"a.png": "PNG", "b.jpg": "JPEG", "b.png": "PNG"}


def test_a_folder_of_pictures_is_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8, 12):
        Image.fromarray(np.full((32, 48, 3), 20 * number, np.uint8)).save(folder / f"{number}.png")
    style = ("--style", "tiny", "--strength", "0")
    assert run("video", folder, tmp_path / "out.mp4", *style, "--fps", "12", "--end", "0.25", "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 3
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([0, 1 / 12, 2 / 12])
    means = [frame.to_ndarray(format="rgb24").mean() for frame in frames]
    assert means == pytest.approx([160, 180, 200], abs=2)
    assert run("video", folder, tmp_path / "far.mp4", *style, "--ray", "local") == 1
    assert "--ray spreads video files, not a folder of pictures" in capsys.readouterr().err


def test_a_picture_as_a_video_is_one_frame_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (48, 32), "teal").save(tmp_path / "photo.jpg")
    assert run("video", tmp_path / "photo.jpg", tmp_path / "out.mp4", "--style", "tiny") == 0
    assert "photo.jpg: a picture makes a video of one frame; rtstyle image" in capsys.readouterr().err


def test_what_is_there_can_be_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b"):
        make_clip(folder / f"{name}.mp4", frames=3)
        Image.new("RGB", (32, 16)).save(folder / f"{name}.png")
    out.mkdir()
    for name in ("a.mp4", "a.png"):
        (out / name).write_bytes(b"mine")
    for command in ("video", "image"):
        assert run(command, folder, out, "--style", "tiny", "--skip-existing", "--json") == 0
        printed = capsys.readouterr()
        assert "1 of 2 is there already" in printed.err
        assert len(json.loads(printed.out)["files"]) == 1
    (tmp_path / "frames").mkdir()  # empty: nothing is there
    assert run("video", folder / "a.mp4", tmp_path / "frames", "--style", "tiny", "--skip-existing") == 0
    assert len(list((tmp_path / "frames").iterdir())) == 3
    assert [(out / name).read_bytes() for name in ("a.mp4", "a.png")] == [b"mine"] * 2
    assert sorted(path.name for path in out.iterdir()) == ["a.mp4", "a.png", "b.mp4", "b.png"]
    for command in ("video", "image"):
        assert run(command, folder, out, "--style", "tiny", "--skip-existing", "--json") == 0
        printed = capsys.readouterr()
        assert "2 of 2 are there already" in printed.err
        assert json.loads(printed.out)["files"] == []
    with pytest.raises(SystemExit):
        run("video", folder, out, "--overwrite", "--skip-existing")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("in", "out"), "holds no video file, but pictures: name a video as output, or use 'rtstyle image'"),
        (("in", "out", "--fps", "9"), "--fps is for a folder of pictures that become one video, not out"),
        (("clip.mp4", "out.mp4", "--fps", "9"), "clip.mp4 has its own times"),
        (("in", "out.mp4", "--fps", "2000"), "2000 frames a second"),
        (("in", "out.avi"), "out.avi"),
        ((".", "out.mp4"), ". holds videos (clip.mp4), and so the output must be a folder"),
        (("empty", "out.mp4"), "empty: holds no video file"),
        (("clip.mp4", "in/1.png/out.mp4"), "in/1.png: cannot make this folder (in/1.png is a file)"),
        (
            ("clip.mp4", "clip.mp4", "--size", "-5"),
            "size '-5' is out of range; each side must be 16 to 16384",
        ),
        (("clip.mp4", "out.mp4", "--size", "100000"), "size '100000' is out of range"),
    ],
)
def test_slips_with_folders_of_pictures(
    clip: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(clip.parent)
    for name in ("in", "empty"):
        Path(name).mkdir()
    Image.new("RGB", (16, 16)).save("in/1.png")
    Image.new("RGB", (16, 16)).save("cover.png")  # a folder with videos in it is no sequence
    assert run("video", *arguments, "--style", "tiny") == 1
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "cover.png", "empty", "in"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_finished(stop: signal.Signals, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.mp4", frames=6000)
    command = [sys.executable, "-c", "import sys; from rtstyle.cli import main; sys.exit(main())"]
    command += ["video", str(clip), str(tmp_path / "out.mp4"), "--style", "tiny"]
    # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    signal.signal(signal.SIGINT, before)
    partial = tmp_path / "out.partial.mp4"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 1000):
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.send_signal(stop)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "out.partial.mp4" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out.mp4").exists()
    with av.open(str(partial)) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < 6000


def test_image(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "out.jpg"
    assert run("image", photo, output, "--style", "tiny", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["frames"], summary["width"], summary["height"]) == (1, 48, 32)
    assert Image.open(output).size == (48, 32)


def test_strength_zero_gives_the_picture_back(photo: Path, tmp_path: Path) -> None:
    assert run("image", photo, tmp_path / "out.png", "--style", "tiny", "--strength", "0", "--quiet") == 0
    assert np.array_equal(Image.open(tmp_path / "out.png"), Image.open(photo))


def test_one_bad_picture_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(noise(20, 30)).save(folder / "a.png")
    Image.fromarray(noise(31, 17)).save(folder / "deep" / "c.bmp")
    (folder / "b.jpg").write_bytes(b"not a picture")
    assert run("image", folder, tmp_path / "out", "--style", "tiny") == 1
    said = capsys.readouterr().err
    assert "b.jpg" in said
    assert "1 of 3 pictures failed" in said
    assert Image.open(tmp_path / "out" / "a.png").size == (30, 20)
    assert Image.open(tmp_path / "out" / "deep" / "c.bmp").size == (17, 31)


def test_what_failed_is_named_even_quietly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.mp4", "c.jpe", "d.m2t"):
        (folder / name).write_bytes(b"not a picture")
    for command, names in (("image", ("a.jpg", "c.jpe")), ("video", ("b.mp4", "d.m2t"))):
        assert run(command, folder, tmp_path / "out", "--style", "tiny", "--quiet") == 1
        *lines, last = capsys.readouterr().err.splitlines()
        assert [name for name in names for line in lines if name in line] == list(names)
        kind = "pictures" if command == "image" else "files"
        assert last == f"rtstyle: 2 of 2 {kind} failed"


@pytest.mark.parametrize("command", ("image", "video"))
def test_a_folder_inside_that_may_not_be_read_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = tmp_path / "in" / "locked"
    locked.mkdir(parents=True)
    Image.fromarray(noise(20, 30)).save(tmp_path / "in" / "a.png")
    make_clip(tmp_path / "in" / "a.mp4", frames=2)
    may = os.access  # the tests may run as root, who may read all
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and may(path, mode))
    assert run(command, tmp_path / "in", tmp_path / "out", "--style", "tiny", "--quiet") == 0
    assert one_line(capsys.readouterr().err) == (
        f"rtstyle: {locked}: may not be read; what it holds is left out"
    )


@pytest.mark.parametrize(
    ("output", "said"),
    (
        (".", "rtstyle: .: is a folder; name a file in it"),
        ("-", "rtstyle: the output is a file or a folder; '-' (standard output) is none"),
        (
            "full",
            "rtstyle: full: is a folder with files in it; name a file there, or another folder",
        ),
    ),
)
def test_a_folder_for_one_video_is_said(
    output: str,
    said: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    assert run("video", clip, output, "--style", "tiny") == 1
    assert one_line(capsys.readouterr().err).startswith(said)


def test_the_size_said_is_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noise(33, 49)).save(tmp_path / "odd.gif", save_all=True, append_images=[])
    assert run("video", tmp_path / "odd.gif", tmp_path / "out.mp4", "--style", "tiny", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["width"], done["height"]) == (50, 34)
    assert run("video", tmp_path / "odd.gif", tmp_path / "frames", "--style", "tiny", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["width"], done["height"]) == (49, 33)


@pytest.mark.parametrize("command", ("doctor", "image"))
def test_it_works_without_stderr_and_on_other_code_pages(command: str, photo: Path, tmp_path: Path) -> None:
    """As some launchers run it, and a pipe on Windows."""
    output = tmp_path / "日本.png"
    given = [] if command == "doctor" else [photo, output, "--style", "tiny"]
    script = '"$0" -m rtstyle "$@" 2>&-'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, command, *given, "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        check=False,
    )
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["styles"] if command == "doctor" else told["output"] == str(output)


def test_an_interrupt_while_options_are_read_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rtstyle.cli._parser", interrupted)
    assert run("video", "in.mp4", "out.mp4") == 130
    assert one_line(capsys.readouterr().err) == "rtstyle: interrupted"


def test_shipped_styles_are_there_though_ones_own_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("rtstyle.styles.own_folder", nobody)
    assert run("styles") == 0
    printed = capsys.readouterr()
    assert "starry_night" in printed.out
    assert one_line(printed.err) == (
        "rtstyle: left out: your own styles, which cannot be read: Could not determine home directory."
    )
    assert run("doctor", "--json") == 0
    assert json.loads(capsys.readouterr().out)["your styles"].startswith("nowhere: ")


def test_styles_are_listed_name_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("styles") == 0
    assert "tiny" in [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert run("styles", "list", "--json") == 0
    names = [card["name"] for card in json.loads(capsys.readouterr().out)["styles"]]
    assert "tiny" in names


def test_styles_say_their_family(family: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("styles") == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["wave"] == ["swift", "sea", "Wave"]
    assert lines["tiny"] == ["swift", "-", "Random", "weights"]
    assert run("styles", "list", "--json") == 0
    families = {card["name"]: card["family"] for card in json.loads(capsys.readouterr().out)["styles"]}
    assert (families["wave"], families["tiny"]) == ("sea", "")
    assert run("styles", "show", "wave,storm") == 0
    said = capsys.readouterr().out
    assert "name: wave:0.5+storm:0.5\n" in said
    assert "family: sea\n" in said


def test_a_card_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("styles", "show", "tiny") == 0
    said = capsys.readouterr().out
    assert "title: Random weights\n" in said
    assert "\nconfig:\n  half: " in said
    assert ": \n" not in said and "{" not in said, "what is empty or nested"


def test_import_makes_a_style(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    checkpoint = tmp_path / "mosaic.pth"
    torch.save(build("johnson", {}).state_dict(), checkpoint)
    assert run("styles", "import", checkpoint) == 0
    name, path = capsys.readouterr().out.split()
    assert name == "mosaic"
    assert Path(path).parent == Path(os.environ["RTSTYLE_STYLES"])
    assert run("styles", "import", checkpoint) == 1
    assert "exists already" in capsys.readouterr().err
    assert run("styles", "import", checkpoint, "--name", "../evil") == 1
    assert "evil" in one_line(capsys.readouterr().err)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert "tiny" in facts["styles"]
    assert "h264" in facts["encoders"]
    assert facts["engines"]
