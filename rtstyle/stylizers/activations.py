"""How much chosen layers see in a picture, and which way the picture has to go for them to see more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import LOGITS, Backbone
from rtstyle.stylizers.gatys_state import digest

# Pixels around a tile that its features are computed with. Of Inception v3's Mixed_6b no feature sees
# further: the gradient is the whole picture's to 1e-6 of its deviation. With 128 it is off by 2 %.
HALO = 192
_STRIDE = 32  # no layer halves the picture more often than five times
_PLACES = 1024  # of a guide that are compared with
_CHUNK = 4096  # places of the picture compared with a guide's at once
_NONE = 1e-12  # less than this of anything is nothing

# (rows, columns) of a part with its halo, and of its own: a partition of the picture.
Tile = tuple[tuple[slice, slice], tuple[slice, slice]]


@dataclass(frozen=True, slots=True)
class Target:
    """A layer, or one channel of it, and its share of the whole."""

    layer: str
    channel: int | None = None
    weight: float = 1.0
    named: str | None = None  # the channel, where it goes by the name of a class

    def __str__(self) -> str:
        channel = self.channel if self.named is None else self.named
        return self.layer if channel is None else f"{self.layer}:{channel}"


class Activations:
    """The mean square of the targets' features (of a class, its logit); beside a guide, how alike they are.

    With a guide each place is compared with the place of the guide that it is most like, by the dot
    product of their features ("guided dreams" of Mordvintsev et al. 2015).

    Several targets are balanced: what rises is the weighted sum of logarithms, so that a layer of
    large numbers does not drown the others. For one target the way up is the same.

    Args:
        guide: (3, h, w) in [0, 1].
        tile: about so many pixels a side of the parts that a large picture is seen in, each with `HALO`
            pixels around. None: the whole at once.

    Raises RtstyleError for a channel that a layer has not.
    """

    def __init__(
        self,
        backbone: Backbone,
        targets: Sequence[Target],
        guide: Tensor | None = None,
        tile: int | None = None,
    ) -> None:
        self._backbone, self._targets, self._tile = backbone, tuple(targets), tile
        self._shown_guide = guide
        self._guide: Mapping[str, Tensor] = {}
        # One forward pass at the smallest size tells how many channels there are.
        side = backbone.smallest
        with torch.no_grad():
            buffer = next(iter(backbone.state_dict().values()))
            found = backbone(torch.zeros(1, 3, side, side, device=buffer.device))
            if guide is not None:
                self._guide = {layer: _places(each) for layer, each in backbone(guide[None]).items()}
        for target in targets:
            count = found[target.layer].shape[1]
            if target.channel is not None and not 0 <= target.channel < count:
                raise RtstyleError(f"{target}: {target.layer} has channels 0 to {count - 1}")

    @property
    def layers(self) -> list[str]:
        """The targets by name, as ``Mixed_6b``, ``Mixed_6b:17`` or ``logits:cat``."""
        return [str(target) for target in self._targets]

    @property
    def smallest(self) -> int:
        """The shortest side in pixels that the layers take."""
        return self._backbone.smallest

    def measure(self) -> str:
        """A digest of what is measured with: the backbone's weights and the guide."""
        guide = [] if self._shown_guide is None else [self._shown_guide]
        return digest(*self._backbone.state_dict().values(), *guide)

    def rise(self, image: Tensor) -> tuple[float, Tensor]:
        """Mean activation (by the targets' weights) of an image (3, H, W), and its gradient, (3, H, W).

        The gradient's length means nothing. Raises RtstyleError for an image that is too small.
        """
        picture = image[None].contiguous(memory_format=torch.channels_last)
        if self._tile is None or max(image.shape[1:]) <= self._tile + HALO:
            return self._whole(picture)
        return self._tiled(picture)

    def _whole(self, picture: Tensor) -> tuple[float, Tensor]:
        picture = picture.detach().requires_grad_()
        found = self._backbone(picture)
        terms = [self._term(target, found[target.layer]).mean() for target in self._targets]
        values = torch.stack([term.detach() for term in terms])
        (gradient,) = torch.autograd.grad(self._sum(terms, values), picture)
        return self._mean(values), gradient[0]

    def _tiled(self, picture: Tensor) -> tuple[float, Tensor]:
        """As `_whole`, up to what a feature sees beyond the halo."""
        tiles = _tiles(picture.shape[2:], self._tile or 0)
        values = None
        if len(self._targets) > 1:  # their balance has to be known before
            with torch.no_grad():
                found = [self._own(picture[:, :, tile[0][0], tile[0][1]], tile) for tile in tiles]
            values = torch.stack([sums for sums, _ in found]).sum(0)
        total = torch.zeros(len(self._targets), device=picture.device)
        counts = torch.zeros_like(total)
        gradient = torch.zeros_like(picture)
        for tile in tiles:
            rows, columns = tile[0]
            part = picture[:, :, rows, columns].detach().requires_grad_()
            sums, count = self._own(part, tile)
            (rise,) = torch.autograd.grad(self._sum(sums.unbind(), values), part)
            gradient[:, :, rows, columns] += rise
            total += sums.detach()
            counts += count
        return self._mean(total / counts), gradient[0]

    def _own(self, part: Tensor, tile: Tile) -> tuple[Tensor, Tensor]:
        """For each target: the sum of its tile's own features, of a part (1, 3, h, w), and how many."""
        (rows, columns), (own_rows, own_columns) = tile
        found = self._backbone(part)
        sums, counts = [], []
        for target in self._targets:
            features = self._term(target, found[target.layer])
            stride = 2 ** round(math.log2(part.shape[2] / features.shape[2]))
            own = features[:, :, _slots(own_rows, rows, stride), _slots(own_columns, columns, stride)]
            sums.append(own.sum())
            counts.append(own.numel())
        return torch.stack(sums), torch.tensor(counts, device=part.device)

    def _term(self, target: Target, features: Tensor) -> Tensor:
        """What is to rise, at each place: (1, C, h, w)."""
        chosen = slice(None) if target.channel is None else slice(target.channel, target.channel + 1)
        features = features[:, chosen]
        if self._guide:
            return features * _nearest(features, self._guide[target.layer][chosen])
        # A class is seen the more, the higher its logit; it may be far below 0.
        return features if target.layer == LOGITS else features.square()

    def _sum(self, terms: Sequence[Tensor], values: Tensor | None) -> Tensor:
        if values is None:
            return terms[0]
        parts = zip(self._targets, terms, values, strict=True)
        return torch.stack(
            [target.weight * term / value.abs().clamp_min(_NONE) for target, term, value in parts]
        ).sum()

    def _mean(self, values: Tensor) -> float:
        weights = [target.weight for target in self._targets]
        return float(sum(w * float(v) for w, v in zip(weights, values, strict=True)) / sum(weights))


def _places(features: Tensor) -> Tensor:
    """(1, C, h, w) as (C, N), thinned out evenly to a number that can be compared with everywhere."""
    columns = features[0].flatten(1)
    return columns[:, :: -(-columns.shape[1] // _PLACES)]


@torch.no_grad()
def _nearest(features: Tensor, guide: Tensor) -> Tensor:
    """For each place of (1, C, h, w) the guide's column (C, N) with the largest dot product."""
    places = features[0].flatten(1)
    best = torch.cat([(guide.T @ part).argmax(0) for part in places.split(_CHUNK, dim=1)])
    return guide[:, best].view(features.shape)


def _tiles(size: Sequence[int], side: int) -> list[Tile]:
    axes: list[list[tuple[slice, slice]]] = []
    for length in size:
        count = max(1, round(length / side))
        step = -(-length // (count * _STRIDE)) * _STRIDE
        owned = [slice(begin, min(length, begin + step)) for begin in range(0, length, step)]
        axes.append([(slice(max(0, o.start - HALO), min(length, o.stop + HALO)), o) for o in owned])
    return [((down[0], across[0]), (down[1], across[1])) for down in axes[0] for across in axes[1]]


def _slots(own: slice, seen: slice, stride: int) -> slice:
    """Which of the features of a part are its own; the last part has all to the end."""
    begin = (own.start - seen.start) // stride
    return slice(begin, None if own.stop == seen.stop else (own.stop - seen.start) // stride)
