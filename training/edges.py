"""What a network paints otherwise at the edges of a picture, for no reason but that it ends there."""

from collections.abc import Callable

import torch
from torch import Tensor

WIDTH = 16  # pixels: as wide as the dull frames are that networks paint


def edge_rows(restyle: Callable[[Tensor], Tensor], photo: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Colour and contrast at each depth from a picture's edge, and where the same pixels are no edge.

    ``photo`` and its restyled ``output``: (B, 3, H, W). The middle of the photo is restyled alone, the
    second is the middle of the output. Each is (2, 4, B, 3, depth): mean and deviation along each of the
    four sides, outermost pixels first, to a depth of twice `WIDTH` or less, corners left out.
    """
    margin = min(photo.shape[2:]) // 32 * 8  # about a quarter, on the grid of every network
    width = min(WIDTH, margin // 2)
    middle = [slice(margin, side - margin) for side in photo.shape[2:]]
    return _rows(restyle(photo[:, :, *middle]), width), _rows(output[:, :, *middle], width)


def edge_error(restyle: Callable[[Tensor], Tensor], photo: Tensor, output: Tensor) -> Tensor:
    """What edges change, a scalar; teaches them by the output, not the other way round.

    Mean squares, summed, of the change of contrast at each depth to `WIDTH`, and of colour to half of it.
    Of their means over the four sides: a frame has all, while what strokes happen to lie at one is no fault,
    and lowering that cost a style its contrast.

    No other term has an eye for a frame, as a Gram matrix knows no places. The temporal error makes one: what
    moves in from outside was painted by other surroundings, and is steadiest where nothing is painted.
    So it leaves the edges out (`motion.EDGE`), which alone is worse: what nothing asks for turns pale. Gram
    matrices without what sees the zeros that VGG adds cured some styles and not others. Colour further in,
    or at four times the weight, is a style's choice of light and dark, and was lost.
    """
    alone, within = edge_rows(restyle, photo, output.detach())
    colour, contrast = edge_changes(alone, within)
    return colour.mean(0).square().mean() + contrast.mean(0).square().mean()


def edge_changes(alone: Tensor, within: Tensor) -> tuple[Tensor, Tensor]:
    """The change of colour at each depth, (4, B, 3, half of WIDTH), and that of contrast, (4, B, 3, WIDTH).

    Less that of as many pixels further in, which tell what other statistics do to the whole. Of what
    `edge_rows` returns, or means of it.
    """
    colour, contrast = alone - within
    width = contrast.shape[-1] // 2
    return _beyond(colour, width // 2), _beyond(contrast, width)


def _beyond(change: Tensor, width: int) -> Tensor:
    return change[..., :width] - change[..., width : 2 * width].mean(-1, keepdim=True)


def _rows(image: Tensor, width: int) -> Tensor:
    """Mean and deviation along each side, (2, 4, B, 3, 2 * width)."""
    sides = (image, image.flip(2), image.mT, image.mT.flip(2))
    rows = [side[:, :, : 2 * width, width:-width] for side in sides]
    means = torch.stack([row.mean(3) for row in rows])
    # The square root has no slope at 0, where a row is of one colour.
    deviations = torch.stack([(row.var(3, unbiased=False) + 1e-6).sqrt() for row in rows])
    return torch.stack([means, deviations])
