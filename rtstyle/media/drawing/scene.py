"""A landscape with a person before it, drawn by formulas: sky, balloons, hills, a windmill, lavender."""

from __future__ import annotations

import math

import numpy as np

from rtstyle.media.drawing.painting import Array, Motion, Sheet, ellipse, lay, mix, polygon, stroke
from rtstyle.media.drawing.portrait import Portrait

HIGH = 360.0  # units from top to bottom, whatever the size in pixels
HORIZON = 212.0
MARGIN = 24.0  # units drawn beyond each side, for the camera to pan into

CREAM, BRICK, ROOF, DARK = (0.97, 0.92, 0.80), (0.80, 0.55, 0.42), (0.80, 0.34, 0.20), (0.22, 0.17, 0.20)
BALLOONS = (  # place as a share of the width, height in units, size, two colours
    (0.43, 62.0, 1.0, (0.86, 0.20, 0.18), (0.98, 0.80, 0.25)),
    (0.12, 48.0, 0.7, (0.16, 0.36, 0.66), (0.95, 0.93, 0.88)),
    (0.90, 56.0, 0.55, (0.95, 0.55, 0.15), (0.35, 0.18, 0.45)),
)


class Scene:
    """The scene at any moment: ``draw(seconds)`` depends on the time alone."""

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        self.scale = height / HIGH
        self.wide = width / self.scale
        self.hub = (0.2 * self.wide, 122.0)  # of the windmill
        rng = np.random.default_rng(seed)
        self.sky = self._sky(width, height)
        self.clouds = self._clouds(rng)
        self.hills = self._hills(rng)
        self.village = self._village(rng)
        self.sails = self._sails()
        self.field = self._field(rng)
        self.balloons = [self._balloon(first, second) for *_, first, second in BALLOONS]
        self.portrait = Portrait(self.scale, rng)

    def draw(self, seconds: float) -> Array:
        """The picture at that time: uint8 (3, H, W), RGB."""
        pan = 15 * wave(seconds, 8)
        picture = self.sky.copy()
        lay(picture, self.clouds, Motion(-(6 * seconds % self.wide)))
        lay(picture, self.hills, Motion(0.25 * pan))
        for (place, down, size, *_), sheet in zip(BALLOONS, self.balloons, strict=True):
            bob = 9 * wave(seconds + 9 * place, 7)
            motion = Motion(
                place * self.wide + 0.3 * pan, down + bob, 0.06 * wave(seconds + place, 4), size=size
            )
            lay(picture, sheet, motion)
        for number in range(5):
            lay(picture, *self._bird(number, seconds))
        village = Motion(0.5 * pan)
        lay(picture, self.village, village)
        lay(picture, self.sails, Motion(village.right + self.hub[0], self.hub[1], turn=0.9 * seconds))
        lay(picture, self.field, Motion(pan))
        self.portrait.draw(picture, seconds, right=0.69 * self.wide + 1.3 * pan, down=186)
        # All colours and coverages are within [0, 1], so nothing needs clipping.
        picture *= 255
        picture += 0.5
        return picture.astype(np.uint8)

    def _across(self, top: float, bottom: float) -> Sheet:
        return Sheet(-MARGIN, top, self.wide + MARGIN, bottom, self.scale)

    def _sky(self, width: int, height: int) -> Array:
        """Float32 (3, H, W): what everything else is laid on."""
        sheet = Sheet(0, 0, width / self.scale, HIGH, self.scale)
        depth = sheet.y / HORIZON + 0 * sheet.x
        colours = mix((0.16, 0.36, 0.70), (0.55, 0.74, 0.90), depth * 1.6)
        colours = mix(colours, (1.0, 0.84, 0.62), depth * 1.9 - 0.9)
        sun = np.hypot(sheet.x - 0.36 * self.wide, sheet.y - 150)
        sheet.fill(sun - 1e6, mix(colours, (1.0, 0.93, 0.70), 0.95 * np.exp(-sun / 55)))
        sheet.fill(sun - 24, (1.0, 0.97, 0.82), soft=4)
        return np.ascontiguousarray(sheet.rgba[:height, :width, :3].transpose(2, 0, 1))

    def _clouds(self, rng: np.random.Generator) -> Sheet:
        """Two widths of sky, the second like the first, so that they drift by for ever."""
        sheet = Sheet(0, 0, 2 * self.wide, HORIZON, self.scale)
        for number in range(6):
            middle = (number + rng.uniform(0.2, 0.8)) / 6 * self.wide
            base, size = rng.uniform(60, 150), rng.uniform(0.6, 1.1)
            for part in range(9):
                away = (part - 4) * 11 * size + rng.uniform(-4, 4)
                radius = size * rng.uniform(9, 15) * (1.25 - abs(part - 4) / 5)
                for repeat in range(3):
                    x, y = middle + away + repeat * self.wide, base - 0.6 * radius
                    puff = sheet.part(x - 2 * radius, y - 2 * radius, x + 2 * radius, y + 2 * radius)
                    light = (base + 2 - puff.y) / (2.2 * radius) + 0 * puff.x
                    colours = mix((0.80, 0.76, 0.86), (1.0, 0.98, 0.94), light)
                    puff.fill(ellipse(puff, x, y, 1.5 * radius, radius), colours, 0.8, soft=0.5 * radius)
        return sheet

    def _hills(self, rng: np.random.Generator) -> Sheet:
        sheet = self._across(130, HORIZON + 30)
        for base, rise, colour in ((170, 26, (0.52, 0.60, 0.78)), (188, 17, (0.43, 0.57, 0.63))):
            ridge = base - rise * _ridge(sheet.x, rng)
            haze = (sheet.y - ridge) / 60 + 0.05 * sheet.noise(rng, 20)
            sheet.fill(ridge - sheet.y, mix(colour, (0.86, 0.82, 0.76), haze))
        return sheet

    def _village(self, rng: np.random.Generator) -> Sheet:
        """The near hill with its trees, house and windmill (the sails turn on a sheet of their own)."""
        sheet = self._across(90, HORIZON + 50)
        ridge = 196 - 9 * _ridge(sheet.x, rng)
        grass = 0.5 + 0.22 * sheet.noise(rng, 24, stretch=3) + 0.15 * np.sin(sheet.x / 3 + sheet.y)
        sheet.fill(ridge - sheet.y, mix((0.30, 0.47, 0.22), (0.66, 0.72, 0.34), grass))
        self._mill(sheet)
        for share in (0.02, 0.07, 0.31, 0.34, 0.50, 0.53, 0.565, 0.83, 0.88, 0.97):
            _tree(sheet, rng, share * self.wide, 208 + rng.uniform(-4, 4), rng.uniform(17, 25))
        self._house(sheet, 0.42 * self.wide)
        for share in (0.365, 0.385, 0.485):
            _cypress(sheet, rng, share * self.wide, 212, rng.uniform(48, 64))
        return sheet

    def _mill(self, sheet: Sheet) -> None:
        x, y = self.hub
        sheet = sheet.part(x - 25, y - 20, x + 25, 214)
        tower = polygon(sheet, (x - 13, y), (x + 13, y), (x + 21, 212), (x - 21, 212))
        bricks = 0.5 - (sheet.x - x) / 36 + 0.10 * np.sign(np.sin(sheet.y * 1.4) * np.sin(sheet.x * 0.9))
        sheet.fill(tower, mix((0.55, 0.33, 0.28), (0.96, 0.78, 0.60), bricks))
        sheet.fill(np.maximum(ellipse(sheet, x, y + 1, 16, 17), sheet.y - y - 2), (0.33, 0.22, 0.24))
        for down in (30, 55):
            sheet.fill(stroke(sheet, (x, y + down), (x, y + down + 5), 7), (0.20, 0.22, 0.32))

    def _sails(self) -> Sheet:
        sheet = Sheet(-58, -58, 58, 58, self.scale)
        for quarter in range(4):
            angle = quarter * math.pi / 2
            out, side = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
            at = [
                (u * out[0] + v * side[0], u * out[1] + v * side[1])
                for u, v in ((14, 1), (54, 1), (54, 13), (14, 10))
            ]
            sheet.fill(polygon(sheet, *at), CREAM, 0.92)
            along = sheet.x * out[0] + sheet.y * out[1]
            bars = np.maximum(polygon(sheet, *at), np.abs((along % 8) - 4) - 0.7)
            sheet.fill(bars, (0.62, 0.45, 0.34))
            sheet.fill(stroke(sheet, (0, 0), (55 * out[0], 55 * out[1]), 2.6), (0.36, 0.24, 0.20))
        sheet.fill(ellipse(sheet, 0, 0, 4, 4), DARK)
        return sheet

    def _house(self, sheet: Sheet, x: float) -> None:
        top, bottom = 178.0, 214.0
        sheet = sheet.part(x - 30, top - 30, x + 45, bottom)
        sheet.fill(polygon(sheet, (x - 22, top), (x + 14, top), (x + 14, bottom), (x - 22, bottom)), CREAM)
        sheet.fill(
            polygon(sheet, (x + 14, top), (x + 38, top), (x + 38, bottom), (x + 14, bottom)),
            (0.78, 0.70, 0.66),
        )
        sheet.fill(
            polygon(sheet, (x + 8, top - 26), (x + 15, top - 26), (x + 15, top - 6), (x + 8, top - 6)), BRICK
        )
        roof = polygon(sheet, (x - 20, top - 18), (x + 22, top - 18), (x + 42, top + 2), (x - 27, top + 2))
        tiles = 0.6 + 0.4 * np.sin(sheet.y * 1.5) * np.sin(sheet.x * 1.5)
        sheet.fill(roof, mix((0.62, 0.22, 0.15), ROOF, tiles))
        for left in (-16, -1):
            pane = polygon(sheet, (x + left, 188), (x + left + 9, 188), (x + left + 9, 199), (x + left, 199))
            sheet.fill(pane - 1.2, (0.99, 0.98, 0.95))
            sheet.fill(pane, (0.30, 0.42, 0.55))
            cross = np.minimum(np.abs(sheet.x - x - left - 4.5), np.abs(sheet.y - 193))
            sheet.fill(np.maximum(pane, cross - 0.5), (0.99, 0.98, 0.95))
        sheet.fill(
            polygon(sheet, (x + 21, 194), (x + 30, 194), (x + 30, bottom), (x + 21, bottom)),
            (0.22, 0.40, 0.42),
        )

    def _field(self, rng: np.random.Generator) -> Sheet:
        """Rows of lavender running to one point of the horizon."""
        sheet = self._across(HORIZON - 8, HIGH)
        edge = HORIZON + 3 * np.sin(sheet.x / 70)
        depth = np.maximum(sheet.y - HORIZON + 22, 1)
        rows = 0.5 + 0.5 * np.cos((sheet.x - 0.45 * self.wide) / depth * 9)
        rows = 0.55 + (rows - 0.55) * np.clip(depth / 50, 0.2, 1)
        petals, clumps = sheet.noise(rng, 3.5, octaves=2), sheet.noise(rng, 16)
        earth = mix((0.30, 0.42, 0.20), (0.62, 0.62, 0.32), 0.5 + 0.3 * petals)
        lavender = mix((0.30, 0.20, 0.52), (0.74, 0.56, 0.88), 0.5 + 0.26 * petals + 0.1 * clumps)
        near = (sheet.y - HORIZON) / (HIGH - HORIZON)
        sheet.fill(
            edge - sheet.y,
            mix(earth, lavender, (rows + 0.10 * clumps) * 2.2 - 0.6) * (1 - 0.25 * near)[:, :, None],
        )
        return sheet

    def _balloon(self, first: tuple[float, float, float], second: tuple[float, float, float]) -> Sheet:
        sheet = Sheet(-34, -36, 34, 58, self.scale)
        for side in (-1, 1):
            sheet.fill(stroke(sheet, (side * 11, 26), (side * 4, 46), 0.9), DARK)
        skirt = polygon(sheet, (-21, 18), (21, 18), (6, 36), (-6, 36))
        hull = np.minimum(ellipse(sheet, 0, 0, 30, 32), skirt)
        waist = np.sqrt(np.clip(1 - (sheet.y / 46) ** 2, 0.05, 1)) * 30
        around = np.arcsin(np.clip(sheet.x / waist, -1, 1))
        gores = np.clip(0.5 + 6 * np.sin(around * 6), 0, 1)
        light = np.clip(0.82 - 0.35 * sheet.x / 30 - 0.22 * sheet.y / 34, 0.35, 1.25)
        sheet.fill(hull, np.clip(mix(first, second, gores) * light[:, :, None], 0, 1))
        sheet.fill(polygon(sheet, (-5, 45), (5, 45), (4, 53), (-4, 53)), (0.50, 0.32, 0.18))
        return sheet

    def _bird(self, number: int, seconds: float) -> tuple[Sheet, Motion]:
        flap = 4 * wave(seconds + 0.13 * number, 0.7)
        sheet = Sheet(-9, -8, 9, 8, self.scale)
        for side in (-1, 1):
            sheet.fill(stroke(sheet, (0, 0), (side * 4, -2 - 0.4 * flap), 1.5), DARK)
            sheet.fill(stroke(sheet, (side * 4, -2 - 0.4 * flap), (side * 8, -flap), 1.1), DARK)
        along = (22 * seconds + 40 + 17 * abs(number - 2)) % (self.wide + 60) - 30
        return sheet, Motion(self.wide - along, 96 + 9 * number + 4 * wave(seconds, 3))


def wave(seconds: float, period: float) -> float:
    """A sine of that period, -1 to 1."""
    return math.sin(2 * math.pi * seconds / period)


def _ridge(x: Array, rng: np.random.Generator) -> Array:
    """The outline of hills, about -1 to 1."""
    waves = [(length, rng.uniform(0, 6.3), length / 150) for length in (170, 75, 31, 12)]
    total = np.zeros_like(x)
    for length, phase, size in waves:
        total += size / 1.4 * np.sin(2 * np.pi * x / length + phase)
    return total


def _tree(sheet: Sheet, rng: np.random.Generator, x: float, base: float, size: float) -> None:
    sheet = sheet.part(x - 1.2 * size, base - 2.2 * size, x + 1.2 * size, base)
    sheet.fill(stroke(sheet, (x, base - size), (x, base), 0.14 * size), (0.32, 0.22, 0.16))
    leaves = sheet.noise(rng, 3, octaves=2)
    for away, up, radius in ((-0.45, 0.8, 0.5), (0.45, 0.85, 0.5), (0, 1.1, 0.62), (-0.15, 1.5, 0.42)):
        middle = (x + away * size, base - up * size)
        crown = ellipse(sheet, *middle, radius * size, radius * size) + 0.9 * leaves
        light = 0.5 - (sheet.x - middle[0] + sheet.y - middle[1]) / (2.2 * radius * size) + 0.2 * leaves
        sheet.fill(crown, mix((0.12, 0.30, 0.17), (0.52, 0.64, 0.24), light))


def _cypress(sheet: Sheet, rng: np.random.Generator, x: float, base: float, height: float) -> None:
    sheet = sheet.part(x - 0.3 * height, base - 1.1 * height, x + 0.3 * height, base)
    leaves = sheet.noise(rng, 3, stretch=0.5, octaves=2)
    flame = ellipse(sheet, x, base - height / 2, 0.13 * height, height / 2) + 0.8 * leaves
    sheet.fill(flame, mix((0.07, 0.22, 0.17), (0.30, 0.46, 0.22), 0.4 - (sheet.x - x) / 12 + 0.25 * leaves))
