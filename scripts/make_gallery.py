"""What do the styles look like? One photo in all of them, or a row of photos and canvases for each.

python scripts/make_gallery.py PHOTO... SHEET.jpg --styles starry_night,NAME --canvas 0,0.5
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from rtstyle.frame import Frame
from rtstyle.media.image_file import read_image
from rtstyle.media.picture import Picture
from rtstyle.styles import list_styles
from rtstyle.stylizers.defaults import CANVAS
from rtstyle.stylizers.loading import load_stylizer

GAP = 6
CAPTION = 22


def to_image(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def tile(picture: Picture, width: int, height: int) -> Image.Image:
    """The middle of a picture at a fixed size."""
    image = to_image(picture.image)
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def make_gallery(
    photos: list[Path],
    styles: list[str],
    canvases: list[float],
    sheet: Path,
    width: int,
    height: int,
    columns: int,
    scale: float,
) -> None:
    """One photo on one canvas: a grid of it in every style, so many columns wide. Else a row a style."""
    frames = [tile(read_image(path), round(scale * width), round(scale * height)) for path in photos]
    named: list[tuple[str, Image.Image]] = []
    for name in ["photo", *styles]:
        stylizer = load_stylizer(name) if name != "photo" else None
        for place, (photo, canvas) in enumerate(product(frames, canvases)):
            if stylizer is not None:
                stylizer.canvas = canvas
            frame = Frame(torch.from_numpy(np.array(photo)).permute(2, 0, 1))
            view = to_image(stylizer(frame).image) if stylizer else photo
            caption = Path(name).stem if place == 0 else ""  # of a style's file its name
            if stylizer is not None and len(canvases) > 1:
                caption = f"{caption}   canvas {canvas:g}".strip()
            named.append((caption, view))
    a_style = len(photos) * len(canvases)
    across = columns if a_style == 1 else a_style
    rows = -(-len(named) // across)
    gallery = Image.new("RGB", (across * (width + GAP) - GAP, rows * (height + CAPTION + GAP) - GAP), "white")
    draw = ImageDraw.Draw(gallery)
    for place, (name, view) in enumerate(named):
        row, column = divmod(place, across)
        left, top = column * (width + GAP), row * (height + CAPTION + GAP)
        draw.text((left + 2, top + 4), name, fill="black", font_size=14)
        gallery.paste(view.resize((width, height), Image.Resampling.LANCZOS), (left, top + CAPTION))
    sheet.parent.mkdir(parents=True, exist_ok=True)
    gallery.save(sheet, quality=88)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--styles", help="names, with commas (all)")
    parser.add_argument("--canvas", default=str(CANVAS), help="or several, with commas (0.5)")
    parser.add_argument("--tile", default="480x320", help="size of one picture (480x320)")
    parser.add_argument("--columns", type=int, default=4, help="of the grid for one photo (4)")
    parser.add_argument("--scale", type=float, default=1.0, help="restyled so much larger, then reduced (1)")
    options = parser.parse_args()
    names = options.styles.split(",") if options.styles else [style.name for style in list_styles()]
    canvases = [float(canvas) for canvas in options.canvas.split(",")]
    size = map(int, options.tile.split("x"))
    make_gallery(options.photos, names, canvases, options.sheet, *size, options.columns, options.scale)
    print(options.sheet)
