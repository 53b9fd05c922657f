"""What a command may write, said before any work that would be lost or would destroy something."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import say
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from torch import Tensor


def check_picture(path: Path, *, overwrite: bool, inputs: Sequence[Path] = (), option: str = "") -> None:
    """Refuse a picture that could not be written at the end, or would replace a file; make its folder.

    ``option``: the one that names a figure drawn beside the output.
    """
    from rtstyle.media.image_formats import WRITABLE, is_image_name
    from rtstyle.media.output import check_output, check_writable

    if not is_image_name(path):
        said = f"{option} {path}: a figure is a picture" if option else f"{path}: the last name is the output"
        raise RtstyleError(f"{said}, with one of {', '.join(WRITABLE)}")
    check_output(path, overwrite=overwrite, inputs=tuple(inputs))
    check_writable(path)


@contextmanager
def alone_at(out: Path) -> Iterator[None]:
    """Refuse a second run with this output while the block runs: both would write to the same files.

    Outputs of one name but for the extension count as one: what a stopped run leaves is named after it.
    """
    from rtstyle.media.output import Claim, make_parent

    make_parent(out)
    lock = out.with_name(f".{out.stem}.lock")
    claim = Claim(lock, of=out)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        claim.release()


@contextmanager
def keeping_cells(
    options: argparse.Namespace, rows: list[list[tuple[str, Tensor]]], given: int = 0
) -> Iterator[None]:
    """Where Ctrl-C ends the block, a sheet of the cells that are done goes to ``NAME.partial.ext``.

    ``given``: cells that took no work, as the photo itself.
    """
    from rtstyle.media.image_file import write_image
    from rtstyle.media.output import partial_path
    from rtstyle.media.picture import Picture
    from rtstyle.media.sheet import draw_sheet

    try:
        yield
    except KeyboardInterrupt:
        done = [row for row in rows if row]
        if sum(map(len, done)) > given:
            partial = partial_path(options.output)
            write_image(partial, Picture(draw_sheet(done)))
            say(options, [f"{partial}: what was done until then"])
        raise


def check_style(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse a style that could not be written or loaded again, or would replace a file; make its folder."""
    from rtstyle.media.output import check_output, check_writable
    from rtstyle.style_file import SUFFIX, check_name

    if path.suffix != SUFFIX:
        raise RtstyleError(f"a style is saved as NAME{SUFFIX}; got '{path}'")
    check_name(path.stem)
    check_output(path, overwrite=overwrite, inputs=tuple(inputs))
    check_writable(path)
