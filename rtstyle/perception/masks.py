"""Where each style goes: soft masks, one a region, from a picture in which a region is a flat colour."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.colors import luma

MOST_REGIONS = 8

_LONGEST = 1024  # a larger mask picture is thinned out to this before its colours are told apart
_REACH = 40.0  # colours this near (Euclidean, 0-255) are one region: JPEG and pencil leave less
_SCATTER = 8.0  # mean distance from its centre beyond which a group is a ramp, not a flat colour
_EDGE = 24  # step between neighbours (0-255) beyond which a pixel lies on an edge
_LEAST = 0.002  # share of the picture below which a colour is dirt
_GRAY = 12  # most that the channels of a gray pixel differ
_MISSHAPEN = 1.05  # most that the aspect ratios of mask and picture differ


def find_regions(
    picture: Tensor, size: tuple[int, int], softness: float = 2.0, name: str = "the mask"
) -> Tensor:
    """Soft masks (R, 1, H, W) that sum to 1 everywhere, of ``size`` (H, W), from a picture (3, h, w) uint8.

    Each flat colour is a region, in order from dark to light (BT.709 luma); JPEG's dirt and smoothed
    edges make none. Edges are softened by a Gaussian of standard deviation ``softness``, in pixels of
    ``size``. A gray picture with shades between is two regions, drawn softly: what is black (first),
    and what is white, the foreground (second). Raises RtstyleError, with ``name``, for one colour only,
    more than `MOST_REGIONS`, a picture without flat colours, or another shape than ``size``.
    """
    check_shape(picture, size, name)
    step = -(-max(picture.shape[1:]) // _LONGEST)
    pixels = np.ascontiguousarray(picture[:, ::step, ::step].permute(1, 2, 0).cpu().numpy())
    centres, shaded = _palette(pixels)
    gray = (np.ptp(pixels, axis=2) > _GRAY).mean() < 0.01
    if gray and (shaded > 0.2 or (shaded > 0 and len(centres) <= 2)):
        white = luma(picture.float() / 255)[None]
        return _resized(torch.cat([1 - white, white]), size).clamp(0, 1)
    _check_palette(len(centres), shaded, name)
    labels = torch.from_numpy(_labels(pixels, centres))
    hard = F.one_hot(labels, len(centres)).permute(2, 0, 1)[:, None].float()
    return _blurred(_resized(hard, size), softness)


def at_layer(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (R, 1, H, W) at a layer's size: each place gets the mean of the area it stands for."""
    return F.adaptive_avg_pool2d(mask, size)


def inner(mask: Tensor, radius: int = 1) -> Tensor:
    """Masks (R, 1, h, w) at a layer's size less their edges: the least value within ``radius`` places.

    Places near an edge see across it ("inside guidance" of Gatys 2017). One place less on each side
    takes away half to nine tenths of what a neighbour adds to the statistics of VGG's layers up to
    relu4_1; further in, what is lost of the region itself weighs more. The picture's border is no edge,
    and a region that would keep less than a tenth of itself is cut back less.
    """
    return torch.cat([_eroded(one, radius) for one in mask.split(1)])


def _eroded(mask: Tensor, radius: int) -> Tensor:
    for reach in range(radius, 0, -1):
        less = -F.max_pool2d(-mask, 2 * reach + 1, stride=1, padding=reach)
        if less.sum() >= 0.1 * mask.sum():
            return less
    return mask


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Flat colours (R, 3) of a picture (h, w, 3), dark to light, and the share of it that shows shades.

    Only pixels like their neighbours vote. The commonest colour takes all within reach, and so on.
    """
    packed = pixels[_flat(pixels)].astype(np.int64) @ (1 << 16, 1 << 8, 1)
    values, counts = np.unique(packed, return_counts=True)
    colors = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float32)
    total, least, loose = counts.sum(), _LEAST * len(pixels) * pixels.shape[1], 0
    centres: list[np.ndarray] = []
    while counts.sum() >= least:
        centre = colors[_commonest(colors, counts)]
        near = np.linalg.norm(colors - centre, axis=1) <= _REACH
        centre = np.average(colors[near], axis=0, weights=counts[near])
        away = np.linalg.norm(colors - centre, axis=1)
        near |= away <= _REACH
        size = counts[near].sum()
        if size >= least and np.average(away[near], weights=counts[near]) <= _SCATTER:
            centres.append(centre)
        elif size >= least:
            loose += size
        colors, counts = colors[~near], counts[~near]
    centres.sort(key=lambda centre: float(centre @ (0.2126, 0.7152, 0.0722)))
    return np.array(centres, np.float32).reshape(-1, 3), loose / max(total, 1)


def _commonest(colors: np.ndarray, counts: np.ndarray) -> int:
    """Index of the commonest colour within the fullest cube of 16 steps a side."""
    cubes = (colors.astype(np.int64) >> 4) @ (256, 16, 1)
    inside = cubes == np.bincount(cubes, counts).argmax()
    return int(np.where(inside, counts, 0).argmax())


def _flat(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel differs little from its eight neighbours, bool (h, w): not on an edge."""
    square = np.ones((3, 3), np.uint8)
    return (cv2.dilate(pixels, square) - cv2.erode(pixels, square)).max(axis=2) <= _EDGE


def _labels(pixels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index (h, w) of each pixel's region; what is no flat colour goes with the nearest that is.

    By place, not by colour: the mixture on an edge of red and blue may be a third region's purple.
    """
    away = np.stack([np.linalg.norm(pixels - centre, axis=2) for centre in centres])
    sure = _flat(pixels) & (away.min(axis=0) <= _REACH)
    _, nearest = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    region = np.zeros(nearest.max() + 1, np.int64)
    region[nearest[sure]] = away.argmin(axis=0)[sure]
    return region[nearest]


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(masks, size, mode="bilinear", antialias=True)


def _blurred(masks: Tensor, deviation: float) -> Tensor:
    reach = round(3 * deviation)
    if not reach:
        return masks
    steps = torch.arange(-reach, reach + 1, dtype=masks.dtype)
    kernel = (-0.5 * (steps / deviation).square()).exp()
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    masks = F.conv2d(F.pad(masks, (reach, reach, 0, 0), mode="replicate"), kernel)
    return F.conv2d(F.pad(masks, (0, 0, reach, reach), mode="replicate"), kernel.transpose(2, 3))


def check_shape(picture: Tensor, size: tuple[int, int], name: str) -> None:
    """Raise RtstyleError for a mask (C, h, w) of another shape than the picture's ``size`` (H, W)."""
    (height, width), (rows, columns) = picture.shape[1:], size
    ratio = width * rows / (height * columns)
    if not 1 / _MISSHAPEN <= ratio <= _MISSHAPEN:
        raise RtstyleError(
            f"{name} is {width}x{height}, of another shape than the picture, {columns}x{rows}; "
            "any size of that shape will do"
        )


def _check_palette(count: int, shaded: float, name: str) -> None:
    if shaded > 0.5 or (shaded > 0 and count < 2):
        raise RtstyleError(f"{name} has no flat colours: draw each region in one colour; is it a photo?")
    if count < 2:
        raise RtstyleError(f"{name} has one colour only: draw each region in a colour of its own")
    if count > MOST_REGIONS:
        raise RtstyleError(
            f"{name} has {count} flat colours, at most {MOST_REGIONS} are allowed; is it a photo?"
        )
