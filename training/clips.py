"""Pairs of neighbouring frames from the user's own clips: real noise, real motion, real exposure."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.media.encoders import is_video_name
from rtstyle.media.geometry import square_size
from rtstyle.media.video_file import VideoFileSource
from rtstyle.perception.flow import inside
from rtstyle.training.data import check_folder
from rtstyle.training.motion import Views
from rtstyle.training.steadiness import Pair, clip_pairs

PAIRS = 24  # of each clip, from all over it
LARGEST = 2  # shorter side of the frames, in crops
_USUAL = 10  # frames between pairs where nothing tells how many there are
_APART = 300  # frames between pairs beyond which each is sought for
SHARE = 0.25  # of a batch's places that take a pair of frames; photos show more than a few clips do


class Clips:
    """Pairs of frames of every clip in a folder, with the flow DIS finds and its occlusion check.

    Read once, held in memory: 64 MB a clip of 16:9 at a crop of 184.
    """

    def __init__(self, folder: Path, *, crop: int, seed: int) -> None:
        """``crop``: pixels, the usual. Raises RtstyleError for a folder without a clip that can be used."""
        check_folder(folder)
        found = (path for path in folder.rglob("*") if is_video_name(path) and path.is_file())
        self.paths = paths = sorted(found)
        if not paths:
            raise RtstyleError(f"{folder}: holds no clip (mp4, mkv, mov, webm ...)")
        self.seed = seed
        self.pairs: list[Pair] = []  # frames as bytes, flow in half precision: a third of the memory
        self.skipped: dict[Path, str] = {}  # clips that gave none, and why
        for path in paths:
            try:
                pairs = list(_from_all_over(path, LARGEST * crop))
            except RtstyleError as error:
                self.skipped[path] = str(error)
                continue
            if not pairs:
                self.skipped[path] = f"{path}: holds no two neighbouring frames of one scene"
            self.pairs += map(_packed, pairs)
        if not self.pairs:
            reason = next(iter(self.skipped.values()))
            raise RtstyleError(f"none of the {len(paths)} clips in {folder} can be used; the first: {reason}")

    def views_at(self, place: int, crop: int) -> tuple[Tensor, Views] | None:
        """A photo (1, 3, crop, crop) and its two views for that place; None where a still's turn is.

        ``crop``: pixels, `LARGEST` times the usual at most.
        """
        random = np.random.default_rng([self.seed, place, 3])
        if random.random() >= SHARE:
            return None
        pair = self.pairs[int(random.integers(len(self.pairs)))]
        height, width = pair.target.shape[-2:]
        top = int(random.integers(height - crop + 1))
        left = int(random.integers(width - crop + 1))
        cut = slice(top, top + crop), slice(left, left + crop)
        return _views(pair, (..., *cut))


def _from_all_over(path: Path, shorter: int) -> Iterator[Pair]:
    """`PAIRS` pairs of a clip, evenly spread; ``shorter``: pixels of the frames' shorter side."""
    with VideoFileSource(path) as source:
        info = source.info
    width, height = square_size(info.width, info.height, info.sample_aspect_ratio)
    scale = shorter / min(width, height)
    size = (round(width * scale), round(height * scale))
    length = info.length or PAIRS * _USUAL
    if length < PAIRS * _APART or path.suffix.lower() == ".avi":  # which is read from its beginning anyway
        yield from clip_pairs(path, PAIRS, skip=max(2, length // PAIRS), size=size)
        return
    yield from clip_pairs(path, 1, size=size)
    for number in range(1, PAIRS):  # not read through: a long film takes minutes
        with suppress(RtstyleError):  # it may be shorter than it claims
            start = Fraction(number * length, PAIRS) / info.rate
            yield from clip_pairs(path, 1, size=size, start=start)


def _packed(pair: Pair) -> Pair:
    return Pair(to_bytes(pair.target), to_bytes(pair.source), pair.flow.half(), pair.visible)


def _views(pair: Pair, cut: tuple) -> tuple[Tensor, Views]:
    flow = pair.flow[cut].float()
    seen = pair.visible[cut] & inside(flow)
    first = to_float(pair.source[cut])
    contiguous = (part.contiguous() for part in (first, to_float(pair.target[cut]), flow, seen))
    return first.contiguous(), Views(*contiguous)
