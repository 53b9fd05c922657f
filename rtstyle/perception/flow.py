"""Optical flow: where each pixel came from, the picture moved along it, and what it cannot know.

A flow is float32 (B, 2, H, W) in pixels, x before y, and *backward*: pixel p of the later picture
shows what pixel ``p + flow[p]`` of the earlier one showed.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.frame import to_packed

SMALLEST = 12  # pixels a side that DIS takes
FLO_MAGIC = 202021.25  # first number of a Middlebury .flo file


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """The picture (B, C, H, W) sampled at ``p + flow[p]``; beyond the edge its last pixels repeat."""
    grid = _grid(flow, *image.shape[-2:])
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)


def inside(flow: Tensor, margin: int = 0) -> Tensor:
    """Where ``p + flow[p]`` lies within the picture, ``margin`` pixels from its sides: bool (B, 1, H, W)."""
    height, width = flow.shape[-2:]
    x, y = _grid(flow, height, width).abs().unbind(-1)
    return ((x <= 1 - 2 * margin / width) & (y <= 1 - 2 * margin / height))[:, None]


def dis_flow_and_visible(later: Tensor, earlier: Tensor) -> tuple[Tensor, Tensor]:
    """Flow (1, 2, H, W) between two pictures, float (3, H, W) in [0, 1] (Kroeger 2016, "DIS").

    With a mask bool (1, 1, H, W): True where the flow back agrees.

    Forward-backward check and motion boundaries with the constants of Ruder et al. 2016, section 3.3
    (after Sundaram et al. 2010). Raises RtstyleError for pictures below `SMALLEST`.
    """
    if min(later.shape[1:]) < SMALLEST:
        height, width = later.shape[1:]
        raise RtstyleError(
            f"pictures of {width}x{height} pixels are too small for optical flow; it takes {SMALLEST} a side"
        )
    new, old = _gray(later), _gray(earlier)
    flow, back = _dis(new, old), _dis(old, new)
    returned = warp(back, flow)
    lengths = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    agree = (flow + returned).square().sum(1, keepdim=True) <= 0.01 * lengths + 0.5
    steps_x = F.pad(flow[..., :, 1:] - flow[..., :, :-1], (0, 1, 0, 0)).square().sum(1, keepdim=True)
    steps_y = F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1)).square().sum(1, keepdim=True)
    smooth = steps_x + steps_y <= 0.01 * flow.square().sum(1, keepdim=True) + 0.002
    return flow, agree & smooth & inside(flow)


def read_flo(path: Path) -> Tensor:
    """A Middlebury ``.flo`` file as (1, 2, H, W); unknown flow is stored beyond 1e9."""
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != FLO_MAGIC:
        raise RtstyleError(f"{path}: not a .flo file (its first number must be {FLO_MAGIC})")
    width, height = np.frombuffer(data, "<i4", 2, offset=4)
    if len(data) < 12 + 8 * width * height:
        raise RtstyleError(f"{path}: too short for a flow of {width}x{height}")
    rows = np.frombuffer(data, "<f4", 2 * width * height, offset=12).reshape(height, width, 2)
    return torch.from_numpy(rows.copy()).permute(2, 0, 1)[None]


def _grid(flow: Tensor, height: int, width: int) -> Tensor:
    """Sampling points (B, H, W, 2) in grid_sample's units, -1 to 1 from edge to edge."""
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    return torch.stack(
        [(2 * (flow[:, 0] + x) + 1) / width - 1, (2 * (flow[:, 1] + y) + 1) / height - 1], dim=-1
    )


def _gray(image: Tensor) -> np.ndarray:
    bytes_ = image.mul(255).round().clamp(0, 255).byte()
    return cv2.cvtColor(to_packed(bytes_), cv2.COLOR_RGB2GRAY)


def _dis(new: np.ndarray, old: np.ndarray) -> Tensor:
    start = np.zeros((*new.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(new, old, start)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]
