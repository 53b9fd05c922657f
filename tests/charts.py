"""A colour chart, and its conversion to and from Y'CbCr by the formulas of H.273, apart from any library."""

from __future__ import annotations

import re

import av
import numpy as np

PATCH = 16  # pixels; a multiple of every chroma subsampling

# (Kr, Kb) of each matrix code point.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}

_PATCHES = [
    (0, 0, 0), (64, 64, 64), (128, 128, 128), (192, 192, 192), (255, 255, 255), (255, 0, 0),
    (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0), (200, 30, 60),
    (30, 160, 90), (60, 70, 190), (230, 180, 140), (90, 60, 40),
]  # fmt: skip
GRAYS = [(level, level, level) for level in range(0, 256, 17)]


def chart(patches: list[tuple[int, int, int]] = _PATCHES) -> np.ndarray:
    """RGB bytes (64, 64, 3): sixteen patches, four a row."""
    grid = np.array(patches, np.uint8).reshape(4, 4, 3)
    return grid.repeat(PATCH, 0).repeat(PATCH, 1)


def patch_error(image: np.ndarray, expected: np.ndarray) -> float:
    """Largest mean error of a patch, in 255ths: images (64, 64, 3); patch borders are left out."""
    difference = np.abs(image.astype(float) - expected).reshape(4, PATCH, 4, PATCH, 3)
    return float(difference[:, 4:-4, :, 4:-4].mean((1, 3, 4)).max())


def to_yuv(rgb: np.ndarray, matrix: int, full: bool, pixel_format: str) -> av.VideoFrame:
    """A planar Y'CbCr or gray frame of an RGB picture; tagged with matrix and range."""
    kr, kb = WEIGHTS[matrix]
    values = rgb.astype(float) / 255
    luma = values @ np.array([kr, 1 - kr - kb, kb])
    blue = (values[..., 2] - luma) / (2 * (1 - kb))
    red = (values[..., 0] - luma) / (2 * (1 - kr))
    across, down, bits = _shape(pixel_format)
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], pixel_format)
    for place, (plane, samples) in enumerate(zip(frame.planes, (luma, blue, red), strict=False)):
        chroma = place > 0
        _fill(plane, _quantise(samples[::down, ::across] if chroma else samples, chroma, full, bits), bits)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


def to_rgb(frame: av.VideoFrame, matrix: int, full: bool) -> np.ndarray:
    """RGB bytes (H, W, 3) of a planar Y'CbCr frame; chroma by the nearest sample."""
    kr, kb = WEIGHTS[matrix]
    across, down, bits = _shape(frame.format.name)
    luma, blue, red = (
        _expand(_samples(plane, bits), place > 0, full, bits) for place, plane in enumerate(frame.planes)
    )
    blue, red = (chroma.repeat(down, 0).repeat(across, 1) for chroma in (blue, red))
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return (np.stack([r, g, b], -1).clip(0, 1) * 255).round().astype(np.uint8)


def _shape(pixel_format: str) -> tuple[int, int, int]:
    """(chroma columns, chroma rows, bits) from a name like ``yuv422p10le``."""
    match = re.fullmatch(r"yuvj?(420|422|444)p(?:(\d+)le)?|gray(?:(\d+)le)?", pixel_format)
    assert match, pixel_format
    across, down = {"420": (2, 2), "422": (2, 1)}.get(match[1] or "", (1, 1))
    return across, down, int(match[2] or match[3] or 8)


def _quantise(values: np.ndarray, chroma: bool, full: bool, bits: int) -> np.ndarray:
    one = 1 << (bits - 8)
    if full:
        levels = values * ((1 << bits) - 1) + ((1 << (bits - 1)) if chroma else 0)
    else:
        levels = values * one * (224 if chroma else 219) + one * (128 if chroma else 16)
    return levels.round().clip(0, (1 << bits) - 1).astype(np.uint16)


def _expand(levels: np.ndarray, chroma: bool, full: bool, bits: int) -> np.ndarray:
    one = 1 << (bits - 8)
    if full:
        return (levels - ((1 << (bits - 1)) if chroma else 0)) / ((1 << bits) - 1)
    return (levels - one * (128 if chroma else 16)) / (one * (224 if chroma else 219))


def _fill(plane: av.video.plane.VideoPlane, levels: np.ndarray, bits: int) -> None:
    samples = levels.astype("<u2" if bits > 8 else np.uint8)
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    rows[:, : samples.shape[1] * samples.itemsize] = samples.view(np.uint8)
    plane.update(rows)


def _samples(plane: av.video.plane.VideoPlane, bits: int) -> np.ndarray:
    kind = np.dtype("<u2" if bits > 8 else np.uint8)
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height, : plane.width].astype(float)
