"""Video by a method made for stills: each frame goes on from the last result, moved along the flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.frame import Frame, to_bytes, to_float
from rtstyle.perception.colors import moments, with_moments
from rtstyle.perception.flow import dis_flow_and_visible, warp

# Less than this share of a frame explained by flow from the last one, both ways, is a cut. Over ten clips
# (hands, faces, driving) it was never below 0.63; from one clip to another never above 0.02.
_EXPLAINED = 0.3
_GAINS = (0.9, 1.1)  # of the contrast, from one frame to the next: what moving takes away is less
_EDGE = 5  # pixels over which the mask of what was seen goes soft, so that its border does not show


@dataclass(frozen=True)
class Steady:
    """What a frame should look like where its last result can be seen to have moved to."""

    picture: Tensor  # (3, H, W) in [0, 1]
    weight: Tensor  # (1, H, W) in [0, 1]; 0 where nothing is known


# (photo (3, H, W) in [0, 1], where to start (3, H, W), what to hold on to or None) to a result (3, H, W).
Maker = Callable[[Tensor, Tensor, Steady | None], Tensor]


class Carried:
    """A stylizer that makes each frame from the last one's result.

    Where forward and backward flow agree the last result, moved along, is where the frame starts and what
    it is held to; elsewhere, and after a cut, the frame itself is (Ruder et al. 2016, "Artistic Style
    Transfer for Videos", section 4).

    Moving a picture blurs it a little, and a method may brighten a little: over hundreds of frames both
    add up. So mean and deviation of each colour of what is carried are kept where they were after the
    last cut, relative to the photo's own.

    Args:
        make: the method, for one frame.
        finish: photo and result to what is shown; what is carried stays as it was made.
    """

    def __init__(
        self, make: Maker, finish: Callable[[Tensor, Tensor], Tensor] = lambda photo, result: result
    ) -> None:
        self._make, self._finish = make, finish
        self._last: tuple[Tensor, Tensor] | None = None  # photo and result
        self._anchor: Tensor | None = None  # how mean and deviation differ from the photo's
        self.cuts = 0  # seen so far, the first frame not among them

    def __call__(self, frame: Frame) -> Frame:
        photo = to_float(frame.image)
        steady = self._carry(photo)
        start = photo if steady is None else torch.lerp(photo, steady.picture, steady.weight)
        result = self._make(photo, start, steady).clamp(0, 1)
        if self._anchor is None:
            self._anchor = moments(result) - moments(photo)
        self._last = photo, result
        return replace(frame, image=to_bytes(self._finish(photo, result), frame.image.dtype))

    def reset(self) -> None:
        self._last = self._anchor = None

    def _carry(self, photo: Tensor) -> Steady | None:
        """The last result as this frame has it; None for a first frame and after a cut."""
        if self._last is None or self._last[0].shape != photo.shape:
            self.reset()
            return None
        before, result = self._last
        flow, visible = dis_flow_and_visible(photo, before)
        if float(visible.float().mean()) < _EXPLAINED:
            self.cuts += 1
            self.reset()
            return None
        assert self._anchor is not None
        moved = with_moments(warp(result[None], flow, "bicubic")[0], moments(photo) + self._anchor, _GAINS)
        return Steady(moved.clamp(0, 1), _softened(visible[0]))


def _softened(visible: Tensor) -> Tensor:
    """The mask (1, H, W), first shrunk, so that what is soft lies within what was seen."""
    gone = F.max_pool2d(1 - visible.float(), _EDGE, stride=1, padding=_EDGE // 2)
    return F.avg_pool2d(1 - gone, _EDGE, stride=1, padding=_EDGE // 2, count_include_pad=False)
