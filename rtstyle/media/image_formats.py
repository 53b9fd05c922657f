"""Which formats of still pictures are read and written, and what each can hold."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from PIL import Image, features

from rtstyle.errors import RtstyleError

# Formats by extension, and what each can hold.
WRITABLE = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
# What is looked for in folders; a file named is tried anyway.
READABLE = (*WRITABLE, ".jfif", ".jpe", ".mpo", ".heic", ".heif")
KINDS = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP or GIF"
HOLDS_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF")
HOLDS_DEPTH = ("PNG", "TIFF")
HOLDS_PROFILE = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")

try:
    from pillow_heif import register_heif_opener
except ImportError:
    READS_HEIC = False
else:
    register_heif_opener()
    READS_HEIC = True
FORMATS = (*dict.fromkeys(WRITABLE.values()), "GIF", *["HEIF"] * READS_HEIC)


def is_image_name(path: str | os.PathLike[str]) -> bool:
    """Whether the extension, in any case, is one of `WRITABLE`."""
    return Path(path).suffix.lower() in WRITABLE


def is_readable_name(path: str | os.PathLike[str]) -> bool:
    """Whether the extension, in any case, is one of `READABLE`."""
    return Path(path).suffix.lower() in READABLE


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a picture that is read, whatever its name says; the rest is not looked at."""
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS):
            return True
    except Exception:  # as in `read_image`
        return False


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Every picture file in a folder and those inside it, by extension, sorted; hidden files are skipped."""
    paths = (path for path in Path(folder).rglob("*") if is_readable_name(path) and path.is_file())
    return sorted(path for path in paths if not _is_hidden(path.relative_to(folder)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def format_of(path: Path) -> str:
    """What `write_image` will write there, as Pillow names it. Raises RtstyleError where it would not."""
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise RtstyleError(
            f"cannot write picture '{path}': its extension should be one of {', '.join(WRITABLE)}"
        )
    if kind == "AVIF" and not features.check("avif"):
        raise RtstyleError(f"cannot write picture '{path}': this Pillow was built without AVIF")
    return kind


def is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"heim", b"heis", b"hevc")
