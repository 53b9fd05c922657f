"""What is there already is not lost: to an output, to what it grows as, to a recording or a stream."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import rtstyle
from rtstyle.cli import main
from rtstyle.cli.image import _jobs
from rtstyle.cli.options import vgg19_file
from rtstyle.cli.video_inputs import jobs_of_folder
from rtstyle.media.frame_folder import FrameFolderSink
from tests.families import save_family
from tests.media import Clip, read


@pytest.fixture(autouse=True)
def family(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("styles")
    save_family(folder, "home", "aa", "bb")
    monkeypatch.setenv("RTSTYLE_STYLES", str(folder))


def make_clip(path: Path, frames: int = 5) -> Path:
    return Clip(frames=frames).make(path)


def live(*arguments: str | Path) -> int:
    return main(["live", "--camera", "synthetic", "--style", "aa", *(str(each) for each in arguments)])


def test_an_input_that_the_output_would_grow_over_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "a.partial.mp4")
    held = source.read_bytes()
    assert main(["video", str(source), str(tmp_path / "a.mp4"), "--style", "aa", "--overwrite"]) == 1
    assert "is the input, and what a.mp4 would be written over" in capsys.readouterr().err
    assert source.read_bytes() == held


def test_a_folder_of_the_users_own_is_never_the_partial_one(tmp_path: Path) -> None:
    diary = tmp_path / "out.partial" / "diary.txt"
    diary.parent.mkdir()
    diary.write_text("mine")
    with pytest.raises(rtstyle.RtstyleError, match=r"out\.partial: holds other files \(diary\.txt\)"):
        FrameFolderSink(tmp_path / "out")
    assert diary.read_text() == "mine"


def test_a_folder_with_a_files_name_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dir.mp4").mkdir()
    source = make_clip(tmp_path / "a.mp4")
    assert main(["video", str(source), str(tmp_path / "dir.mp4"), "--style", "aa", "--overwrite"]) == 1
    assert "dir.mp4: is a folder; name a file in it" in capsys.readouterr().err


def test_what_is_left_of_a_recording_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = tmp_path / "foot.partial.mkv"
    left.write_bytes(b"500 frames")
    assert live("--record", tmp_path / "foot.mkv", "--duration", "0.3") == 1
    assert "foot.partial.mkv: is left from an earlier recording" in capsys.readouterr().err
    assert left.read_bytes() == b"500 frames"


@pytest.mark.parametrize("name", ["a.gif", "a"])
def test_a_recording_has_a_container_that_grows(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live("--record", tmp_path / name, "--duration", "0.3") == 1
    assert f"{name}: a recording ends in .mkv, .mp4, .m4v, .mov or .webm" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["precious.mkv", "foo"])
def test_a_stream_replaces_no_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious.mkv").write_bytes(b"mine")
    assert live("--stream", tmp_path / name, "--duration", "0.3") == 1
    assert "--record writes files" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["precious.mkv"]
    assert (tmp_path / "precious.mkv").read_bytes() == b"mine"


@pytest.mark.usefixtures("patient")
def test_figures_replace_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    assert live("--record", tmp_path / "a.mkv", "--stats", notes, "--duration", "0.3") == 1
    assert "notes.txt: exists already" in capsys.readouterr().err
    assert notes.read_text() == "mine"
    new = tmp_path / "new" / "figures.json"
    assert live("--record", tmp_path / "a.mkv", "--stats", new, "--duration", "0.3", "--quiet") == 0
    assert new.exists()


def test_a_port_that_cannot_be_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert live("--studio", "--port", "70000") == 1
    assert capsys.readouterr().err == "rtstyle: --port 70000; allowed are 0 (any that is free) to 65535\n"


def test_a_file_that_keeps_its_name_gets_it(tmp_path: Path) -> None:
    for name in ("clip.avi", "clip.mp4", "old.partial.mp4", "other.avi"):
        (tmp_path / name).write_bytes(b"")
    jobs = {source.name: output.name for source, output in jobs_of_folder(tmp_path, tmp_path / "out")}
    assert jobs == {"clip.mp4": "clip.mp4", "clip.avi": "clip_avi.mp4", "other.avi": "other.mp4"}


def test_pictures_below_the_output_are_restyled_but_not_into_themselves(tmp_path: Path) -> None:
    source = tmp_path / "pics"
    source.mkdir()
    cv2.imwrite(str(source / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert _jobs([source], tmp_path) == [(source / "a.png", tmp_path / "a.png")]
    with pytest.raises(rtstyle.RtstyleError, match="holds all the pictures itself; name another folder"):
        _jobs([source], source)


def test_an_imported_style_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rtstyle.styles import load_style, own_folder

    before = load_style("aa")[1].state_dict()
    assert own_folder().is_dir()
    weights = load_style("starry_night_johnson")[1].state_dict()
    from safetensors.torch import save_file

    save_file(weights, tmp_path / "theirs.safetensors")
    assert (
        main(["styles", "import", str(tmp_path / "theirs.safetensors"), "--name", "starry_night_johnson"])
        == 1
    )
    assert "a style named 'starry_night_johnson' is shipped" in capsys.readouterr().err
    assert main(["styles", "import", str(tmp_path / "theirs.safetensors"), "--name", "theirs"]) == 0
    assert load_style("aa")[1].state_dict().keys() == before.keys()


def test_public_names_are_listed_and_make_the_loop(tmp_path: Path) -> None:
    assert set(rtstyle.__all__) <= set(dir(rtstyle))
    stylizer = rtstyle.load_stylizer("aa", engine="eager")
    path = make_clip(tmp_path / "in.mp4", 3)
    with (
        rtstyle.VideoFileSource(path) as source,
        rtstyle.VideoFileSink(tmp_path / "out.mp4", source.info) as sink,
    ):
        for frame in source:
            sink.write(stylizer(frame))
    assert len(read(tmp_path / "out.mp4")[0]) == 3
    rtstyle.stylize_video(path, tmp_path / "small.mp4", stylizer=stylizer, size=32)


def test_an_address_and_a_pipe_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("video x.mp4 y.mp4", "image x.jpg y.png", "gatys x.jpg x.jpg y.png", "dream x.jpg y.png"):
        name, *inputs, output = command.split()
        addresses = [f"http://127.0.0.1:1/{file}" for file in inputs]
        assert main([name, *addresses, str(tmp_path / output)]) == 1
        error = capsys.readouterr().err.strip()
        assert "is an address; only live takes those" in error and "\n" not in error
    os.mkfifo(tmp_path / "pipe.mkv")
    assert main(["video", str(tmp_path / "pipe.mkv"), str(tmp_path / "y.mp4"), "--style", "aa"]) == 1
    assert "is no regular file" in capsys.readouterr().err


def test_the_name_of_the_only_backbone_may_be_given() -> None:
    assert vgg19_file("vgg19=a/b.safetensors") == vgg19_file("a/b.safetensors") == Path("a/b.safetensors")
