"""What do the styles look like? One sheet: each row a photo, then the photo in every style.

python scripts/make_gallery.py PHOTO... SHEET.jpg --styles starry_night,NAME
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from rtstyle.api import load_stylizer
from rtstyle.frame import Frame
from rtstyle.media.image_file import Picture, read_image
from rtstyle.styles import list_styles

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


def make_gallery(photos: list[Path], styles: list[str], sheet: Path, width: int, height: int) -> None:
    stylizers = [load_stylizer(name) for name in styles]
    rows = len(photos)
    size = ((len(styles) + 1) * (width + GAP) - GAP, CAPTION + rows * (height + GAP) - GAP)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, name in enumerate(["photo", *styles]):
        draw.text((column * (width + GAP) + 2, 4), name, fill="black")
    for row, path in enumerate(photos):
        photo = tile(read_image(path), width, height)
        frame = Frame(torch.from_numpy(np.array(photo)).permute(2, 0, 1))
        views = [photo, *(to_image(stylizer(frame).image) for stylizer in stylizers)]
        for column, view in enumerate(views):
            canvas.paste(view, (column * (width + GAP), CAPTION + row * (height + GAP)))
    sheet.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(sheet, quality=88)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--styles", help="names, with commas (all)")
    parser.add_argument("--tile", default="480x320", help="size of one picture (480x320)")
    options = parser.parse_args()
    names = options.styles.split(",") if options.styles else [style.name for style in list_styles()]
    make_gallery(options.photos, names, options.sheet, *map(int, options.tile.split("x")))
    print(options.sheet)
