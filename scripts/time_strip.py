"""How steady is a style? Frames restyled, with what changed between neighbours beyond motion.

For the clip itself and each style two rows: frames, and four times the difference of each frame to the
one before it, carried along by the optical flow of the input (gray where that frame could not know).

    python scripts/time_strip.py CLIP|PHOTO SHEET.png --styles starry_night,NAME

A photo is moved by known motion, each time another.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch

from rtstyle.media.image_formats import is_readable_name
from rtstyle.perception.flow import warp
from rtstyle.styles import load_style
from rtstyle.training.data import read_picture
from rtstyle.training.steadiness import Pair, Restyle, clip_pairs, known_motion_pairs

GAIN = 4


@torch.inference_mode()
def strip(pairs: list[Pair], restyle: Restyle) -> torch.Tensor:
    """(3, 2 H, N W): the later frame of each pair, and below it the amplified difference."""
    columns = []
    for pair in pairs:
        later, earlier = restyle(pair.target), restyle(pair.source)
        difference = ((later - warp(earlier, pair.flow)) * GAIN).abs()
        columns.append(torch.cat([later, difference.where(pair.visible, 0.5)], dim=2)[0])
    return torch.cat(columns, dim=2).clamp(0, 1)


def pairs_of(path: Path, count: int, height: int) -> Iterable[Pair]:
    if is_readable_name(path):
        return known_motion_pairs([read_picture(path, height)] * count)
    return clip_pairs(path, count, size=(None, height))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a clip or a photo")
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--styles", default="starry_night", help="names or files, with commas")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--height", type=int, default=360, help="of the frames (360)")
    options = parser.parse_args()
    pairs = list(pairs_of(options.source, options.pairs, options.height))
    rows = [strip(pairs, lambda image: image)]
    for name in options.styles.split(","):
        _, network = load_style(name)
        rows.append(strip(pairs, lambda image, n=network: n(image).clamp(0, 1)))
    picture = torch.cat(rows, dim=1).permute(1, 2, 0).mul(255).round().byte().numpy()
    cv2.imwrite(str(options.sheet), np.ascontiguousarray(picture[..., ::-1]))
    print(options.sheet)


if __name__ == "__main__":
    main()
