"""Colours moved between pictures, float (3, H, W) RGB in [0, 1], as the files hold them (gamma-coded).

Gatys et al. 2016b, "Preserving Color in Neural Artistic Style Transfer", offers two ways to keep a
photo's colours: give them to the painting before the transfer (`match_covariance`, `match_histogram`),
or to the result after it (`with_colors_of`).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (0.2126, 0.7152, 0.0722)  # BT.709
_FLOOR = 1e-5  # least variance along an axis, (0.8 / 255)²: flatter than 8 bits can say
_STEPS = 2**16  # values closer than 1 / this count as one colour


def luma(image: Tensor) -> Tensor:
    """BT.709 Y' of (..., 3, H, W), as (..., 1, H, W)."""
    weights = torch.tensor(_LUMA, dtype=image.dtype, device=image.device).view(3, 1, 1)
    return (image * weights).sum(-3, keepdim=True)


def match_covariance(painting: Tensor, photo: Tensor) -> Tensor:
    """The painting with the photo's mean and covariance of colour, cut to [0, 1]; sizes may differ.

    The linear map ``S_photo^½ S_painting^-½`` with symmetric roots (Gatys 2016b, section 4).
    """
    return _unflatten(_moved(painting, photo), painting).clamp(0, 1)


def match_histogram(painting: Tensor, photo: Tensor) -> Tensor:
    """The painting with the photo's distribution of colour along each of its three principal axes.

    `match_covariance` first, then the exact cumulative distributions along the axes; cut to [0, 1].
    Pixels of one colour stay of one colour.
    """
    colors, wanted = _moved(painting, photo), _rows(photo)
    mean, _, axes = _axes(wanted)
    found = axes.T @ (colors - mean)
    goal = (axes.T @ (wanted - mean)).sort(1).values
    matched = torch.stack([_ranked(*pair) for pair in zip(found, goal, strict=True)])
    return _unflatten(axes @ matched + mean, painting).clamp(0, 1)


def with_colors_of(result: Tensor, photo: Tensor) -> Tensor:
    """The result's luma with the photo's chroma (BT.709 Y'CbCr), for a photo of any size.

    Where that leaves [0, 1], the colour pales towards gray until it fits: luma is kept exactly.
    """
    if photo.shape[1:] != result.shape[1:]:
        size = (result.shape[1], result.shape[2])
        photo = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    light = luma(result).clamp(0, 1)
    chroma = photo - luma(photo)
    room = torch.where(chroma > 0, 1 - light, light)
    strength = (room / chroma.abs().clamp_min(torch.finfo(chroma.dtype).tiny)).clamp_max(1)
    return (light + strength.amin(0) * chroma).clamp(0, 1)


def moments(image: Tensor) -> Tensor:
    """Mean and deviation of each channel of (3, H, W): (2, 3, 1, 1)."""
    return torch.stack([image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True)])


def with_moments(image: Tensor, wanted: Tensor, gains: tuple[float, float]) -> Tensor:
    """(3, H, W) with such `moments`, its contrast changed within ``gains``; not cut to [0, 1]."""
    mean, deviation = moments(image)
    gain = (wanted[1] / deviation.clamp_min(1e-4)).clamp(*gains)
    return (image - mean) * gain + wanted[0]


def _moved(painting: Tensor, photo: Tensor) -> Tensor:
    """(3, H·W) float64 colours of the painting with the photo's mean and covariance."""
    colors = _rows(painting)
    old_mean, old, old_axes = _axes(colors)
    new_mean, new, new_axes = _axes(_rows(photo))
    whiten = old_axes * old.clamp_min(_FLOOR).rsqrt() @ old_axes.T
    color = new_axes * new.clamp_min(0).sqrt() @ new_axes.T
    return color @ whiten @ (colors - old_mean) + new_mean


def _axes(colors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (3, 1), variances (3,) and principal axes (3, 3; columns) of colours (3, N)."""
    mean = colors.mean(1, keepdim=True)
    centred = colors - mean
    return mean, *torch.linalg.eigh(centred @ centred.T / colors.shape[1])


def _ranked(found: Tensor, goal: Tensor) -> Tensor:
    """Values (N,) replaced by those of the same rank in ``goal`` (M,), which is sorted."""
    steps = ((found - found.min()) * _STEPS).round().long()
    counts = steps.bincount()
    # Equal values share the middle of their ranks: a flat area stays flat.
    place = (counts.cumsum(0) - counts / 2).double() * (len(goal) / len(found)) - 0.5
    place = place.clamp(0, len(goal) - 1)
    left = place.floor().long()
    right = (left + 1).clamp_max(len(goal) - 1)
    return torch.lerp(goal[left], goal[right], place - left)[steps]


def _rows(image: Tensor) -> Tensor:
    return image.flatten(1).double()


def _unflatten(colors: Tensor, like: Tensor) -> Tensor:
    return colors.view(like.shape).to(like.dtype)
