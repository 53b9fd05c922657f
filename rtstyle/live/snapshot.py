"""A still of a live picture: the original and the restyled one, side by side in a folder."""

from __future__ import annotations

from pathlib import Path

from rtstyle.frame import Frame
from rtstyle.live.recording import timed_path
from rtstyle.media.image_file import write_image
from rtstyle.media.output import make_parent
from rtstyle.media.picture import Picture
from rtstyle.stylizers.strokes import scaled


def write_pair(folder: Path, original: Frame, restyled: Frame) -> Path:
    """Write two PNGs, ``TIME-original.png`` and ``TIME-restyled.png``; returns the path of the second.

    Both have the original's size.
    Raises RtstyleError for a folder that cannot be written.
    """
    path = timed_path(folder, "-restyled.png")
    while path.exists():  # two in one millisecond
        path = timed_path(folder, "-restyled.png")
    make_parent(path)
    write_image(path.with_name(path.name.replace("-restyled", "-original")), Picture(original.image))
    height, width = original.image.shape[1:]
    write_image(path, Picture(scaled(restyled.image, (width, height))))
    return path
