"""How steady a restyled video is: warped error three ways, flicker on a static scene, popping with exposure.

Every figure is a root mean square in [0, 1] or a ratio of two, and stands beside the input's own: a
network that paints nothing is perfectly steady.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_float
from rtstyle.media.video_file import VideoFileSource
from rtstyle.perception.flow import dis_flow_and_visible, read_flo, warp
from rtstyle.training.data import check_folder, read_picture
from rtstyle.training.motion import two_views

Restyle = Callable[[Tensor], Tensor]  # (1, 3, H, W) in [0, 1] to the same

NOISE = 2.5 / 255  # standard deviation of the noise on a static scene: a webcam's in good light
NOISY_FRAMES = 6
GAIN = 1.04  # of the exposure that changes
# A cut between two frames: less is seen in both, or they are further apart along the flow. Ten clips had 0.71
# and up, and errors to 0.05; photo after photo at most 0.04, or one of them black, and far apart.
CUT_VISIBLE, CUT_ERROR = 0.3, 0.15


@dataclass(frozen=True)
class Pair:
    """Two frames (1, 3, H, W) and the flow between them: ``warp(source, flow)`` should be ``target``."""

    target: Tensor
    source: Tensor
    flow: Tensor  # (1, 2, H, W) pixels
    visible: Tensor  # (1, 1, H, W) bool


def warped_error(pairs: Iterable[Pair], restyle: Restyle) -> tuple[float, float]:
    """Root mean square difference of each restyled frame to its warped neighbour, mean over pairs.

    Returns the restyled frames' and the input's own. Huang et al. 2017, eq. 6; Lai et al. 2018, E_warp.
    """
    own, styled = [], []
    for pair in pairs:
        own.append(_warped(pair.target, pair.source, pair))
        styled.append(_warped(restyle(pair.target), restyle(pair.source), pair))
    return _mean(styled), _mean(own)


def flow_pair(folder: Path) -> Pair:
    """A pair from a folder in MPI-Sintel's or Middlebury's layout.

    Raises RtstyleError when it has neither's .flo file.
    """
    check_folder(folder)
    sintel = sorted(folder.glob("flow_*_to_*.flo"))
    if sintel:
        return sintel_pair(folder, number=int(sintel[0].stem.split("_")[1]))
    middlebury = sorted(folder.glob("flow[0-9]*.flo"))
    if middlebury:
        return middlebury_pair(folder, middlebury[0].stem.removeprefix("flow"))
    raise RtstyleError(
        f"{folder}: holds no flow; wanted flow_NNNN_to_NNNN.flo (MPI-Sintel) or flowNN.flo (Middlebury)"
    )


def sintel_pair(folder: Path, pass_: str = "final", number: int = 2) -> Pair:
    """Frames ``number`` and the next of a folder in MPI-Sintel's layout, with exact flow and masks."""
    name = f"{number:04d}"
    first = read_picture(folder / pass_ / f"frame_{name}.png")[None]
    second = read_picture(folder / pass_ / f"frame_{number + 1:04d}.png")[None]
    masks = [read_picture(folder / f"{kind}_{name}.png")[None, :1] for kind in ("occlusion", "invalid")]
    hidden = torch.stack(masks).amax(0) > 0.5
    return Pair(first, second, read_flo(folder / f"flow_{name}_to_{number + 1:04d}.flo"), ~hidden)


def middlebury_pair(folder: Path, name: str = "10") -> Pair:
    """Two frames of a folder in Middlebury's layout; unknown flow is not counted."""
    flow = read_flo(folder / f"flow{name}.flo")
    known = flow.abs().amax(1, keepdim=True) < 1e9
    first = read_picture(folder / f"frame{name}.png")[None]
    second = read_picture(folder / f"frame{int(name) + 1:02d}.png")[None]
    flow = torch.where(known, flow, 0.0)
    steps = [
        flow.diff(dim=axis, append=flow.narrow(axis, -1, 1)).abs().amax(1, keepdim=True) for axis in (2, 3)
    ]
    return Pair(first, second, flow, known & (torch.stack(steps).amax(0) < 0.5))


def clip_pairs(
    path: Path,
    count: int = 8,
    skip: int = 10,
    size: tuple[int | None, int] | None = None,
    start: Fraction | None = None,
) -> Iterator[Pair]:
    """Neighbouring frames of a clip, with the flow DIS finds and its occlusion check; none across a cut.

    ``count`` pairs at most, ``skip`` frames from each to the next; ``size``: of the frames, as
    `VideoFileSource` takes it; ``start``: of the first pair, seconds.
    """
    frames: list[Tensor] = []
    with VideoFileSource(path, size=size, start=start) as source:
        for index, frame in enumerate(source):
            if index % skip < 2:
                frames.append(to_float(frame.image))
            if len(frames) == 2 * count:
                break
    for earlier, later in list(pairwise(frames))[::2]:
        pair = Pair(later[None], earlier[None], *dis_flow_and_visible(later, earlier))
        if not _is_cut(pair):
            yield pair


def _is_cut(pair: Pair) -> bool:
    """Whether two frames have so little in common that what flow there is means nothing."""
    seen = float(pair.visible.float().mean())
    return seen < CUT_VISIBLE or _warped(pair.target, pair.source, pair) > CUT_ERROR


def known_motion_pairs(photos: Iterable[Tensor], seed: int = 0) -> Iterator[Pair]:
    """Photos (3, H, W) moved by the motion that training uses, without noise or change of exposure."""
    random = torch.Generator().manual_seed(seed)
    for photo in photos:
        views = two_views(photo[None], 0.0, random, exposure=0.0, still=0.0)
        yield Pair(views.second, views.first, views.flow, views.visible)


def flicker_ratio(photos: Iterable[Tensor], restyle: Restyle, seed: int = 0) -> float:
    """Deviation over time of the output over that of the input, for still scenes with a camera's noise."""
    random = torch.Generator().manual_seed(seed)
    ratios = []
    for photo in photos:
        noise = torch.randn(NOISY_FRAMES, *photo.shape, generator=random) * NOISE
        frames = (photo + noise).clamp(0, 1).mul(255).round().div(255)  # as bytes: what a camera gives
        styled = torch.cat([restyle(frame[None]) for frame in frames])
        if own := _deviation(frames):
            ratios.append(_deviation(styled) / own)
    return _mean(ratios) if ratios else math.nan


def exposure_ratio(photos: Iterable[Tensor], restyle: Restyle) -> float:
    """Change of the output over change of the input when exposure rises by 4 %; popping is far above 1."""
    ratios = []
    for photo in photos:
        brighter = (photo * GAIN).clamp(0, 1)
        change = (restyle(brighter[None]) - restyle(photo[None])).square().mean().sqrt()
        own = (brighter - photo).square().mean().sqrt()
        if own > 0:  # a black photo has no exposure to change
            ratios.append(float(change / own))
    return _mean(ratios) if ratios else math.nan


def _warped(target: Tensor, source: Tensor, pair: Pair) -> float:
    squared = (target - warp(source, pair.flow)).square().mean(1, keepdim=True)
    return float(squared[pair.visible].mean().sqrt())


def _deviation(frames: Tensor) -> float:
    return float(frames.var(dim=0).mean().sqrt())


def _mean(values: list[float]) -> float:
    if not values:
        raise RtstyleError("no pair of frames to measure")
    return float(np.mean(values))
