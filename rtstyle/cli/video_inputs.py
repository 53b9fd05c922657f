"""What ``rtstyle video`` restyles: one file, a folder of them, or a folder of pictures that are one video."""

from __future__ import annotations

from pathlib import Path

from rtstyle.errors import RtstyleError

_VIDEO_NAMES = {
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".ps",
    ".vob", ".flv", ".wmv", ".3gp", ".ogv", ".mxf", ".qt", ".f4v", ".m2t", ".divx", ".asf", ".3g2",
}  # fmt: skip


def is_sequence(folder: Path, output: Path) -> bool:
    """Whether a folder's pictures are the frames of one video."""
    from rtstyle.media.frame_folder import pictures_in

    videos = any(path.suffix.lower() in _VIDEO_NAMES for path in folder.iterdir())
    return bool(output.suffix) and not output.is_dir() and not videos and bool(pictures_in(folder))


def jobs_of_folder(folder: Path, target: Path) -> list[tuple[Path, Path]]:
    """(input, output) for every video below a folder, the tree kept; other kinds become mp4."""
    from rtstyle.media.encoders import is_video_name

    sources = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _VIDEO_NAMES and p.is_file()]
    sources = [p for p in sources if not p.stem.endswith(".partial")]  # of runs that were stopped
    sources = [p for p in sources if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    if folder.resolve() == target.resolve():
        raise RtstyleError(f"{target}: is the input folder; name another for the output")
    if target.resolve().is_relative_to(folder.resolve()):
        sources = [p for p in sources if not p.resolve().is_relative_to(target.resolve())]
    if not sources:
        raise RtstyleError(f"{folder}: holds no video file{_advice(folder)}")
    if target.suffix and not target.is_dir():
        several = f"{folder} holds videos ({sources[0].name}), and so the output must be a folder"
        raise RtstyleError(f"{target}: {several}; pictures alone become one video")
    outputs = {p: target / p.relative_to(folder) for p in sources}
    taken = {output for output in outputs.values() if is_video_name(output)}  # these keep their names
    for source, output in outputs.items():
        if not is_video_name(output):
            output = output.with_suffix(".mp4")
            if output in taken:  # clip.avi beside clip.mp4
                output = output.with_name(source.name.replace(".", "_") + ".mp4")
            taken.add(output)
            outputs[source] = output
    return list(outputs.items())


def _advice(folder: Path) -> str:
    from rtstyle.media.frame_folder import pictures_in

    found = bool(pictures_in(folder))
    return ", but pictures: name a video as output, or use 'rtstyle image'" if found else ""
