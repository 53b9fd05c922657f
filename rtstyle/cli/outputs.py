"""What a command may write, said before any work that would be lost or would destroy something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtstyle.errors import RtstyleError


def check_picture(path: Path, *, overwrite: bool, inputs: Sequence[Path] = (), option: str = "") -> None:
    """Refuse a picture that could not be written at the end, or would replace a file; make its folder.

    ``option``: the one that names a figure drawn beside the output.
    """
    from rtstyle.media.image_file import WRITABLE, is_image_name
    from rtstyle.media.output import check_output, check_writable

    if not is_image_name(path):
        said = f"{option} {path}: a figure is a picture" if option else f"{path}: the last name is the output"
        raise RtstyleError(f"{said}, with one of {', '.join(WRITABLE)}")
    check_output(path, overwrite=overwrite, inputs=tuple(inputs))
    check_writable(path)


def check_style(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse a style that could not be written or loaded again, or would replace a file; make its folder."""
    from rtstyle.media.output import check_output, check_writable
    from rtstyle.style_file import SUFFIX, check_name

    if path.suffix != SUFFIX:
        raise RtstyleError(f"a style is saved as NAME{SUFFIX}; got '{path}'")
    check_name(path.stem)
    check_output(path, overwrite=overwrite, inputs=tuple(inputs))
    check_writable(path)
