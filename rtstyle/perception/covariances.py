"""Covariances as points of a space: how near two are (Bures and Wasserstein), what lies between several."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# Of the barycenter's iteration. VGG's layers settle in 5 to 10; where paintings of few pixels leave
# directions without energy it goes on for ever, by what nobody sees.
_ROUNDS = 20
_SETTLED = 1e-6  # relative change of the barycenter's covariance that ends it


def fidelity(covariance: Tensor, root: Tensor) -> Tensor:
    """``tr((R S R)^½)`` (B,) of covariances S (B, C, C) and the root R (1 or B, C, C) of another one.

    Differentiable in S only, with equal and zero eigenvalues too.
    """
    return _Fidelity.apply(covariance, root)


def barycenter(covariances: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The covariance (1, C, C) of the Wasserstein barycenter of centred Gaussians; weights sum to 1.

    Fixed-point iteration of Álvarez-Esteban et al. 2016, eq. 7. Their proof asks for one covariance
    of full rank; in directions no style uses, the pseudo-inverse leaves the barycenter at zero.
    """
    middle = weighted_sum(covariances, weights)
    for _ in range(_ROUNDS):
        values, vectors = torch.linalg.eigh(middle)
        roots = values.clamp_min(0).sqrt()
        inverse = torch.where(values > _floor(values), roots.reciprocal(), 0)
        root, inverse_root = _compose(roots, vectors), _compose(inverse, vectors)
        half = inverse_root @ weighted_sum([root_of(root @ each @ root) for each in covariances], weights)
        before, middle = middle, half @ half.transpose(1, 2)
        if (middle - before).norm() <= _SETTLED * before.norm():
            break
    return middle


class _Fidelity(torch.autograd.Function):
    """Backward is ``½ R M^-½ R`` with M = R S R, from the forward's eigenvectors.

    Derivatives through eigh itself divide by differences of eigenvalues and break where two are equal.
    M squares the range of a layer's eigenvalues, beyond what float32 holds, so it is made in float64.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, root: Tensor) -> Tensor:
        wide = root.double()
        values, vectors = torch.linalg.eigh(wide @ covariance.double() @ wide)
        floor = _floor(values)
        # No energy at all (a gray picture) has no direction to grow in: its gradient is zero.
        inverse = torch.where(floor > 0, values.maximum(floor).rsqrt(), 0)
        ctx.save_for_backward(0.5 * _compose(inverse, wide @ vectors))
        ctx.dtype = covariance.dtype
        # Rounding as small as 1e-16 has a root of 1e-8: it would show as noise between two calls.
        return torch.where(values > floor, values, 0).sqrt().sum(1).to(covariance.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return (gradient[:, None, None] * slope).to(ctx.dtype), None


def weighted_sum(parts: Sequence[Tensor], shares: Sequence[Tensor | float]) -> Tensor:
    """Of tensors of one shape."""
    return torch.stack([part * share for part, share in zip(parts, shares, strict=True)]).sum(0)


def root_of(matrices: Tensor) -> Tensor:
    """Symmetric square roots of positive semidefinite matrices (B, C, C)."""
    values, vectors = torch.linalg.eigh(matrices)
    return _compose(values.clamp_min(0).sqrt(), vectors)


def _compose(values: Tensor, vectors: Tensor) -> Tensor:
    return vectors * values[:, None] @ vectors.transpose(1, 2)


def _floor(values: Tensor) -> Tensor:
    """Below this, eigenvalues (B, C) in ascending order are rounding: (B, 1)."""
    return values[:, -1:].clamp_min(0) * (values.shape[1] * torch.finfo(values.dtype).eps)
