"""How much memory a painting will take, and how large one fits: foreseen before the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone, Joined
from rtstyle.stylizers.gatys import fit
from rtstyle.stylizers.gatys_regions import STRIP, WHOLE
from rtstyle.stylizers.octaves import Size
from rtstyle.stylizers.optimizers import pairs_kept

# What a step holds at its peak over what its gradient has to keep: gradients and layouts under way.
# Measured with VGG19 to relu5_1 at 512x512 (3.0 kB a pixel, of which it keeps 1.5).
PEAK = 2.1
STRIP_SHARE = 0.15  # of a pixel's bytes, held for every pixel of a picture measured in strips
PICTURES = 8  # the image, its gradients and copies; beside the pairs of the optimiser
_PROBE = 64  # pixels a side, or more where the network needs them
_MARGIN = 0.9  # of the memory that is free now
_SMALLEST = 64  # pixels of the longer side: less is no advice


def check_memory(backbone: Backbone, size: Size, device: torch.device) -> None:
    """Raises RtstyleError, naming the largest size that fits, where ``size`` (height, width) will not."""
    check_fits(make_estimate(backbone), size, device)


def check_fits(
    needed: Callable[[Size], float],
    size: Size,
    device: torch.device,
    thrifty: tuple[str, float] | None = None,
) -> None:
    """Raises RtstyleError, naming what fits, where the memory that is free will not do.

    Args:
        needed: bytes, by size (height, width).
        thrifty: an option that helps, and the bytes that ``size`` needs with it.
    """
    free = free_bytes(device)
    if free is None or needed(size) <= _MARGIN * free:
        return
    low, high = 0, max(size)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(fit(size, middle)) <= _MARGIN * free else (low, middle)
    fits = [f"--size {low // 8 * 8}"] if low >= _SMALLEST else []
    if thrifty is not None and thrifty[1] <= _MARGIN * free:
        fits.append(thrifty[0])
    advice = f"{' or '.join(fits)} fits" if fits else "no size fits; end other programs"
    raise RtstyleError(
        f"{size[1]}x{size[0]} needs about {needed(size) / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; {advice}"
    )


def make_estimate(backbone: Backbone) -> Callable[[Size], float]:
    """Bytes of a painting by its size (height, width), from what one evaluation keeps for its gradient."""
    pixel = PEAK * kept_bytes(backbone)
    parts = backbone.backbones.values() if isinstance(backbone, Joined) else [backbone]
    in_strips = all(isinstance(part, Backbone) and part.blocks() for part in parts)

    def estimate(size: Size) -> float:
        pixels = size[0] * size[1]
        pictures = (PICTURES + 2 * pairs_kept(3 * pixels)) * 12 * pixels  # three floats a pixel
        if in_strips and pixels > WHOLE:
            return pixel * (STRIP + STRIP_SHARE * pixels) + pictures
        return pixel * pixels + pictures

    return estimate


def kept_bytes(backbone: Backbone) -> float:
    """Bytes a pixel that one evaluation keeps for its gradient, weights left out; of a small picture."""
    kept: dict[int, int] = {}
    weights = {weight.data_ptr() for weight in (*backbone.parameters(), *backbone.buffers())}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    device = next(backbone.parameters()).device
    side = max(_PROBE, backbone.smallest)
    image = torch.full((1, 3, side, side), 0.5, device=device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        features = backbone(image)
        total = sum(each.square().mean() for each in features.values())
    del features, total
    return sum(kept.values()) / side**2


def free_bytes(device: torch.device) -> float | None:
    """Memory not in use, also by the container's limit; None where the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    found = [amount for amount in (_system_bytes(), _container_bytes()) if amount is not None]
    return min(found, default=None)


def _system_bytes() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    available = fields.get("MemAvailable", "").split()
    return float(available[0]) * 1024 if available else None


def _container_bytes() -> float | None:
    try:
        limit, used = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current")
        )
    except OSError:
        return None
    if not limit.isdecimal():
        return None
    return float(limit) - float(used) + _cached_bytes()


def _cached_bytes() -> float:
    """Of the container's used memory, what files take that were read: the system gives it back when asked."""
    try:
        lines = Path("/sys/fs/cgroup/memory.stat").read_text().splitlines()
    except OSError:
        return 0.0
    fields = dict(line.split() for line in lines if len(line.split()) == 2)
    return sum(float(fields.get(f"{kind}_file", 0)) for kind in ("inactive", "active"))
