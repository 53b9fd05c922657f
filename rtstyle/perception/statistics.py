"""What a layer keeps of a style: its features' Gram matrix, or the Gaussian that fits them.

As in `losses`, every error is relative to its target: 0 for a match, about 1 for a gray picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from rtstyle.perception.losses import gram, gram_error

Target = tuple[Tensor, ...]

_ROUNDS = 100  # of the barycenter's iteration; VGG's layers settle in 5 to 10
_SETTLED = 1e-6  # relative change of the barycenter's covariance that ends it


class Statistic(Protocol):
    """A summary of features (B, C, H, W) that forgets places.

    ``mask`` (1, 1, H, W), at the layer's own size, holds the weight of each place, 0 to 1. It is
    divided by its sum, so that a small region compares with a large one.
    """

    def measure(self, features: Tensor, mask: Tensor | None = None) -> Target:
        """The statistic of a style picture's features."""

    def error(self, features: Tensor, target: Target, mask: Tensor | None = None) -> Tensor:
        """Relative squared distance of features from the target, a scalar; differentiable."""

    def summary(self, features: Tensor, mask: Tensor | None = None) -> Target:
        """What the error needs of features, differentiable; that of a picture can be `joined` from strips."""

    def joined(self, summaries: Sequence[Target], shares: Sequence[Tensor]) -> Target:
        """The summary of a picture from those of its strips; shares: of the mask's sum (or of the places)."""

    def target(self, summary: Target) -> Target:
        """What `measure` gives for features with this summary."""

    def distance(self, summary: Target, target: Target) -> Tensor:
        """What `error` gives for features with this summary."""

    def mix(self, targets: Sequence[Target], weights: Sequence[float]) -> Target:
        """The statistic between several styles' ones. Weights are at least 0; only their ratios count."""


class Gram:
    """Gram matrix (B, C, C): Gatys 2016, eq. 3 and 4; with a mask the guided Gram of Gatys 2017.

    Their guidance channel T multiplies features and has unit square sum; here T² is the mask over its
    sum, so that masks that share a place between them count it once.
    """

    def measure(self, features: Tensor, mask: Tensor | None = None) -> Target:
        return self.summary(features, mask)

    def error(self, features: Tensor, target: Target, mask: Tensor | None = None) -> Tensor:
        return self.distance(self.summary(features, mask), target)

    def summary(self, features: Tensor, mask: Tensor | None = None) -> Target:
        if mask is None:
            return (gram(features),)
        return (gram(features * (_shares(mask) * mask.numel()).sqrt()),)

    def joined(self, summaries: Sequence[Target], shares: Sequence[Tensor]) -> Target:
        return (_weighted_sum([matrix for (matrix,) in summaries], shares),)

    def target(self, summary: Target) -> Target:
        return summary

    def distance(self, summary: Target, target: Target) -> Tensor:
        return gram_error(*summary, *target)

    def mix(self, targets: Sequence[Target], weights: Sequence[float]) -> Target:
        shares = _normalised(weights)
        return (_weighted_sum([matrix for (matrix,) in targets], shares),)


class Gaussian:
    """Mean (B, C) and square root (B, C, C) of the covariance of a layer's features.

    The error is the squared 2-Wasserstein distance of two Gaussians,
    ``|m1 − m2|² + tr(S1 + S2 − 2 (S2^½ S1 S2^½)^½)`` (Dowson and Landau 1982), over the target's mean
    square ``|m2|² + tr S2``.
    """

    def measure(self, features: Tensor, mask: Tensor | None = None) -> Target:
        return self.target(self.summary(features, mask))

    def error(self, features: Tensor, target: Target, mask: Tensor | None = None) -> Tensor:
        return self.distance(self.summary(features, mask), target)

    def summary(self, features: Tensor, mask: Tensor | None = None) -> Target:
        return _moments(features, mask)

    def joined(self, summaries: Sequence[Target], shares: Sequence[Tensor]) -> Target:
        mean = _weighted_sum([each for each, _ in summaries], shares)
        # Spread within the strips, and of their means about the whole's.
        apart = [(each - mean)[:, :, None] for each, _ in summaries]
        spreads = [
            spread + way @ way.transpose(1, 2) for way, (_, spread) in zip(apart, summaries, strict=True)
        ]
        return mean, _weighted_sum(spreads, shares)

    def target(self, summary: Target) -> Target:
        mean, covariance = summary
        return mean, _root(covariance.double()).to(mean.dtype)

    def distance(self, summary: Target, target: Target) -> Tensor:
        mean, covariance = summary
        target_mean, root = target
        spread = _trace(covariance) + root.square().sum((1, 2)) - 2 * fidelity(covariance, root)
        distance = (mean - target_mean).square().sum(1) + spread
        size = target_mean.square().sum(1) + root.square().sum((1, 2))
        return (distance / size.clamp_min(torch.finfo(size.dtype).tiny)).mean()

    def mix(self, targets: Sequence[Target], weights: Sequence[float]) -> Target:
        """The Wasserstein barycenter: means averaged, and the covariance nearest to all (`barycenter`)."""
        shares = _normalised(weights)
        mean = _weighted_sum([mean for mean, _ in targets], shares)
        roots = [root for (_, root), share in zip(targets, shares, strict=True) if share > 0]
        if len(roots) == 1:
            return mean, roots[0]
        covariances = [root.double() @ root.double() for root in roots]
        middle = barycenter(covariances, [share for share in shares if share > 0])
        return mean, _root(middle).to(mean.dtype)


STATISTICS: Mapping[str, Statistic] = {"gram": Gram(), "gaussian": Gaussian()}


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
    middle = _weighted_sum(covariances, weights)
    for _ in range(_ROUNDS):
        values, vectors = torch.linalg.eigh(middle)
        roots = values.clamp_min(0).sqrt()
        inverse = torch.where(values > _floor(values), roots.reciprocal(), 0)
        root, inverse_root = _compose(roots, vectors), _compose(inverse, vectors)
        half = inverse_root @ _weighted_sum([_root(root @ each @ root) for each in covariances], weights)
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


def _moments(features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean (B, C) and covariance (B, C, C) over the places, weighted by the mask."""
    rows = features.flatten(2)
    if mask is None:
        mean = rows.mean(2)
        centred = rows - mean[:, :, None]
        return mean, centred @ centred.transpose(1, 2) / rows.shape[2]
    shares = _shares(mask).flatten(2)
    mean = (rows * shares).sum(2)
    centred = (rows - mean[:, :, None]) * shares.sqrt()
    return mean, centred @ centred.transpose(1, 2)


def _shares(mask: Tensor) -> Tensor:
    return mask / mask.sum().clamp_min(torch.finfo(mask.dtype).tiny)


def _normalised(weights: Sequence[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


def _weighted_sum(parts: Sequence[Tensor], shares: Sequence[Tensor | float]) -> Tensor:
    return torch.stack([part * share for part, share in zip(parts, shares, strict=True)]).sum(0)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


def _root(matrices: Tensor) -> Tensor:
    """Symmetric square roots of positive semidefinite matrices (B, C, C)."""
    values, vectors = torch.linalg.eigh(matrices)
    return _compose(values.clamp_min(0).sqrt(), vectors)


def _compose(values: Tensor, vectors: Tensor) -> Tensor:
    return vectors * values[:, None] @ vectors.transpose(1, 2)


def _floor(values: Tensor) -> Tensor:
    """Below this, eigenvalues (B, C) in ascending order are rounding: (B, 1)."""
    return values[:, -1:].clamp_min(0) * (values.shape[1] * torch.finfo(values.dtype).eps)
