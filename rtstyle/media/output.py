"""Outputs that appear under their final name only when complete."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from rtstyle.errors import RtstyleError


def partial_path(path: Path) -> Path:
    """Where an output grows: ``NAME.partial.ext`` beside the final ``NAME.ext``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def check_output(path: Path, *, overwrite: bool, inputs: tuple[Path, ...] = ()) -> None:
    """Refuse an output that would destroy something.

    Raises:
        RtstyleError: it is one of the inputs, or it exists and `overwrite` is not set.
    """
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise RtstyleError(f"{path}: is the input itself; write the output to another name")
    if path.exists() and not overwrite and not (path.is_dir() and not any(path.iterdir())):
        raise RtstyleError(f"{path}: exists already; use --overwrite to replace it, or another name")


def make_parent(path: Path) -> None:
    """Make the folder an output goes to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RtstyleError(f"{path.parent}: cannot make this folder ({error.strerror})") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be written: of FFmpeg's errors and the system's."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        full = "; is the disk full?" if getattr(error, "errno", None) in (errno.ENOSPC, errno.EIO) else ""
        raise RtstyleError(f"{path}: cannot be written ({reason}){full}") from error


def discard(path: Path) -> None:
    """Remove a file or a folder of our own making, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
