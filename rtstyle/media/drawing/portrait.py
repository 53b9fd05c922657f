"""A person by formulas: turns the head, blinks, talks, looks about."""

from __future__ import annotations

import math

import numpy as np

from rtstyle.media.drawing.painting import Array, Motion, Sheet, ellipse, lay, mix, polygon, stroke

SKIN, SHADE, BLUSH = (0.99, 0.82, 0.69), (0.66, 0.39, 0.32), (0.92, 0.42, 0.38)
HAIR, SHINE = (0.16, 0.08, 0.07), (0.56, 0.29, 0.15)
LIPS, MOUTH, WHITE, IRIS = (0.76, 0.25, 0.27), (0.30, 0.07, 0.10), (0.98, 0.97, 0.95), (0.20, 0.42, 0.46)
NECK = (0.0, 72.0)  # the head turns about it; the middle of the face is at (0, 0)


class Portrait:
    """Head and shoulders, about 130 units wide and 290 high."""

    def __init__(self, scale: float, rng: np.random.Generator) -> None:
        self.scale = scale
        self.body = self._body(rng)
        self.hair = self._hair(rng)
        self.face = self._face()
        self.fringe = self._fringe(rng)

    def draw(self, picture: Array, seconds: float, right: float, down: float) -> None:
        """Draw the person onto a picture, the middle of the face about (right, down)."""
        sway, nod = _wave(seconds, 5), _wave(seconds, 2.3)
        turn = 0.055 * _wave(seconds + 0.6, 4)
        head = Motion(right + 7 * sway, down + 1.6 * nod, turn, NECK)
        lay(picture, self.hair, Motion(head.right, head.down, 0.6 * turn, NECK))
        lay(picture, self.body, Motion(right + 3.5 * sway, down + 0.5 * nod))
        lay(picture, self.face, head)
        lay(picture, self._features(seconds), head)
        lay(picture, self.fringe, head)

    def _features(self, seconds: float) -> Sheet:
        """Eyes, brows and mouth of one moment."""
        sheet = Sheet(-44, -38, 44, 58, self.scale)
        since_blink = (seconds + 0.9) % 2.7  # seconds
        opened = min(1.0, abs(since_blink - 0.09) / 0.09)
        gaze = (2.6 * _wave(seconds, 3.7), 0.9 * _wave(seconds, 5.1))
        talk = max(0.0, _wave(seconds, 0.41) * _wave(seconds + 0.3, 3.1))
        for side in (-1, 1):
            _eye(sheet, 21 * side, -3, opened, gaze)
            inner, peak, outer = ((10, -22), (22, -24.5), (34, -19))
            for start, end, thick in ((inner, peak, 4.0), (peak, outer, 3.0)):
                low, high = ((side * x, y - 3 * talk) for x, y in (start, end))
                sheet.fill(stroke(sheet, low, high, thick), HAIR, 0.9)
        _mouth(sheet, 0, 39, talk)
        return sheet

    def _face(self) -> Sheet:
        sheet = Sheet(-66, -72, 66, 78, self.scale)
        for side in (-1, 1):
            sheet.fill(ellipse(sheet, 50 * side, 6, 7, 12), SHADE)
        skull, jaw = ellipse(sheet, 0, -10, 50, 54), ellipse(sheet, 0, 13, 41, 51)
        outline = -np.log(np.exp(-skull / 5) + np.exp(-jaw / 5)) * 5  # one smooth shape of the two
        nx, ny = sheet.x / 58, sheet.y / 70
        light = -0.62 * nx - 0.34 * ny + 0.70 * np.sqrt(np.clip(1 - nx**2 - ny**2, 0, 1))
        sheet.fill(outline, mix(SHADE, SKIN, 0.30 + 0.85 * light))
        for side in (-1, 1):
            sheet.fill(ellipse(sheet, 27 * side, 19, 11, 8), BLUSH, 0.33, soft=14)
            sheet.fill(ellipse(sheet, 21 * side, -5, 15, 9), SHADE, 0.28, soft=9)
        sheet.fill(stroke(sheet, (5, -12), (8, 14), 5), SHADE, 0.45, soft=6)
        sheet.fill(stroke(sheet, (-1, -10), (-1, 14), 4), (1.0, 0.93, 0.84), 0.75, soft=5)
        sheet.fill(ellipse(sheet, 1, 19, 10, 4.5), SHADE, 0.55, soft=5)
        sheet.fill(ellipse(sheet, -1, 15, 6, 5.5), (1.0, 0.88, 0.78), 0.8, soft=5)
        for side in (-1, 1):
            sheet.fill(ellipse(sheet, 4.6 * side, 20.5, 2.2, 1.3), (0.42, 0.18, 0.16), 0.8)
        sheet.fill(ellipse(sheet, 1, 51, 12, 3), SHADE, 0.35, soft=5)
        return sheet

    def _hair(self, rng: np.random.Generator) -> Sheet:
        sheet = Sheet(-92, -92, 92, 130, self.scale)
        shape = ellipse(sheet, 0, -12, 64, 70)
        for side in (-1, 1):
            for start, end, thick in (((46, -5), (58, 60), 36.0), ((56, 50), (50, 104), 34.0)):
                lock = stroke(sheet, (start[0] * side, start[1]), (end[0] * side, end[1]), thick)
                shape = np.minimum(shape, lock)
        strands = sheet.noise(rng, 14, stretch=0.5)
        sheet.fill(shape + 1.2 * strands, _strands(sheet, strands, 0.45))
        return sheet

    def _fringe(self, rng: np.random.Generator) -> Sheet:
        sheet = Sheet(-70, -90, 70, 40, self.scale)
        cap = ellipse(sheet, 0, -12, 59, 66)
        parted = np.minimum(ellipse(sheet, -26, 24, 34, 60), ellipse(sheet, 20, 22, 46, 70))
        forehead = np.minimum(parted, polygon(sheet, (-44, 10), (44, 10), (44, 60), (-44, 60)))
        strands = sheet.noise(rng, 12)
        sheet.fill(np.maximum(cap, -forehead) + 0.6 * strands, _strands(sheet, strands, 0.70))
        return sheet

    def _body(self, rng: np.random.Generator) -> Sheet:
        sheet = Sheet(-150, 40, 150, 215, self.scale)
        sheet.fill(stroke(sheet, (0, 45), (0, 100), 42), SHADE)
        wool = 0.45 - sheet.x / 260 + 0.16 * np.sin(sheet.y * 1.3 + 2.5 * np.abs(np.sin(sheet.x / 4)))
        shoulders = np.minimum(ellipse(sheet, 0, 200, 128, 100), stroke(sheet, (-62, 140), (62, 140), 62))
        sheet.fill(
            shoulders + 0.5 * sheet.noise(rng, 4, octaves=2),
            mix((0.03, 0.22, 0.30), (0.16, 0.60, 0.60), wool),
        )
        stripes = np.clip(0.5 + 4 * np.sin((sheet.y + 0.35 * sheet.x) * 0.55), 0, 1)
        folds = np.clip(0.85 - sheet.x / 130 + 0.10 * sheet.noise(rng, 9), 0.3, 1.15)[:, :, None]
        scarf = np.clip(mix((0.83, 0.16, 0.14), (0.98, 0.86, 0.66), stripes) * folds, 0, 1)
        sheet.fill(stroke(sheet, (26, 104), (36, 176), 30), scarf * 0.86)
        sheet.fill(ellipse(sheet, 0, 92, 52, 24), scarf)
        sheet.fill(ellipse(sheet, 0, 76, 32, 11), (0.45, 0.07, 0.08), 0.85, soft=6)
        sheet.fill(ellipse(sheet, 0, 64, 21, 22), SHADE, soft=2)
        return sheet


def _eye(sheet: Sheet, x: float, y: float, opened: float, gaze: tuple[float, float]) -> None:
    sheet = sheet.part(x - 18, y - 16, x + 18, y + 12)
    lid = max(0.8, 6.4 * opened)
    almond = ellipse(sheet, x, y, 12.5, lid)
    sheet.fill(np.maximum(np.abs(ellipse(sheet, x, y, 14.5, lid + 4)) - 0.7, sheet.y - y + 2), SHADE, 0.6)
    sheet.fill(almond, WHITE)
    ball = (x + gaze[0], y + gaze[1] - 0.5)
    sheet.fill(np.maximum(ellipse(sheet, *ball, 6.2, 6.2), almond), IRIS)
    sheet.fill(np.maximum(ellipse(sheet, *ball, 3.0, 3.0), almond), (0.05, 0.04, 0.06))
    sheet.fill(np.maximum(ellipse(sheet, ball[0] - 2, ball[1] - 2.2, 1.5, 1.5), almond), (1.0, 1.0, 1.0))
    ends = np.abs(sheet.x - x) - 13.5  # the distance to a very flat ellipse is only good near it
    sheet.fill(np.maximum(np.maximum(np.abs(almond) - 1.2, sheet.y - y - 1), ends), HAIR)
    sheet.fill(np.maximum(np.maximum(np.abs(almond) - 0.5, y - sheet.y), ends), SHADE, 0.7)


def _mouth(sheet: Sheet, x: float, y: float, talk: float) -> None:
    """Closed it smiles; ``talk`` in [0, 1] opens it."""
    sheet = sheet.part(x - 22, y - 14, x + 22, y + 16)
    bend = y - 0.017 * (sheet.x - x) ** 2  # corners higher than the middle
    bent = sheet.y - bend - 2
    half = 19 - 3 * talk
    across = (sheet.x - x) / half
    profile = np.sqrt(np.clip(1 - across**2, 0, 1))
    ends = np.abs(sheet.x - x) - half
    lips = np.maximum(bent - (4.6 + 6 * talk) * profile, -bent - 4.0 * profile)
    sheet.fill(np.maximum(lips, ends), LIPS)
    opening = np.maximum(bent - 6.2 * talk * profile - 0.4, -bent - 1.0 * talk * profile - 0.4)
    opening = np.maximum(opening, ends + 1.5)
    sheet.fill(opening, MOUTH)
    sheet.fill(np.maximum(opening + 0.8, bent - 3.0 * talk), WHITE, 0.95 * min(1.0, 4 * talk))
    sheet.fill(ellipse(sheet, x - 3, y + 5 + 5 * talk, 6, 1.2), (0.95, 0.62, 0.60), 0.6, soft=2)


def _strands(sheet: Sheet, strands: Array, light: float) -> Array:
    """Colours of hair: lines falling from the crown, lit from the left."""
    around = np.arctan2(sheet.x, sheet.y + 92)
    lines = 0.5 + 0.3 * np.sin(46 * around + 0.9 * strands) + 0.2 * np.sin(83 * around + 1.7 * strands)
    return mix(HAIR, SHINE, lines * np.clip(light - sheet.x / 110 - sheet.y / 400, 0.2, 1.3))


def _wave(seconds: float, period: float) -> float:
    return math.sin(2 * math.pi * seconds / period)
