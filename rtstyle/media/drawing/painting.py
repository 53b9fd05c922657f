"""Drawing with numpy: sheets of transparent colour, shapes by their distance, sheets laid on a picture."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray
Colour = tuple[float, float, float] | Array  # RGB in [0, 1], or (h, w, 3)


class Sheet:
    """A transparent rectangle to paint on.

    Coordinates are in units of the scene; ``scale`` is pixels a unit. ``x`` (1, w) and ``y`` (h, 1)
    are the centres of the pixels. ``rgba`` (h, w, 4) is float32, colour multiplied by coverage.
    """

    def __init__(self, left: float, top: float, right: float, bottom: float, scale: float) -> None:
        width, height = (max(1, math.ceil(side * scale)) for side in (right - left, bottom - top))
        self.left, self.top, self.scale = left, top, scale
        self.x = (left + (np.arange(width, dtype=np.float32) + 0.5) / scale)[None, :]
        self.y = (top + (np.arange(height, dtype=np.float32) + 0.5) / scale)[:, None]
        self.rgba = np.zeros((height, width, 4), np.float32)

    def fill(self, distance: Array, colour: Colour, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Paint where ``distance`` (units) is negative; the edge is a pixel or ``soft`` units wide."""
        coverage = np.clip(0.5 - distance / max(soft, 1 / self.scale), 0, 1) * opacity
        alpha = np.broadcast_to(coverage, self.rgba.shape[:2]).astype(np.float32)[:, :, None]
        self.rgba *= 1 - alpha
        self.rgba[:, :, :3] += alpha * np.asarray(colour, np.float32)
        self.rgba[:, :, 3:] += alpha

    def part(self, left: float, top: float, right: float, bottom: float) -> Sheet:
        """The pixels about a rectangle as a sheet of their own; painting it paints this one."""
        part = copy.copy(self)
        columns, rows = self._within(self.x[0], left, right), self._within(self.y[:, 0], top, bottom)
        part.x, part.y, part.rgba = self.x[:, columns], self.y[rows], self.rgba[rows, columns]
        return part

    @staticmethod
    def _within(centres: Array, low: float, high: float) -> slice:
        start, stop = np.searchsorted(centres, (low - 1, high + 1))
        return slice(int(start), int(stop))

    def noise(self, rng: np.random.Generator, cell: float, stretch: float = 1.0, octaves: int = 4) -> Array:
        """Smooth random values (h, w) about 0, deviation about 1; ``cell`` units wide, halved each octave."""
        height, width = self.rgba.shape[:2]
        if not height or not width:
            return np.zeros((height, width), np.float32)
        total = np.zeros((height, width), np.float32)
        for octave in range(octaves):
            side = max(1.0, cell * self.scale / 2**octave)
            grid = rng.standard_normal(
                (round(height / side) + 2, round(width / side / stretch) + 2), np.float32
            )
            total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
        return total


@dataclass(frozen=True)
class Motion:
    """Where a sheet is laid: sized and turned about a pivot, then moved; units, radians clockwise."""

    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)
    size: float = 1.0


def lay(picture: Array, sheet: Sheet, motion: Motion) -> None:
    """Lay a sheet over a float32 picture (3, H, W) in [0, 1], in place, at fractions of a pixel."""
    scale, (across, along) = sheet.scale, motion.pivot
    cosine, sine = motion.size * math.cos(motion.turn), motion.size * math.sin(motion.turn)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    start = turn @ [sheet.left - across, sheet.top - along] + [across + motion.right, along + motion.down]
    # Pixel centres are at halves in the scene and at whole numbers in OpenCV.
    offset = start * scale + turn @ [0.5, 0.5] - 0.5
    height, width = sheet.rgba.shape[:2]
    corners = turn @ np.array([[0, width, 0, width], [0, 0, height, height]]) + offset[:, None]
    low = np.maximum(np.floor(corners.min(axis=1)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (picture.shape[2], picture.shape[1]))
    size = high - low
    if size.min() <= 0:
        return
    matrix = np.column_stack([turn, offset - low])
    laid = cv2.warpAffine(sheet.rgba, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    *colours, coverage = cv2.split(laid)
    clear = 1 - coverage
    for plane, colour in zip(picture[:, low[1] : high[1], low[0] : high[0]], colours, strict=True):
        plane *= clear
        plane += colour


def ellipse(sheet: Sheet, x: float, y: float, across: float, down: float) -> Array:
    """Distance to an ellipse of those radii, exact near its edge."""
    dx, dy = (sheet.x - x) / across, (sheet.y - y) / down
    radius = np.hypot(dx, dy)
    steepness = np.hypot(dx / across, dy / down)
    return radius * (radius - 1) / np.maximum(steepness, 1e-6)


def stroke(sheet: Sheet, start: tuple[float, float], end: tuple[float, float], thick: float) -> Array:
    """Distance to a line with round ends, ``thick`` units wide."""
    ax, ay = start
    bx, by = end[0] - ax, end[1] - ay
    along = np.clip(((sheet.x - ax) * bx + (sheet.y - ay) * by) / (bx * bx + by * by), 0, 1)
    return np.hypot(sheet.x - ax - along * bx, sheet.y - ay - along * by) - thick / 2


def polygon(sheet: Sheet, *corners: tuple[float, float]) -> Array:
    """Distance to a convex polygon, corners clockwise on the screen."""
    sides = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = math.hypot(bx - ax, by - ay)
        sides.append(((by - ay) * (sheet.x - ax) - (bx - ax) * (sheet.y - ay)) / length)
    return np.maximum.reduce(np.broadcast_arrays(*sides))


def mix(low: Colour, high: Colour, share: Array) -> Array:
    """Between two colours, by a share in [0, 1] of shape (h, w)."""
    amount = np.clip(share, 0, 1)[:, :, None]
    return np.asarray(low, np.float32) * (1 - amount) + np.asarray(high, np.float32) * amount
