"""What a painted picture should show and how: named terms of its features (Gatys, Ecker, Bethge 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.perception.backbones import Backbone
from rtstyle.perception.losses import total_variation
from rtstyle.perception.masks import at_layer, inner
from rtstyle.perception.statistics import STATISTICS, Target
from rtstyle.perception.strips import visit_features

# The content's sum of squares, and for each region the sum of its mask and the statistic's summary.
_Measured = tuple[Tensor | None, list[tuple[Tensor, Target]]]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A style, and where it is wanted."""

    targets: Mapping[str, Target]  # layer -> statistic of the style picture
    mask: Tensor | None = None  # (1, 1, H, W), weight of each pixel, 0 to 1; None: everywhere


class GatysObjective:
    """Image (1, 3, H, W) to weighted terms, each a scalar; their sum is to go down (Gatys 2016, eq. 7).

    Errors are relative to their targets (see `losses`), so that one set of weights serves most styles.
    """

    def __init__(
        self,
        backbone: Backbone,
        photo: Tensor,
        regions: Sequence[Region],
        *,
        content: Mapping[str, float],
        style: Mapping[str, float],
        variation: float = 0.0,
        statistic: str = "gram",
        content_mask: Tensor | None = None,
        strip: int | None = None,
    ) -> None:
        """``backbone`` yields every layer of ``content`` and ``style`` (layer to weight); ``photo``:
        (1, 3, H, W) in [0, 1]; ``content_mask``: (1, 1, H, W), where the photo counts (None: everywhere);
        ``strip``: pixels to be measured at once (see `visit_features`), for less memory and more time.

        A region's style counts as much as it has of the picture, so that all pixels are pushed alike.
        """
        self.backbone, self.strip = backbone, strip
        self.content, self.style, self.variation = content, style, variation
        self._statistic = STATISTICS[statistic]
        self._targets = [region.targets for region in regions]
        self._shares = [1.0 if region.mask is None else float(region.mask.mean()) for region in regions]
        with torch.no_grad():
            seen = visit_features(backbone, photo, self._look, strip)
        sizes = {layer: (sum(rows for rows, *_ in parts), parts[0][1]) for layer, parts in seen.items()}
        self._wanted = {layer: torch.cat([part for *_, part in seen[layer]], dim=2) for layer in content}
        # Masks at each layer's own size, so that no step makes them again; less their edges, for half as much
        # of a style from 16 pixels outside its region on, and next to none past 32 (VGG19, 160 pixels).
        self._masks = {
            layer: [
                None if region.mask is None else inner(at_layer(region.mask, sizes[layer]))
                for region in regions
            ]
            for layer in style
        }
        self._content_masks = {
            layer: None if content_mask is None else at_layer(content_mask, sizes[layer]) for layer in content
        }
        # Mean square of what is wanted, weighted as the error is.
        self._sizes = {
            layer: _mean(wanted.square(), self._content_masks[layer]).clamp_min(
                torch.finfo(wanted.dtype).tiny
            )
            for layer, wanted in self._wanted.items()
        }

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        measured = visit_features(self.backbone, image, self._measure, self.strip)
        terms = {}
        for layer, weight in self.content.items():
            terms[f"content {layer}"] = weight * self._content_error(layer, measured[layer])
        for layer, weight in self.style.items():
            terms[f"style {layer}"] = weight * self._style_error(layer, measured[layer])
        terms["variation"] = self.variation * total_variation(image)
        return terms

    def _look(self, layer: str, features: Tensor, top: int, height: int) -> tuple[int, int, Tensor]:
        """Height and width of some rows of the photo's features; the rows where they are wanted."""
        kept = features.clone() if layer in self.content else features[:0]
        return features.shape[2], features.shape[3], kept

    def _measure(self, layer: str, features: Tensor, top: int, height: int) -> _Measured:
        """All that the errors need of some rows of a layer."""
        rows = slice(top, top + features.shape[2])
        squares = None
        if layer in self.content:
            squares = (features - self._wanted[layer][:, :, rows]).square()
            mask = self._content_masks[layer]
            squares = (squares if mask is None else squares * mask[:, :, rows]).sum()
        summaries = []
        edge = self.backbone.edge(layer)
        inside = without_edge(features, edge, top, height)
        for whole in self._masks.get(layer, ()) if inside.numel() else ():
            mask = None if whole is None else without_edge(whole[:, :, rows], edge, top, height)
            mass = features.new_full((), inside[0, 0].numel()) if mask is None else mask.sum()
            summaries.append((mass, self._statistic.summary(inside, mask)))
        return squares, summaries

    def _content_error(self, layer: str, parts: Sequence[_Measured]) -> Tensor:
        mask, wanted = self._content_masks[layer], self._wanted[layer]
        places = wanted[0, 0].numel() if mask is None else mask.sum()
        squares = torch.stack([own for own, _ in parts if own is not None]).sum()
        return squares / (places * wanted.shape[1] * self._sizes[layer])

    def _style_error(self, layer: str, parts: Sequence[_Measured]) -> Tensor:
        errors = []
        for place, share in enumerate(self._shares):
            masses, summaries = zip(*(each[place] for _, each in parts if each), strict=True)
            summary = summaries[0]
            if len(summaries) > 1:
                total = torch.stack(masses).sum().clamp_min(1e-6)
                summary = self._statistic.joined(summaries, [mass / total for mass in masses])
            errors.append(share * self._statistic.distance(summary, self._targets[place][layer]))
        return torch.stack(errors).sum()


def style_targets(
    backbone: Backbone,
    picture: Tensor,
    layers: Sequence[str],
    statistic: str = "gram",
    strip: int | None = None,
) -> dict[str, Target]:
    """Layer -> statistic of a style picture (1, 3, H, W) in [0, 1]; ``strip``: see `GatysObjective`."""
    chosen = STATISTICS[statistic]

    def measure(layer: str, features: Tensor, top: int, height: int) -> tuple[float, Target] | None:
        inside = without_edge(features, backbone.edge(layer), top, height)
        if layer not in layers or not inside.numel():
            return None
        return float(inside.shape[2]), chosen.summary(inside)

    with torch.no_grad():
        measured = visit_features(backbone, picture, measure, strip)
        targets = {}
        for layer in layers:
            rows, summaries = zip(*(part for part in measured[layer] if part is not None), strict=True)
            shares = [picture.new_tensor(own / sum(rows)) for own in rows]
            targets[layer] = chosen.target(chosen.joined(summaries, shares))
        return targets


def without_edge(features: Tensor, edge: int, top: int, height: int) -> Tensor:
    """Some rows, from ``top``, of a layer (B, C, height, W), less those of its outermost places.

    Style leaves those out that see the zeros beyond the picture, as far as the layer has an eighth of its
    side to spare: to match a painting without them drew a frame. But what is left out stays pale, so no
    more than needed is.
    """
    width = features.shape[3]
    edge = min(edge, height // 8, width // 8)
    return features[:, :, max(0, edge - top) : max(0, height - edge - top), edge : width - edge]


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Over all of (1, C, H, W), each place with its weight (1, 1, H, W)."""
    if mask is None:
        return values.mean()
    return (values * mask).sum() / (values.shape[1] * mask.sum().clamp_min(1e-6))
