"""What ``rtstyle gatys`` paints from: photo, paintings, masks, the first image, read and checked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import Picture, read_image
from rtstyle.perception.colors import luma, match_covariance, match_histogram, with_colors_of
from rtstyle.perception.masks import at_layer, find_regions
from rtstyle.stylizers.defaults import PAINT_SIZE
from rtstyle.stylizers.gatys import Plan, Size, Style, make_plan, resized
from rtstyle.stylizers.gatys import fit as fit_size

# What becomes of the paintings' colours before they are measured.
MATCHES = {"match": match_covariance, "histogram": match_histogram}


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Everything a painting is made from, beside its layers and weights."""

    picture: Picture  # the photo as read
    photo: Tensor  # (3, H, W) in [0, 1]
    styles: list[Style]
    plan: Plan
    kept: Tensor | None  # (1, 1, H, W), 1 where the photo stays
    content_mask: Tensor | None  # (1, 1, H, W)
    init: Tensor | None  # (3, h, w); None: the photo
    colors: str

    def finished(self, result: Tensor) -> Picture:
        """The result (3, H, W) in [0, 1] with the colours asked for, and what the photo's file carried."""
        result = result.cpu()
        if self.colors == "photo":
            result = with_colors_of(result, self.photo.cpu())
        alpha = self.picture.alpha
        if alpha is not None and alpha.shape != result.shape[1:]:
            opaque = to_float(alpha)[None, None]
            alpha = to_bytes(resized(opaque, _size(result))[0, 0], alpha.dtype)
        return replace(self.picture, image=to_bytes(result, self.picture.image.dtype), alpha=alpha)


def read_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Raises RtstyleError in one line for what does not go together."""
    picture = read_image(options.content)
    photo = to_float(picture.image)
    longest = options.size or min(PAINT_SIZE, max(photo.shape[1:]))
    size = fit_size(_size(photo), longest)
    plan = make_plan(size, options.steps, options.scales)
    paintings = [to_float(read_image(path).image) for path in options.styles]
    if options.colors in MATCHES:
        paintings = [MATCHES[options.colors](painting, photo) for painting in paintings]
    weights = options.style_weights
    if weights is not None and len(weights) != len(paintings):
        raise RtstyleError(f"{len(weights)} --style-weights for {len(paintings)} styles; give one each")
    if weights is not None and options.mask:
        raise RtstyleError("--style-weights mix styles, --mask gives each a region of its own; choose one")
    kept: Tensor | None = None
    masks: Sequence[Tensor | None] = [None]
    if options.mask:
        kept, masks = _regions(read_image(options.mask).image, size, options.mask, len(paintings))
    groups = [[painting] for painting in paintings] if options.mask else [paintings]
    shares = weights or [1.0] * len(paintings)
    styles = [
        Style(
            [one.to(device) for one in group],
            [1.0] if options.mask else shares,
            None if mask is None else mask.to(device),
        )
        for group, mask in zip(groups, masks, strict=True)
    ]
    return Inputs(
        picture=picture,
        photo=photo.to(device),
        styles=styles,
        plan=plan,
        kept=None if kept is None else kept.to(device),
        content_mask=_content_mask(options.content_mask, size, device),
        init=_init(options.init, plan, options.seed, device),
        colors=options.colors,
    )


def _regions(
    mask: Tensor, size: Size, name: Path, styles: int
) -> tuple[Tensor | None, Sequence[Tensor | None]]:
    """What stays photo, and one mask (1, 1, H, W) a style, dark to light."""
    regions = list(find_regions(to_bytes(to_float(mask)), size, name=str(name))[:, None])
    if len(regions) == styles:
        return None, regions
    if len(regions) == styles + 1:
        return regions[0], regions[1:]
    raise RtstyleError(
        f"{name} has {len(regions)} regions; give one style each from dark to light ({len(regions)}), or one "
        f"less ({len(regions) - 1}) and the darkest stays photo; got {styles}"
    )


def _content_mask(path: Path | None, size: Size, device: torch.device) -> Tensor | None:
    if path is None:
        return None
    mask = at_layer(luma(to_float(read_image(path).image))[None], size)
    if mask.max() <= 0:
        raise RtstyleError(f"{path}: is black everywhere; a content mask is white where the photo counts")
    return mask.to(device)


def _init(init: str, plan: Plan, seed: int, device: torch.device) -> Tensor | None:
    if init == "content":
        return None
    if init == "noise":
        random = torch.Generator().manual_seed(seed)
        # Of the first scale's size: a reduction would average it away.
        return torch.rand((3, *plan.sizes[0]), generator=random).to(device)
    if not Path(init).is_file():
        raise RtstyleError(f"--init {init}: allowed are content, noise, or a picture file")
    return to_float(read_image(init).image).to(device)


def _size(image: Tensor) -> Size:
    return image.shape[1], image.shape[2]
