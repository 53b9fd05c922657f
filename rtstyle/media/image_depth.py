"""What Pillow cannot: 16 bits a sample, read by OpenCV and written here, and TIFFs with a camera's EXIF."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from rtstyle.media.hush import hush_opencv

hush_opencv()

Exif = Image.Exif
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries, by their numbers in H.273
Pixels = np.ndarray  # (H, W, C): gray, gray and alpha, RGB or RGBA


def is_deep(picture: Image.Image, data: bytes) -> bool:
    """Whether a file just opened by Pillow stores 16 bits a sample."""
    if isinstance(picture, PngImagePlugin.PngImageFile):
        return data[24] == 16  # bit depth, in the header every PNG starts with
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        bits = picture.tag_v2.get(258, (1,))
        return max(bits) == 16 and picture.mode in ("RGB", "RGBA", "RGBX", "I;16", "I;16B")
    return False


def lost_bits(kind: str | None, data: bytes) -> int | None:
    """Bits a sample of an AVIF or HEIC file where they are more than the 8 that are read of it.

    They stand in the configuration of its codec (AV1 in ISOBMFF, section 2.3; ISO/IEC 14496-15, 8.3.3.1).
    """
    box, place = {"AVIF": (b"av1C", 6), "HEIF": (b"hvcC", 21)}.get(kind or "", (b"", 0))
    start = data.find(box) if box else -1
    if start < 0 or start + place >= len(data):
        return None
    value = data[start + place]
    if kind == "AVIF":  # high_bitdepth, twelve_bit
        return (12 if value & 0x20 else 10) if value & 0x40 else None
    return 8 + (value & 7) if value & 7 else None


def unread_colours(kind: str | None, data: bytes) -> str | None:
    """A note on colours that a file without a profile names by numbers (ITU-T H.273) and that are not sRGB.

    They stand in the colr box of an AVIF or HEIC (ISO/IEC 23008-12) and in the cICP chunk of a PNG.
    """
    if kind == "PNG":
        start, end = data.find(b"cICP"), data.find(b"IDAT")
        found = data[start + 4 : start + 6] if 0 < start < end else b""
    else:
        start = data.find(b"colrnclx") if kind in ("AVIF", "HEIF") else -1
        found = data[start + 9 : start + 12 : 2] if start > 0 else b""
    if len(found) < 2:
        return None
    primaries, transfer = found
    names = [_WIDE.get(primaries, ""), {16: "PQ", 18: "HLG"}.get(transfer, "")]
    said = ", ".join(name for name in names if name)
    return f"its colours ({said}) were read as sRGB" if said else None


def decode(picture: Image.Image, data: bytes) -> Pixels:
    """uint16 (H, W, 3), or (H, W, 4) with straight alpha, of a file Pillow has opened.

    A TIFF comes out upright: OpenCV applies its orientation tag. A PNG does not.
    Raises ValueError for a layout OpenCV would not read, or read wrongly.
    """
    tags = picture.tag_v2 if isinstance(picture, TiffImagePlugin.TiffImageFile) else {}
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or tags.get(284) == 2:  # one plane a colour
        raise ValueError("its layout of 16 bits a sample is not supported")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if tags.get(262) == 0:  # zero is white
        pixels = 65535 - pixels
    has_alpha = picture.has_transparency_data and pixels.shape[2] == 4
    pixels = pixels[:, :, [2, 1, 0, 3] if has_alpha else [2, 1, 0]]
    if has_alpha and tags.get(338) == (1,):  # colours are stored multiplied by alpha
        opacity = np.maximum(pixels[:, :, 3:], 1) / 65535
        pixels[:, :, :3] = np.clip(pixels[:, :, :3] / opacity + 0.5, 0, 65535)
    return np.ascontiguousarray(pixels)


def encode_png(pixels: Pixels, icc: bytes | None, exif: Exif | None, xmp: bytes | None) -> bytes:
    """uint16 (H, W, 3 or 4) as PNG; profile, EXIF and XMP are chunks placed right after the header."""
    order = [2, 1, 0, 3][: pixels.shape[2]]
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, order]))
    if not done:
        raise ValueError("the PNG encoder failed")
    chunks = []
    if icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if exif:
        chunks.append((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    if xmp:  # not compressed, no language, no translated keyword
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0" + bytes(4) + xmp))
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    plain = encoded.tobytes()
    header = 8 + 25  # signature, IHDR
    return plain[:header] + extra + plain[header:]


def encode_tiff(pixels: Pixels, icc: bytes | None, exif: Exif | None, xmp: bytes | None) -> bytes:
    """uint8 or uint16 (H, W, 3 or 4) as a TIFF of one deflated strip (TIFF 6.0, tags by their numbers there).

    Pillow's own writer breaks on the directories that a camera's EXIF has.
    """
    height, width, channels = pixels.shape
    strip = zlib.compress(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    directory[256], directory[257] = width, height
    directory[258] = (8 * pixels.itemsize,) * channels  # BitsPerSample
    directory[259] = 8  # Compression: deflate
    directory[262] = 2  # PhotometricInterpretation: RGB
    directory[273], directory[278], directory[279] = 0, height, len(strip)  # offset: Pillow adds its own
    directory[277] = channels  # SamplesPerPixel
    if channels == 4:
        directory[338] = 2  # ExtraSamples: straight alpha
    for tag, data in ((34675, icc), (700, xmp)):
        if data:
            directory.tagtype[tag] = 7  # undefined bytes
            directory[tag] = data
    for tag, value in (exif or {}).items():
        directory[tag] = value
    out = io.BytesIO()
    directory.save(out)
    return out.getvalue() + strip
