"""Labelled pictures in rows, as one picture: comparisons and figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from rtstyle.frame import to_bytes, to_float, to_packed

GAP = 8  # pixels
LINE = 20  # height of a line of a label
LETTERS = 15


def framed(picture: Tensor, height: int, width: int) -> Tensor:
    """uint8 (3, height, width): a picture (3, h, w), reduced where it has to be, in the middle of white."""
    tall, wide = picture.shape[1:]
    scale = min(1.0, height / tall, width / wide)
    tall, wide = max(1, round(tall * scale)), max(1, round(wide * scale))
    inside = F.interpolate(to_float(picture)[None], (tall, wide), mode="bicubic", antialias=True)[0]
    sheet = torch.full((3, height, width), 255, dtype=torch.uint8)
    top, left = (height - tall) // 2, (width - wide) // 2
    sheet[:, top : top + tall, left : left + wide] = to_bytes(inside)
    return sheet


def draw_sheet(rows: Sequence[Sequence[tuple[str, Tensor]]], title: str = "") -> Tensor:
    """uint8 (3, H, W): rows of (label, picture), the label above its picture, line by line.

    Pictures are uint8 (3, h, w), all of one size; rows may differ in length.
    """
    height, width = rows[0][0][1].shape[1:]
    font = ImageFont.load_default(LETTERS)
    labels = [line for row in rows for label, _ in row for line in label.split("\n")]
    lines = max(label.count("\n") + 1 for row in rows for label, _ in row)
    across = max(width, *(round(font.getlength(line)) + GAP for line in labels)) + GAP
    down = height + lines * LINE + GAP
    top = LINE + GAP if title else 0
    size = (GAP + across * max(map(len, rows)), top + GAP + down * len(rows))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, fill="black", font=font)
    for number, row in enumerate(rows):
        for place, (label, picture) in enumerate(row):
            left, upper = GAP + place * across, top + GAP + number * down
            draw.multiline_text((left, upper), label, fill="black", font=font, spacing=2)
            pixels = Image.fromarray(to_packed(picture))
            sheet.paste(pixels, (left, upper + lines * LINE))
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)
