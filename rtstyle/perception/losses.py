"""Distances between pictures, as plain functions of a backbone's features.

Every error here is divided by the mean square of its target: it is 0 for a match, about 1 for a gray
picture, and does not depend on a layer's scale, so that one set of weights serves most styles.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def content_error(features: Tensor, target: Tensor) -> Tensor:
    """Relative squared error of features (B, C, H, W), a scalar (Gatys 2016, eq. 1, over the target).

    Each picture's error is relative to its own target, so that a batch may be split among processes.
    """
    errors = (features - target).square().flatten(1).mean(1)
    return (errors / _mean_square(target.flatten(1), 1)).mean()


def gram(features: Tensor) -> Tensor:
    """Gram matrix (B, C, C) of features (B, C, H, W): channel products averaged over the H·W places.

    Gatys 2016, eq. 3, with the place count divided out, so that pictures of different sizes compare.
    """
    rows = features.flatten(2)
    products: Tensor = _Products.apply(rows)  # type: ignore[no-untyped-call]
    return products / rows.shape[2]


def style_error(features: Tensor, target: Tensor) -> Tensor:
    """Relative squared error of the Gram matrices of features (B, C, H, W), a scalar.

    ``target``: Gram matrix (1 or B, C, C) of the style picture (Gatys 2016, eq. 4, relative to the target).
    """
    return gram_error(gram(features), target)


def gram_error(found: Tensor, target: Tensor) -> Tensor:
    """The same for a Gram matrix already made: (1 or B, C, C) against (1 or B, C, C), a scalar."""
    return (found - target).square().mean() / _mean_square(target)


def grid_error(image: Tensor, period: int = 8) -> Tensor:
    """What repeats every ``period`` pixels all over a picture: a network's own grid, no strokes.

    Mean square of what the mean of all cells differs by from a plain one, a scalar; image (B, 3, H, W) of a
    cell or more. Features at a half or a quarter of the size lie on grids of 2 and 4 pixels, which are of 8
    too. Strokes have next to no share in it: it is the power of 63 among all frequencies of a picture.
    """
    height, width = (side // period * period for side in image.shape[-2:])
    cells = F.pixel_unshuffle(image[..., :height, :width], period).mean((2, 3)).unflatten(1, (3, -1))
    return (cells - cells.mean(2, keepdim=True)).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean squared step from each pixel of (B, C, H, W) to its right and its lower neighbour, a scalar."""
    across = (image[..., :, 1:] - image[..., :, :-1]).square().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    return across + down


class _Products(torch.autograd.Function):
    """R Rᵀ of rows R (B, C, N), whose gradient is one product, (G + Gᵀ) R, where autograd makes two and adds
    them: a tenth of a training step, since shallow layers have many places."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return rows @ rows.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,), (gradient,) = ctx.saved_tensors, gradients
        # Under autocast the two may differ in type.
        return (gradient + gradient.transpose(1, 2)).to(rows.dtype) @ rows


def _mean_square(target: Tensor, axis: int | None = None) -> Tensor:
    return target.square().mean(axis).clamp_min(torch.finfo(target.dtype).tiny)
