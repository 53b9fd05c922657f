"""What a network in training paints now: a listener that rewrites a sheet of pictures (PNG)."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from rtstyle.frame import to_bytes, to_float
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.perception.flow import warp
from rtstyle.training.motion import Views, two_views
from rtstyle.training.plot import save_drawing
from rtstyle.training.train import Step

SHOWN = 2  # photos
FACE = (slice(80, 320), slice(160, 480))  # of the drawn scene at 480x360
WIDTH, HEIGHT = 320, 240  # pixels of one picture
GAP, HEADING = 6, 26
LOUDER = 4  # the difference is shown so many times larger
NOISE = 0.01  # standard deviation, of the camera in the second view
COLUMNS = ("input", "restyled", "restyled second view", f"difference x{LOUDER}")
ROWS = ("moved", "moved", "still, noise alone")


def drawn_face() -> Tensor:
    """A person for whoever has none at hand, (3, HEIGHT, WIDTH) in [0, 1]."""
    scene = next(iter(SyntheticSource(480, 360, seconds=1)))
    return to_float(scene.image[:, *FACE])


class Preview:
    """Every ``every`` steps, and after the last, shows two photos and their second views, restyled.

    The third row is the first photo again, not moved: its difference is flicker.
    """

    def __init__(self, path: Path, photos: Sequence[Tensor], every: int) -> None:
        """``photos``: ``SHOWN``, (3, H, W) in [0, 1]; their middle is shown."""
        self.path, self.every = path, every
        first, second = (_middle(photo) for photo in photos)
        random = torch.Generator().manual_seed(0)
        still = two_views(first, NOISE, random, exposure=0.0, still=1.0)
        moved = [two_views(photo, NOISE, random, exposure=0.0, still=0.0) for photo in (first, second)]
        self._views = [*moved, still]

    def __call__(self, step: Step) -> None:
        """Raises RtstyleError when the sheet cannot be written."""
        if step.number % self.every == 0 or step.number == step.of:
            groups = ", ".join(f"{name} {value:.3f}" for name, value in step.groups().items())
            device = next(step.network.parameters()).device
            rows = [_row(step.network, views, device) for views in self._views]
            save_drawing(self.path, _sheet(rows, f"step {step.number} of {step.of}: {groups}"))


@torch.no_grad()
def _row(network: torch.nn.Module, views: Views, device: torch.device) -> list[Tensor]:
    """The four pictures of a row, uint8 (3, HEIGHT, WIDTH)."""
    both = network(torch.cat([views.first, views.second]).to(device)).cpu().clamp(0, 1)
    first, second = both.chunk(2)
    difference = (second - warp(first, views.flow)).abs() * views.visible * LOUDER
    return [to_bytes(picture[0]) for picture in (views.first, first, second, difference)]


def _sheet(rows: list[list[Tensor]], title: str) -> Image.Image:
    across = len(COLUMNS) * (WIDTH + GAP) + GAP
    sheet = Image.new("RGB", (across, 2 * HEADING + len(rows) * (HEIGHT + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    draw.text((GAP, HEADING / 2), title, fill="black", font=font, anchor="lm")
    for column, heading in enumerate(COLUMNS):
        place = (GAP + column * (WIDTH + GAP), HEADING * 1.5)
        draw.text(place, heading, fill="black", font=font, anchor="lm")
    for number, row in enumerate(rows):
        top = 2 * HEADING + number * (HEIGHT + GAP)
        for column, picture in enumerate(row):
            rows_first = Image.fromarray(picture.permute(1, 2, 0).numpy())
            sheet.paste(rows_first, (GAP + column * (WIDTH + GAP), top))
        place = (across - GAP - 8, top + 8)
        draw.text(
            place, ROWS[number], fill="white", font=font, anchor="rt", stroke_width=2, stroke_fill="black"
        )
    return sheet


def _middle(photo: Tensor) -> Tensor:
    """The photo filling one picture of the sheet, its overhang cut off: (1, 3, HEIGHT, WIDTH)."""
    height, width = photo.shape[1:]
    scale = max(HEIGHT / height, WIDTH / width)
    size = (max(WIDTH, round(width * scale)), max(HEIGHT, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    filled = cv2.resize(photo.permute(1, 2, 0).contiguous().numpy(), size, interpolation=way)
    top, left = (size[1] - HEIGHT) // 2, (size[0] - WIDTH) // 2
    cut = filled[top : top + HEIGHT, left : left + WIDTH]
    return torch.from_numpy(cut.copy()).permute(2, 0, 1)[None].clamp(0, 1)
