"""Still pictures from and to files: JPEG, PNG, WebP, AVIF, TIFF, BMP, with what they carry besides colours.

A phone's HEIC is read where pillow-heif is installed.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin

from rtstyle.errors import RtstyleError, one_line
from rtstyle.frame import to_bytes, to_float
from rtstyle.media import image_depth
from rtstyle.media.address import why_missing
from rtstyle.media.encoders import is_video_name
from rtstyle.media.image_colors import picture_to_srgb, rgb_profile, to_rgb
from rtstyle.media.image_exif import read_exif, turn
from rtstyle.media.image_formats import (
    FORMATS,
    HOLDS_ALPHA,
    HOLDS_DEPTH,
    HOLDS_PROFILE,
    KINDS,
    READS_HEIC,
    format_of,
    is_heic,
    is_readable_name,
)
from rtstyle.media.picture import Picture
from rtstyle.media.spherical import read_sphere, write_sphere

_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},  # 4:4:4: brush strokes have sharp colour edges
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90, "subsampling": "4:4:4", "speed": 8},  # a third of the default's time
}


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read one picture, whatever its extension says; of an animation the first frame.

    Raises RtstyleError in one line for what is missing, empty, truncated, no picture, or so large
    that decoding it could be an attack (178 million pixels).
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RtstyleError(f"cannot read picture '{path}': {why_missing(path)}") from error
    except OSError as error:
        raise RtstyleError(f"cannot read picture '{path}': {error.strerror}") from error
    if not data:
        raise RtstyleError(f"cannot read picture '{path}': the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is raised or noted below
            return _read(data)
    except Image.UnidentifiedImageError as error:
        if is_heic(data) and not READS_HEIC:
            lack = "HEIC needs pip install 'rtstyle[heic]'"
            raise RtstyleError(f"cannot read picture '{path}': {lack}") from error
        kind = f"it is no {KINDS}, or is damaged"
        if is_video_name(path) and not is_readable_name(path):
            kind = "it is named like a video, and a picture is wanted here; rtstyle video takes videos"
        raise RtstyleError(f"cannot read picture '{path}': {kind}") from error
    except MemoryError as error:
        raise RtstyleError(f"cannot read picture '{path}': there is too little memory for it") from error
    except Image.DecompressionBombError as error:
        raise RtstyleError(f"cannot read picture '{path}': it claims more than 178 million pixels") from error
    except Exception as error:  # decoders raise many unrelated types on damaged files
        raise RtstyleError(
            f"cannot read picture '{path}': truncated, damaged or unusual ({one_line(error)})"
        ) from error


def write_image(path: str | os.PathLike[str], picture: Picture) -> list[str]:
    """Write one picture in the format its extension names, complete or not at all.

    Returns what the format could not hold, one line each: depth is cut to 8 bits, transparency
    laid on white, colours converted to sRGB. Raises RtstyleError for an unknown extension or a
    place that cannot be written.
    """
    path = Path(path)
    kind = format_of(path)
    notes: list[str] = []
    if picture.alpha is not None and kind not in HOLDS_ALPHA:
        notes.append(f"transparency was laid on white: {kind} holds none")
        picture = picture.on_white()
    image, alpha, icc, exif = picture.image.cpu(), picture.alpha, picture.icc, picture.exif
    if image.dtype != torch.uint8 and kind not in HOLDS_DEPTH:
        notes.append(f"16 bits a sample became 8: {kind} holds no more")
        image = to_bytes(to_float(image))
        alpha = None if alpha is None else to_bytes(to_float(alpha))
    planes = [*image, alpha.cpu()] if alpha is not None else list(image)
    pixels = torch.stack(planes, dim=2).numpy()
    if icc and kind not in HOLDS_PROFILE:
        notes.append(f"colours were converted to sRGB: {kind} holds no colour profile")
        pixels, icc = np.asarray(picture_to_srgb(Image.fromarray(pixels), icc)), None
    xmp = None if picture.sphere is None else write_sphere(picture.sphere, *pixels.shape[1::-1])
    if xmp and kind not in HOLDS_PROFILE:
        notes.append("that the picture goes all around is no longer said in the file")
        xmp = None
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(_encode(kind, pixels, icc, exif, xmp))
        temporary.replace(path)
    except Exception as error:  # encoders raise many unrelated types on metadata they do not like
        reason = getattr(error, "strerror", None) or one_line(error)  # not the temporary's name
        raise RtstyleError(f"cannot write picture '{path}': {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return notes


def _encode(
    kind: str, pixels: np.ndarray, icc: bytes | None, exif: Image.Exif | None, xmp: bytes | None = None
) -> bytes:
    if kind == "TIFF":
        return image_depth.encode_tiff(pixels, icc, exif, xmp)
    if pixels.dtype == np.uint16:
        return image_depth.encode_png(pixels, icc, exif, xmp)
    out = io.BytesIO()
    extras: dict[str, object] = {"icc_profile": icc, "exif": exif} if kind in HOLDS_PROFILE else {}
    given = {key: value for key, value in extras.items() if value}
    if xmp:
        given |= _with_xmp(kind, xmp)
    Image.fromarray(pixels).save(out, kind, **given, **_OPTIONS.get(kind, {}))
    return out.getvalue()


def _with_xmp(kind: str, xmp: bytes) -> dict[str, object]:
    """What Pillow is given to write the packet in each format."""
    if kind != "PNG":
        return {"xmp": xmp}
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return {"pnginfo": text}


def _read(data: bytes) -> Picture:
    notes = []
    file = Image.open(io.BytesIO(data), formats=FORMATS)
    mode, kind = file.mode, file.format
    deep = image_depth.is_deep(file, data)
    if bits := image_depth.lost_bits(kind, data):
        notes.append(f"{bits} bits a sample became 8: no more is read of {kind}")
    if kind == "TIFF":
        _check_strips(file, len(data))
    frames = getattr(file, "n_frames", 1) if kind != "MPO" else 1  # a phone's JPEG with a second view
    if frames > 1:
        which = "main one of {} pictures" if kind == "HEIF" else "first of {} frames or pages"
        notes.append(f"the {which.format(frames)} was taken")
    file.load()
    icc = file.info.get("icc_profile")
    if not icc and (note := image_depth.unread_colours(kind, data)):
        notes.append(note)
    exif, orientation, exif_notes = read_exif(file)
    if deep:
        pixels = image_depth.decode(file, data)
        icc, profile_notes = rgb_profile(icc)
    else:
        rgb, icc, profile_notes = to_rgb(file, icc)
        pixels = np.array(rgb)
    upright = np.ascontiguousarray(turn(pixels, orientation))
    planes = torch.from_numpy(upright).permute(2, 0, 1)
    alpha = planes[3].contiguous() if len(planes) == 4 else None
    notes += [*exif_notes, *profile_notes]
    sphere = read_sphere(file.info.get("xmp"))
    return Picture(planes[:3], alpha, icc, exif, mode, tuple(notes), sphere)


def _check_strips(file: Image.Image, size: int) -> None:
    """Find a cut TIFF before libtiff does, which would speak on stderr by itself."""
    tags = file.tag_v2  # type: ignore[attr-defined]
    for offsets, counts in ((273, 279), (324, 325)):
        ends = zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
        if any(offset + count > size for offset, count in ends):
            raise ValueError("data is missing at the end")
