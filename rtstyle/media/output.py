"""Outputs that appear under their final name only when complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from rtstyle.errors import RtstyleError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def partial_path(path: Path) -> Path:
    """Where an output grows: ``NAME.partial.ext`` beside the final ``NAME.ext``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def check_output(path: Path, *, overwrite: bool, inputs: tuple[Path, ...] = ()) -> None:
    """Refuse an output that would destroy something.

    Raises:
        RtstyleError: it, or what it grows as, is one of the inputs; it exists and `overwrite` is not set; it
            has a file's name and is a folder.
    """
    if not path.name:
        raise RtstyleError(f"{path}: is a folder; name a file in it")
    for source in inputs:
        if _same(path, source):
            raise RtstyleError(f"{path}: is the input itself; write the output to another name")
        if _same(partial_path(path), source):
            raise RtstyleError(
                f"{source}: is the input, and what {path.name} would be written over until it is complete; "
                "write the output to another name"
            )
    if path.suffix and path.is_dir():
        raise RtstyleError(f"{path}: is a folder; name a file in it")
    if path.exists() and not overwrite and not (path.is_dir() and not any(path.iterdir())):
        if path.is_dir():
            raise RtstyleError(
                f"{path}: is a folder with files in it; name a file there, or another folder; "
                "--overwrite replaces one of frames"
            )
        replacing = "--overwrite (overwrite=True in Python)"
        raise RtstyleError(f"{path}: exists already; use {replacing} to replace it, or another name")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


class Claim:
    """Keeps one name that an output grows under from a second run: both would write to one file.

    Not on Windows, which has no such lock.

    Args:
        path: a file, made if it is not there, or a folder.
        of: what it stands for, for the message.

    Raises:
        RtstyleError: another run has it.
    """

    def __init__(self, path: Path, of: Path | None = None) -> None:
        self._held: int | None = None
        if fcntl is None:
            return
        while self._held is None:
            with writing(path):
                held = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(held)
                raise RtstyleError(f"{of or path}: another run is writing this; let it end first") from None
            except OSError:  # a network's file system that knows no locks
                self._held = held
            else:
                if path.exists() and os.path.samestat(os.fstat(held), path.stat()):
                    self._held = held
                else:  # the other run ended in between, and took this file away
                    os.close(held)

    def release(self) -> None:
        """Let others have it. Safe to repeat."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)


def make_parent(path: Path) -> None:
    """Make the folder an output goes to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        inner = next((each for each in path.parents if each.is_file()), None)
        reason = error.strerror if inner is None else f"{inner} is a file"
        raise RtstyleError(f"{path.parent}: cannot make this folder ({reason})") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, through a power cut too. Raises OSError."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else the name may come to the disk before the data
        temporary.replace(path)
    finally:
        with suppress(OSError):  # a file system that became read-only
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Make the folder an output goes to, and refuse one in which no file can be made. Raises RtstyleError."""
    make_parent(path)
    with writing(path), tempfile.TemporaryFile(dir=path.parent):
        pass


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
