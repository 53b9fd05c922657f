"""What a still picture's EXIF says: the way up, and the fields that stay true when it is restyled."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Description, make, model, program, date, artist, copyright,
# and the directories of exposure and place. Not the orientation (applied), thumbnail or maker's notes.
_KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_KEPT_DIRECTORIES = (0x8769, 0x8825)
_DROPPED_TAGS = (0x927C, 0xA002, 0xA003, 0xA005)  # maker's notes, old sizes, interoperability


def read_exif(file: Image.Image) -> tuple[Image.Exif | None, int, list[str]]:
    """The fields that stay true, the orientation, and a note if they cannot be kept."""
    kept = Image.Exif()
    orientation = 1
    try:
        found = file.getexif()
        orientation = found.get(0x0112, 1)
        for tag in _KEPT_TAGS:
            if tag in found:
                kept[tag] = found[tag]
        for tag in _KEPT_DIRECTORIES:
            fields = {key: value for key, value in found.get_ifd(tag).items() if key not in _DROPPED_TAGS}
            if fields:
                kept[tag] = fields
        too_long = len(kept.tobytes()) > 65_000  # JPEG's limit
    except Exception:  # cameras write EXIF that breaks the standard in every way
        return None, orientation, ["EXIF is damaged and was left out"]
    if too_long:
        return None, orientation, ["EXIF is too long and was left out"]
    return (kept if len(kept) else None), orientation, []


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) stored with an EXIF orientation of 1 to 8, upright; anything else counts as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
