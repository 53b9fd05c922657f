"""A still set in motion without end: each frame dreams on the last one, moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.perception.colors import moments, with_moments

# What a dream adds to deviation and mean is taken back by so much a frame at most: a colour that has
# gone altogether is not blown up to noise.
_GAINS = (1 / 1.25, 1.25)


def moved(
    image: Tensor, zoom: float = 1.0, degrees: float = 0.0, shift: tuple[float, float] = (0, 0)
) -> Tensor:
    """(3, H, W) enlarged about its middle, turned counterclockwise, shifted by shares of width and height.

    Bicubic; what comes in from beyond the edges is the picture mirrored. Values stay in [0, 1].
    """
    height, width = image.shape[1:]
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    # From a place of the result to where it was, in units of half a width and half a height.
    aspect = height / width
    x, y = 2 * shift[0], 2 * shift[1]
    back = torch.tensor(
        [
            [cosine, -sine * aspect, -cosine * x + sine * aspect * y],
            [sine / aspect, cosine, -sine / aspect * x - cosine * y],
        ],
        device=image.device,
    )
    grid = F.affine_grid(back[None], [1, 3, height, width], align_corners=False)
    sampled = F.grid_sample(image[None], grid, "bicubic", padding_mode="reflection", align_corners=False)
    return sampled[0].clamp(0, 1)


def journey(
    photo: Tensor,
    first: Callable[[Tensor], Tensor],
    later: Callable[[Tensor], Tensor],
    move: Callable[[Tensor], Tensor],
) -> Iterator[Tensor]:
    """Frames (3, H, W) in [0, 1] without end: ``first(photo)``, then each ``later(move(last))``.

    Mean and deviation of each colour are led back to those of the first frame after each dream, so that a
    journey of any length drifts neither to white nor black nor one colour.
    """
    image = first(photo)
    first_moments = moments(image)
    while True:
        yield image
        image = with_moments(later(move(image)), first_moments, _GAINS).clamp(0, 1)


def looped(frames: Iterator[Tensor], count: int, fade: int) -> Iterator[Tensor]:
    """``count`` frames of an endless journey whose last goes over into their first.

    The last ``fade`` of them fade into the journey's first, which are left out at the beginning: what
    follows the last frame is the first one given.
    """
    head = [next(frames) for _ in range(fade)]
    for _ in range(count - fade):
        yield next(frames)
    for number, begin in enumerate(head, start=1):
        yield torch.lerp(next(frames), begin, number / (fade + 1))
