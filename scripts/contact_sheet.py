"""What does a whole clip look like? Frames spread over it, one row for each file."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torchvision.io import write_png
from torchvision.transforms.functional import resize

from rtstyle.media.video_file import VideoFileSource


def spread_frames(path: Path, columns: int, width: int) -> list[torch.Tensor]:
    """`columns` frames (3, h, width), evenly spread over a clip, from the middle of each part."""
    with VideoFileSource(path) as source:
        count = sum(1 for _ in source)
    wanted = {(2 * place + 1) * count // (2 * columns) for place in range(columns)}
    with VideoFileSource(path) as source:
        height = round(width * source.info.height / source.info.width / source.info.sample_aspect_ratio)
        return [
            resize(frame.image, [height, width], antialias=True)
            for number, frame in enumerate(source)
            if number in wanted
        ]


def contact_sheet(clips: list[Path], sheet: Path, columns: int = 6, width: int = 320) -> None:
    """One row of frames for each clip, white lines between."""
    rows = []
    for clip in clips:
        frames = spread_frames(clip, columns, width)
        gap = torch.full((3, frames[0].shape[1], 4), 255, dtype=torch.uint8)
        row = torch.cat([part for frame in frames for part in (frame, gap)][:-1], dim=2)
        rows += [row, torch.full((3, 4, row.shape[2]), 255, dtype=torch.uint8)]
    widest = max(row.shape[2] for row in rows)
    padded = [torch.nn.functional.pad(row, (0, widest - row.shape[2]), value=255) for row in rows[:-1]]
    sheet.parent.mkdir(parents=True, exist_ok=True)
    write_png(torch.cat(padded, dim=1), str(sheet))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--width", type=int, default=320)
    options = parser.parse_args()
    contact_sheet(options.clips, options.sheet, options.columns, options.width)
    print(options.sheet)
