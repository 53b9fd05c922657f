"""Half a style in two ways: mixed pixels, and weights mixed with those of a network that paints the photo.

    python scripts/compare_strength.py photo.jpg strength.jpg --content photos/

The second needs such a network, of the styles' family: it is trained here, from plain_strokes, to give back
what it sees (900 steps, some minutes of one core).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import torch
from torch import Tensor

from rtstyle.frame import to_bytes, to_packed
from rtstyle.mixing import interpolate
from rtstyle.networks import Network
from rtstyle.styles import load_style
from rtstyle.training.data import Photos, read_picture
from rtstyle.training.distil import difference
from rtstyle.training.schedule import rate_at

STYLES = ("starry_night", "mosaic_ducks", "composition_vii")
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
STEPS, RATE = 900, 2e-3
CROP, BATCH = 184, 4  # pixels; photos a step
WIDTH, HEIGHT = 320, 240  # pixels of one picture


def mirror(network: Network, photos: Photos) -> Network:
    """The network taught to paint the photo itself."""
    network.train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(RATE, step, STEPS)
        photo = photos[step]
        output = network(photo)
        optimizer.zero_grad()
        difference(output, photo).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            nearness = -10 * float((output.detach() - photo).square().mean().log10())
            print(f"step {step + 1} of {STEPS}: {nearness:.1f} dB", file=sys.stderr)
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def rows_of(network: Network, plain: Network, photo: Tensor) -> list[Tensor]:
    """Two rows of pictures, each uint8 (3, HEIGHT, 5 WIDTH): of pixels, of weights."""
    states = [network.state_dict(), plain.state_dict()]
    mixed = [interpolate(states, [share, 1 - share]) for share in SHARES]
    painted = network(photo[None])[0].clamp(0, 1)
    pixels = [share * painted + (1 - share) * photo for share in SHARES]
    weights = [torch.func.functional_call(network, each, photo[None])[0].clamp(0, 1) for each in mixed]
    cut = [[picture[:, :HEIGHT, :WIDTH] for picture in row] for row in (pixels, weights)]
    return [to_bytes(torch.cat(row, 2)) for row in cut]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--content", type=Path, required=True, help="folder of photos to learn from")
    options = parser.parse_args()
    photos = Photos(options.content, crop=CROP, batch=BATCH, seed=0)
    plain = mirror(load_style("plain_strokes")[1], photos)
    photo = read_picture(options.photo, HEIGHT + 16)
    rows = [row for name in STYLES for row in rows_of(load_style(name)[1], plain, photo)]
    cv2.imwrite(str(options.sheet), cv2.cvtColor(to_packed(torch.cat(rows, 1)), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
