"""Still pictures from and to files: JPEG, PNG, WebP, AVIF, TIFF, BMP, with what they carry besides colours.

A phone's HEIC is read where pillow-heif is installed.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, PngImagePlugin, features
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float, to_packed
from rtstyle.media import image_depth
from rtstyle.media.spherical import read_sphere, write_sphere

# Formats by extension, and what each can hold.
WRITABLE = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
READABLE = (*WRITABLE, ".heic", ".heif")  # what is looked for in folders; a file named is tried anyway
_KINDS = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP or GIF"
_HOLDS_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF")
_HOLDS_DEPTH = ("PNG", "TIFF")
_HOLDS_PROFILE = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")

_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},  # 4:4:4: brush strokes have sharp colour edges
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90, "subsampling": "4:4:4", "speed": 8},  # a third of the default's time
    "TIFF": {"compression": "tiff_deflate"},
}

# EXIF that stays true of a restyled picture: description, make, model, program, date, artist, copyright,
# and the directories of exposure and place. Not the orientation (applied), thumbnail or maker's notes.
_KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_KEPT_DIRECTORIES = (0x8769, 0x8825)
_DROPPED_TAGS = (0x927C, 0xA002, 0xA003, 0xA005)  # maker's notes, old sizes, interoperability


try:
    from pillow_heif import register_heif_opener
except ImportError:
    _READS_HEIC = False
else:
    register_heif_opener()
    _READS_HEIC = True
_FORMATS = (*dict.fromkeys(WRITABLE.values()), "GIF", *["HEIF"] * _READS_HEIC)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A still picture, upright, with what its file carried."""

    image: Tensor  # uint8 or uint16 (3, H, W), RGB
    alpha: Tensor | None = None  # as image, (H, W); 0 is transparent; not multiplied into the image
    icc: bytes | None = None  # RGB colour profile; None: sRGB
    exif: Image.Exif | None = None  # without orientation
    mode: str = "RGB"  # Pillow's name of what the file held: "L" gray, "P" palette, "CMYK", ...
    notes: tuple[str, ...] = ()  # what reading had to change or leave out
    sphere: Mapping[str, str] | None = None  # directions of a picture that goes all around, see `spherical`

    def with_image(self, image: Tensor) -> Picture:
        """The same picture with other colours, (3, H, W) of the same sample type; alpha takes their size."""
        alpha, size = self.alpha, image.shape[1:]
        if alpha is not None and alpha.shape != size:
            fitted = F.interpolate(to_float(alpha)[None, None], size, mode="bicubic", antialias=True)
            alpha = to_bytes(fitted[0, 0], alpha.dtype)
        return replace(self, image=image, alpha=alpha)


def is_image_name(path: str | os.PathLike[str]) -> bool:
    """Whether the extension, in any case, is one of `WRITABLE`."""
    return Path(path).suffix.lower() in WRITABLE


def is_readable_name(path: str | os.PathLike[str]) -> bool:
    """Whether the extension, in any case, is one of `READABLE`."""
    return Path(path).suffix.lower() in READABLE


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Every picture file in a folder and those inside it, by extension, sorted; hidden files are skipped."""
    paths = (path for path in Path(folder).rglob("*") if is_readable_name(path))
    return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read one picture, whatever its extension says; of an animation the first frame.

    Raises RtstyleError in one line for what is missing, empty, truncated, no picture, or so large
    that decoding it could be an attack (178 million pixels).
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RtstyleError(f"cannot read picture '{path}': {error.strerror}") from error
    if not data:
        raise RtstyleError(f"cannot read picture '{path}': the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is raised or noted below
            return _read(data)
    except Image.UnidentifiedImageError as error:
        if _is_heic(data) and not _READS_HEIC:
            lack = "HEIC needs pip install 'rtstyle[heic]'"
            raise RtstyleError(f"cannot read picture '{path}': {lack}") from error
        raise RtstyleError(f"cannot read picture '{path}': it is no {_KINDS}, or is damaged") from error
    except Image.DecompressionBombError as error:
        raise RtstyleError(f"cannot read picture '{path}': it claims more than 178 million pixels") from error
    except Exception as error:  # decoders raise many unrelated types on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RtstyleError(
            f"cannot read picture '{path}': truncated, damaged or unusual ({reason})"
        ) from error


def write_image(path: str | os.PathLike[str], picture: Picture) -> list[str]:
    """Write one picture in the format its extension names, complete or not at all.

    Returns what the format could not hold, one line each: depth is cut to 8 bits, transparency
    laid on white, colours converted to sRGB. Raises RtstyleError for an unknown extension or a
    place that cannot be written.
    """
    path = Path(path)
    kind = _format(path)
    notes: list[str] = []
    image, alpha, icc, exif = picture.image.cpu(), picture.alpha, picture.icc, picture.exif
    if image.dtype != torch.uint8 and kind not in _HOLDS_DEPTH:
        notes.append(f"16 bits a sample became 8: {kind} holds no more")
        image = to_bytes(to_float(image))
        alpha = None if alpha is None else to_bytes(to_float(alpha))
    if alpha is not None and kind not in _HOLDS_ALPHA:
        notes.append(f"transparency was laid on white: {kind} holds none")
        opacity = to_float(alpha.cpu())
        image, alpha = to_bytes(torch.lerp(torch.ones(()), to_float(image), opacity), image.dtype), None
    planes = [*image, alpha.cpu()] if alpha is not None else list(image)
    pixels = torch.stack(planes, dim=2).numpy()
    if icc and kind not in _HOLDS_PROFILE:
        notes.append(f"colours were converted to sRGB: {kind} holds no colour profile")
        pixels, icc = np.asarray(_to_srgb(Image.fromarray(pixels), icc)), None
    xmp = None if picture.sphere is None else write_sphere(picture.sphere, *pixels.shape[1::-1])
    if xmp and (kind not in _HOLDS_PROFILE or pixels.dtype == np.uint16):
        notes.append("that the picture goes all around is no longer said in the file")
        xmp = None
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(_encode(kind, pixels, icc, exif, xmp))
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise RtstyleError(f"cannot write picture '{path}': {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return notes


def to_srgb(image: Tensor, icc: bytes) -> Tensor:
    """uint8 samples (3, H, W) of an RGB profile as sRGB; a damaged profile counts as none."""
    converted = np.array(_to_srgb(Image.fromarray(to_packed(image)), icc))
    return torch.from_numpy(converted).permute(2, 0, 1)


def _format(path: Path) -> str:
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise RtstyleError(
            f"cannot write picture '{path}': its extension should be one of {', '.join(WRITABLE)}"
        )
    if kind == "AVIF" and not features.check("avif"):
        raise RtstyleError(f"cannot write picture '{path}': this Pillow was built without AVIF")
    return kind


def _encode(
    kind: str, pixels: np.ndarray, icc: bytes | None, exif: Image.Exif | None, xmp: bytes | None = None
) -> bytes:
    if pixels.dtype == np.uint16:
        deep = {"PNG": image_depth.encode_png, "TIFF": image_depth.encode_tiff}
        return deep[kind](pixels, icc, exif)
    out = io.BytesIO()
    extras: dict[str, object] = {"icc_profile": icc, "exif": exif} if kind in _HOLDS_PROFILE else {}
    given = {key: value for key, value in extras.items() if value}
    if xmp:
        given |= _with_xmp(kind, xmp)
    Image.fromarray(pixels).save(out, kind, **given, **_OPTIONS.get(kind, {}))
    return out.getvalue()


def _with_xmp(kind: str, xmp: bytes) -> dict[str, object]:
    """What Pillow is given to write the packet in each format."""
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return {"pnginfo": text}
    return {"tiffinfo": {700: xmp}} if kind == "TIFF" else {"xmp": xmp}


def _read(data: bytes) -> Picture:
    notes = []
    file = Image.open(io.BytesIO(data), formats=_FORMATS)
    mode, kind = file.mode, file.format
    deep = image_depth.is_deep(file, data)
    if kind == "TIFF":
        _check_strips(file, len(data))
    frames = getattr(file, "n_frames", 1) if kind != "MPO" else 1  # a phone's JPEG with a second view
    if frames > 1:
        notes.append(f"the first of {frames} frames or pages was taken")
    file.load()
    icc = file.info.get("icc_profile")
    exif, orientation, exif_notes = _read_exif(file)
    if deep:
        pixels = image_depth.decode(file, data)
        icc, profile_notes = _rgb_profile(icc)
    else:
        rgb, icc, profile_notes = _to_rgb(file, icc)
        pixels = np.array(rgb)
    upright = np.ascontiguousarray(_turn(pixels, orientation))
    planes = torch.from_numpy(upright).permute(2, 0, 1)
    alpha = planes[3].contiguous() if len(planes) == 4 else None
    notes += [*exif_notes, *profile_notes]
    sphere = read_sphere(file.info.get("xmp"))
    return Picture(planes[:3], alpha, icc, exif, mode, tuple(notes), sphere)


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"heim", b"heis", b"hevc")


def _check_strips(file: Image.Image, size: int) -> None:
    """Find a cut TIFF before libtiff does, which would speak on stderr by itself."""
    tags = file.tag_v2  # type: ignore[attr-defined]
    for offsets, counts in ((273, 279), (324, 325)):
        ends = zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
        if any(offset + count > size for offset, count in ends):
            raise ValueError("data is missing at the end")


def _to_rgb(file: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, list[str]]:
    """Any 8-bit picture as RGB or RGBA, with its profile if that still describes it."""
    if file.mode in ("F", "I"):
        raise ValueError(f"samples of 32 bits ({file.mode}); 8 and 16 are read")
    if file.mode.startswith("I;16"):
        deep = np.asarray(file).astype(np.uint16)
        file = Image.fromarray((deep >> 8).astype(np.uint8))
    alpha = file.convert("RGBA").getchannel("A") if file.has_transparency_data else None
    space = icc[16:20] if icc else b""
    notes: list[str] = []
    gray = space == b"GRAY" and file.mode in ("1", "L", "LA", "P")
    if icc and (gray or (space == b"CMYK" and file.mode == "CMYK")):
        base = file.convert("L") if gray else file
        rgb, icc = _to_srgb(base, icc), None
    else:
        if file.mode == "CMYK":
            notes.append("CMYK without its colour profile: colours are approximate")
        rgb = file.convert("RGBA").convert("RGB") if alpha else file.convert("RGB")
        icc, profile_notes = _rgb_profile(icc)
        notes += profile_notes
    if alpha:
        rgb.putalpha(alpha)
    return rgb, icc, notes


def _rgb_profile(icc: bytes | None) -> tuple[bytes | None, list[str]]:
    """The profile if it can describe RGB samples, else None and why."""
    if not icc:
        return None, []
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return None, ["the colour profile is damaged and was left out"]
    return (icc, []) if space == "RGB" else (None, [f"the colour profile is for {space} and was left out"])


def _to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """Gray, CMYK, RGB or RGBA through its profile to sRGB; alpha stays. A damaged profile counts as none."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    base = picture.convert("RGB") if alpha else picture
    try:
        rgb = ImageCms.profileToProfile(
            base, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except ImageCms.PyCMSError:
        rgb = base.convert("RGB")
    assert rgb is not None  # only an in-place conversion returns None
    if alpha:
        rgb.putalpha(alpha)
    return rgb


def _read_exif(file: Image.Image) -> tuple[Image.Exif | None, int, list[str]]:
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


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) stored with an EXIF orientation of 1 to 8, upright; anything else counts as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
