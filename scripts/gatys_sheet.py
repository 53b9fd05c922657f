"""How does a painting by optimisation look beside the trained networks of the same style?

A row for each pair: photo, painting, `rtstyle gatys` as it comes and, as `rtstyle image` paints, the shipped
styles of that name. What was painted is kept in OUT.painted/ and taken from there the next time, so that a
sheet can be cut again.

    python scripts/gatys_sheet.py --photos DIR --paintings DIR --pairs city:starry_night,dog:the_scream \
        --backbone-weights vgg19=FILE --out sheet.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image
from torch import Tensor

from rtstyle.cli import main as rtstyle
from rtstyle.frame import Frame, to_bytes, to_float
from rtstyle.media.image_file import read_image
from rtstyle.media.image_formats import find_images
from rtstyle.media.sheet import draw_sheet, framed
from rtstyle.styles import list_styles
from rtstyle.stylizers.defaults import CANVAS
from rtstyle.stylizers.loading import load_stylizer
from rtstyle.stylizers.octaves import resized


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder")
    parser.add_argument("--paintings", type=Path, required=True, help="folder, named as the styles are")
    parser.add_argument("--pairs", required=True, help="PHOTO:PAINTING,... as their files begin")
    parser.add_argument("--backbone-weights", nargs="+", default=[], metavar="NAME=FILE", help="(fetched)")
    parser.add_argument("--out", type=Path, required=True, help=".png, or .jpg of quality 85")
    parser.add_argument("--size", type=int, default=512, help="longer side of a picture (512)")
    parser.add_argument("--steps", type=int, default=300, help="of each painting (300)")
    parser.add_argument("--tile", type=int, help="side of a picture in the sheet (the size)")
    options = parser.parse_args()
    painted = options.out.with_suffix(".painted")
    rows = [row_of(pair, painted, options) for pair in options.pairs.split(",")]
    Image.fromarray(draw_sheet(rows).permute(1, 2, 0).contiguous().numpy()).save(options.out, quality=85)
    print(options.out)
    return 0


def row_of(pair: str, painted: Path, options: argparse.Namespace) -> list[tuple[str, Tensor]]:
    """Labels and squares of one pair."""
    photo, painting = (
        find(folder, name)
        for folder, name in zip((options.photos, options.paintings), pair.split(":"), strict=True)
    )
    result = painted / f"{photo.stem}_{painting.stem}.png"
    if not result.exists():
        size = ["--size", str(options.size), "--steps", str(options.steps)]
        weights = ["--backbone-weights", *options.backbone_weights] if options.backbone_weights else []
        if rtstyle(["gatys", str(photo), str(painting), str(result), *size, *weights]):
            raise SystemExit(1)
    seen, style, made = (read_image(path).image for path in (photo, painting, result))
    small = to_bytes(resized(to_float(seen), (made.shape[1], made.shape[2])))
    row = [("photo", seen), (painting.stem.replace("_", " "), style), ("gatys", made)]
    for card in list_styles():
        if card.name in (painting.stem, f"{painting.stem}_johnson"):
            row.append((card.network, load_stylizer(card.name, canvas=CANVAS)(Frame(small)).image))
    side = options.tile or options.size
    return [(label, framed(image, side, side)) for label, image in row]


def find(folder: Path, name: str) -> Path:
    """The picture whose file begins so."""
    for path in find_images(folder):
        if path.stem.startswith(name):
            return path
    raise SystemExit(f"{folder} holds no picture whose name begins with '{name}'")


if __name__ == "__main__":
    sys.exit(main())
