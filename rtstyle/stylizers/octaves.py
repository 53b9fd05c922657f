"""A picture worked on at several sizes, small to large, with nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError

Size = tuple[int, int]  # height, width


def pyramid(size: Size, octaves: int, ratio: float, smallest: int = 1) -> list[Size]:
    """The sizes from small to large: ``round(side / ratio ** k)`` for k = octaves - 1 down to 0.

    Octaves with a side under ``smallest`` pixels are left out. Raises RtstyleError where ``size`` itself
    has one, for less than one octave, and for a ratio that does not shrink.
    """
    if octaves < 1:
        raise RtstyleError(f"{octaves} octaves; at least 1 is needed")
    if octaves > 1 and not ratio > 1:
        raise RtstyleError(f"an octave ratio of {ratio:g} does not shrink; it is above 1, such as 1.8")
    if min(size) < smallest:
        raise RtstyleError(
            f"a picture of {size[1]}x{size[0]} is too small: these layers take {smallest} pixels a side"
            " and more; enlarge it with --size, or choose shallower layers"
        )
    scaled = [(round(size[0] / ratio**k), round(size[1] / ratio**k)) for k in range(octaves - 1, -1, -1)]
    return [each for each in scaled if min(each) >= max(smallest, 1)]


def climb(
    photo: Tensor, sizes: Sequence[Size], work: Callable[[Tensor, Tensor, int], Tensor], wrap: bool = False
) -> Tensor:
    """The photo (3, H, W) in [0, 1] changed at each size in turn.

    ``work(image, photo of that size, index of the size)`` gives the changed image. What ``work`` adds at
    one size is enlarged and laid over the photo as it is at the next, so that the photo's own details,
    gone at small sizes, are all there at the last (Mordvintsev et al. 2015, "Inceptionism"). ``wrap``: as
    in `resized`.
    """
    added: Tensor | None = None
    image = photo
    for index, size in enumerate(sizes):
        base = resized(photo, size, wrap).clamp(0, 1)  # bicubic overshoots
        begin = base if added is None else (base + resized(added, size, wrap)).clamp(0, 1)
        image = work(begin, base, index)
        added = image - base
    return image


def resized(image: Tensor, size: Size, wrap: bool = False) -> Tensor:
    """(C, H, W) at another size, bicubic; reductions are filtered. The same tensor at its own size.

    With ``wrap`` the left edge goes on at the right one.
    """
    if image.shape[1:] == size:
        return image
    height, width = size
    if wrap:  # three times around: the seams then lie at whole pixels of any size
        image = torch.cat([image] * 3, dim=2)
        large = F.interpolate(image[None], (height, 3 * width), mode="bicubic", antialias=True)[0]
        return large[:, :, width : 2 * width]
    return F.interpolate(image[None], size, mode="bicubic", antialias=True)[0]
