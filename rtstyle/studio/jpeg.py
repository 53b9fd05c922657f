"""JPEG pictures of the studio: ours out, and a stranger's in, looked at before a decoder sees them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_packed

# Colour at full resolution: strokes are saturated, and at equal size this came 1 dB nearer than 4:2:0
# of higher quality (starry_night, 640x480: 37.8 dB, 106 kB).
_QUALITY = [
    cv2.IMWRITE_JPEG_QUALITY,
    85,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]

_LARGEST = 4096  # pixels a side
_PIXELS = 4096 * 2304  # in all: 28 MB decoded
_PLAIN = (0xC0, 0xC1)  # sequential, Huffman: what a browser's canvas writes
_OTHER = {*range(0xC2, 0xD0)} - {0xC4, 0xC8, 0xCC}  # progressive, lossless, arithmetic
_SCAN, _END = 0xDA, 0xD9


def encode(image: torch.Tensor) -> bytes:
    """A picture, uint8 (3, H, W) RGB on any device, as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(to_packed(image), cv2.COLOR_RGB2BGR), _QUALITY)
    return data.tobytes()


def decode(data: bytes) -> np.ndarray:
    """A JPEG from a browser as uint8 (H, W, 3) RGB; any orientation tag is ignored.

    Raises RtstyleError for what is no sequential JPEG of at most 4096 x 2304 pixels. That is read
    from its header: a few hundred bytes can claim gigabytes, and a progressive file hours of work.
    """
    width, height = size(data)
    if not 0 < width <= _LARGEST or not 0 < height <= _LARGEST or width * height > _PIXELS:
        raise RtstyleError(f"a camera picture of {width}x{height}; allowed are up to 4096x2304 pixels")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        bgr = None
    if bgr is None or bgr.shape[:2] != (height, width):
        raise RtstyleError("a camera picture is damaged; send JPEG as a canvas writes it")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def within(width: int, height: int) -> tuple[int, int]:
    """The size itself, or the largest of its shape that `decode` takes."""
    scale = min(1.0, _LARGEST / width, _LARGEST / height, (_PIXELS / (width * height)) ** 0.5)
    return (width, height) if scale == 1 else (int(width * scale), int(height * scale))


def size(data: bytes) -> tuple[int, int]:
    """Width and height as the JPEG's header says (ISO 10918-1, B.2.2); nothing is decoded.

    Raises RtstyleError for other formats, other JPEG processes, and headers with anything out of place.
    """
    if data[:2] != b"\xff\xd8":
        raise RtstyleError("a camera picture is no JPEG")
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4])
        if marker in _PLAIN and length >= 8 and place + 9 <= len(data):
            height = int.from_bytes(data[place + 5 : place + 7])
            return int.from_bytes(data[place + 7 : place + 9]), height
        if marker in _OTHER:
            raise RtstyleError("a camera picture is a progressive or unusual JPEG; send a sequential one")
        if marker in (_SCAN, _END) or marker < 0xC0 or length < 2:
            break
        place += 2 + length
    raise RtstyleError("a camera picture has a damaged JPEG header")
