"""What a layer keeps of a style: its features' Gram matrix, or the Gaussian that fits them.

As in `losses`, every error is relative to its target: 0 for a match, about 1 for a gray picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from rtstyle.perception.covariances import barycenter, fidelity, root_of, weighted_sum
from rtstyle.perception.losses import gram_error

Target = tuple[Tensor, ...]


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
        if mask is not None:
            features = features * (_shares(mask) * mask.numel()).sqrt()
        return (_Gram.apply(features),)

    def joined(self, summaries: Sequence[Target], shares: Sequence[Tensor]) -> Target:
        return (weighted_sum([matrix for (matrix,) in summaries], shares),)

    def target(self, summary: Target) -> Target:
        return summary

    def distance(self, summary: Target, target: Target) -> Tensor:
        return gram_error(*summary, *target)

    def mix(self, targets: Sequence[Target], weights: Sequence[float]) -> Target:
        shares = _normalised(weights)
        return (weighted_sum([matrix for (matrix,) in targets], shares),)


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
        mean = weighted_sum([each for each, _ in summaries], shares)
        # Spread within the strips, and of their means about the whole's.
        apart = [(each - mean)[:, :, None] for each, _ in summaries]
        spreads = [
            spread + way @ way.transpose(1, 2) for way, (_, spread) in zip(apart, summaries, strict=True)
        ]
        return mean, weighted_sum(spreads, shares)

    def target(self, summary: Target) -> Target:
        mean, covariance = summary
        return mean, root_of(covariance.double()).to(mean.dtype)

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
        mean = weighted_sum([mean for mean, _ in targets], shares)
        roots = [root for (_, root), share in zip(targets, shares, strict=True) if share > 0]
        if len(roots) == 1:
            return mean, roots[0]
        covariances = [root.double() @ root.double() for root in roots]
        middle = barycenter(covariances, [share for share in shares if share > 0])
        return mean, root_of(middle).to(mean.dtype)


STATISTICS: Mapping[str, Statistic] = {"gram": Gram(), "gaussian": Gaussian()}


class _Gram(torch.autograd.Function):
    """`losses.gram`, in the order that channels-last features lie in memory, with one product going back.

    By itself autograd takes two, one for each side of rows times rows; with the transposed copies that
    features without their edges cost, a step with VGG19 to relu3_4 took 6 % longer.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        rows = features.permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C)
        ctx.save_for_backward(rows)
        ctx.shape = features.shape
        return rows.mT @ rows / rows.shape[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        batch, channels, height, width = ctx.shape
        slope = (gradient + gradient.mT) / rows.shape[1]
        return (rows @ slope).view(batch, height, width, channels).permute(0, 3, 1, 2)


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


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)
