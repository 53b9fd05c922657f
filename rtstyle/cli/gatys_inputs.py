"""What ``rtstyle gatys`` paints from: photo, paintings, masks, the first image, read and checked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_file import read_image
from rtstyle.media.picture import Picture
from rtstyle.perception.colors import luma, match_covariance, match_histogram, with_colors_of
from rtstyle.perception.masks import at_layer, check_shape, find_regions
from rtstyle.stylizers.defaults import PAINT_SIZE
from rtstyle.stylizers.gatys import Plan, make_plan
from rtstyle.stylizers.gatys import fit as fit_size
from rtstyle.stylizers.gatys_regions import Style
from rtstyle.stylizers.octaves import Size, resized

# What becomes of the paintings' colours before they are measured.
MATCHES = {"match": match_covariance, "histogram": match_histogram}
_MATCHED = 1024  # pixels of the photo's longer side for that; twice as many of a painting's


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
        return self.picture.with_image(to_bytes(result, self.picture.image.dtype))


def read_inputs(options: argparse.Namespace, device: torch.device, alone: bool = True) -> Inputs:
    """Raises RtstyleError in one line for what does not go together.

    ``alone``: the result is a file like the photo's, with its profile and transparency; a sheet has none.
    """
    picture = read_image(options.content) if alone else read_image(options.content).as_seen()
    photo = to_float(picture.image)
    size = size_asked(options, photo)
    plan = make_plan(size, options.steps, options.scales)
    styles, kept = read_styles(options, photo, size, device)
    return Inputs(
        picture=picture,
        photo=photo.to(device),
        styles=styles,
        plan=plan,
        kept=kept,
        content_mask=read_content_mask(options.content_mask, size, device),
        init=read_init(options.init, plan, options.seed, device),
        colors=options.colors,
    )


def size_asked(options: argparse.Namespace, photo: Tensor) -> Size:
    """Of the result: a photo larger than `PAINT_SIZE` is reduced to it, unless told."""
    return fit_size(_size(photo), options.size or min(PAINT_SIZE, max(photo.shape[1:])))


def read_styles(
    options: argparse.Namespace, photo: Tensor, size: Size, device: torch.device
) -> tuple[list[Style], Tensor | None]:
    """The paintings, their regions in a picture of that size, and (1, 1, H, W) where the photo stays.

    ``photo`` (3, h, w) gives the colours to match. Raises RtstyleError for what does not go together.
    """
    paintings = [to_float(read_image(path).as_seen().image) for path in options.styles]
    if options.colors in MATCHES:
        # Sorting every colour of a large photo takes gigabytes and tells no more.
        match, few = MATCHES[options.colors], _at_most(_MATCHED, photo)
        paintings = [match(_at_most(2 * _MATCHED, painting), few) for painting in paintings]
    paintings = [painting.to(device) for painting in paintings]
    weights = options.style_weights
    if weights is not None and len(weights) != len(paintings):
        raise RtstyleError(f"{len(weights)} --style-weights for {len(paintings)} styles; give one each")
    if not options.mask:
        return [Style(paintings, weights or [1.0] * len(paintings))], None
    if weights is not None:
        raise RtstyleError("--style-weights mix styles, --mask gives each a region of its own; choose one")
    kept, masks = _regions(read_image(options.mask).as_seen().image, size, options.mask, len(paintings))
    styles = [
        Style([painting], mask=mask.to(device)) for painting, mask in zip(paintings, masks, strict=True)
    ]
    return styles, None if kept is None else kept.to(device)


def _regions(mask: Tensor, size: Size, name: Path, styles: int) -> tuple[Tensor | None, Sequence[Tensor]]:
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


def read_content_mask(path: Path | None, size: Size, device: torch.device) -> Tensor | None:
    """(1, 1, H, W), white where the photo counts. Raises RtstyleError where that is nowhere."""
    if path is None:
        return None
    image = to_float(read_image(path).as_seen().image)
    check_shape(image, size, str(path))
    mask = at_layer(luma(image)[None], size)
    if mask.max() <= 0:
        raise RtstyleError(f"{path}: is black everywhere; a content mask is white where the photo counts")
    return mask.to(device)


def read_init(init: str, plan: Plan, seed: int, device: torch.device) -> Tensor | None:
    """(3, h, w) to begin with; None: the photo. Raises RtstyleError for what is neither word nor file."""
    if init == "content":
        return None
    if init == "noise":
        random = torch.Generator().manual_seed(seed)
        # Of the first scale's size: a reduction would average it away.
        return torch.rand((3, *plan.sizes[0]), generator=random).to(device)
    if not Path(init).is_file():
        raise RtstyleError(f"--init {init}: allowed are content, noise, or a picture file")
    return to_float(read_image(init).as_seen().image).to(device)


def _at_most(longest: int, image: Tensor) -> Tensor:
    """(3, H, W) in [0, 1], reduced where its longer side has more pixels."""
    size = _size(image)
    return image if max(size) <= longest else resized(image, fit_size(size, longest)).clamp(0, 1)


def _size(image: Tensor) -> Size:
    return image.shape[1], image.shape[2]
