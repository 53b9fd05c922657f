"""What a network paints otherwise at the edges of a picture, for no reason but that it ends there."""

from collections.abc import Callable

import torch
from torch import Tensor

WIDTH = 8  # pixels, as wide as the dull frames are that networks paint


def edge_change(restyle: Callable[[Tensor], Tensor], photo: Tensor, output: Tensor) -> Tensor:
    """The change of colour at each depth from the edge, (4, B, 3, WIDTH or fewer), outermost pixels first.

    ``photo`` and its restyled ``output``: (B, 3, H, W). The middle of the photo is restyled alone, and
    compared with the middle of the output, where the same pixels are no edge: the mean along each side, less
    that of as many pixels further in, which tell what other statistics do to the whole.
    """
    margin = min(photo.shape[2:]) // 32 * 8  # about a quarter, on the grid of every network
    width = min(WIDTH, margin // 2)
    middle = [slice(margin, side - margin) for side in photo.shape[2:]]
    change = restyle(photo[:, :, *middle]) - output[:, :, *middle]
    sides = (change, change.flip(2), change.mT, change.mT.flip(2))
    rows = [side[:, :, : 2 * width, width:-width].mean(3) for side in sides]
    return torch.stack([row[:, :, :width] - row[:, :, width:].mean(2, keepdim=True) for row in rows])


def edge_error(restyle: Callable[[Tensor], Tensor], photo: Tensor, output: Tensor) -> Tensor:
    """Mean square of `edge_change`, a scalar; teaches the edges by the output, not the other way round.

    Of its mean over the four sides: a frame has all, while what strokes happen to lie at one is no fault, and
    lowering that cost a style its contrast.

    No other term has an eye for a frame, as a Gram matrix knows no places. Leaving out of those what sees the
    zeros that VGG adds cured some styles and not others; leaving the edges out of the temporal error made a
    frame worse: what nothing asks for turns pale.
    """
    return edge_change(restyle, photo, output.detach()).mean(0).square().mean()
