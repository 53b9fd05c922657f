"""Pairs of neighbouring frames from the user's own clips: real noise, real motion, real exposure."""

from pathlib import Path

import numpy as np
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.media.encoders import is_video_name
from rtstyle.perception.flow import inside
from rtstyle.training.data import check_folder
from rtstyle.training.motion import Views
from rtstyle.training.steadiness import Pair, clip_pairs

PAIRS = 24  # of each clip, from all over it
MARGIN = 1.5  # shorter side of the frames, in crops
SHARE = 0.25  # of a batch's places that take a pair of frames; photos show more than a few clips do


class Clips:
    """Pairs of frames of every clip in a folder, with the flow DIS finds and its occlusion check.

    Read once, held in memory: about 2 MB a pair at a crop of 184.
    """

    def __init__(self, folder: Path, *, crop: int, seed: int) -> None:
        """``crop``: pixels. Raises RtstyleError for a folder without clips and for one that is damaged."""
        check_folder(folder)
        self.paths = paths = sorted(path for path in folder.rglob("*") if is_video_name(path))
        if not paths:
            raise RtstyleError(f"{folder}: holds no clip (mp4, mkv, mov, webm ...)")
        self.crop, self.seed = crop, seed
        height = 2 * round(MARGIN * crop / 2)
        self.pairs = [pair for path in paths for pair in clip_pairs(path, PAIRS, height=height)]
        self.pairs = [pair for pair in self.pairs if min(pair.target.shape[-2:]) >= crop]
        if not self.pairs:
            raise RtstyleError(f"{folder}: no clip there has two frames of {crop} pixels")

    def views_at(self, place: int) -> tuple[Tensor, Views] | None:
        """A photo (1, 3, crop, crop) and its two views for that place; None where a still's turn is."""
        random = np.random.default_rng([self.seed, place, 3])
        if random.random() >= SHARE:
            return None
        pair = self.pairs[int(random.integers(len(self.pairs)))]
        height, width = pair.target.shape[-2:]
        top = int(random.integers(height - self.crop + 1))
        left = int(random.integers(width - self.crop + 1))
        cut = slice(top, top + self.crop), slice(left, left + self.crop)
        return _views(pair, (..., *cut))


def _views(pair: Pair, cut: tuple) -> tuple[Tensor, Views]:
    flow = pair.flow[cut]
    seen = pair.visible[cut] & inside(flow)
    first = pair.source[cut]
    contiguous = (part.contiguous() for part in (first, pair.target[cut], flow, seen))
    return first.contiguous(), Views(*contiguous)
