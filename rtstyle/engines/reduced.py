"""Where a network may be computed in 8 bits, and what its convolutions need for it: how far inputs reach.

Channels of one input differ by a factor of a hundred, a picture's own 0 to 1 beside features up to 40.
One step for all would leave the small ones few values, so each channel is divided by a scale and the
weights that read it are multiplied by it (Xiao 2023, "SmoothQuant", arXiv 2211.10438, equation 4 with
α = 1/2): the same sum.

A picture 41 dB from float32's looks the same; a video of such pictures does not, since the rounding
comes out differently in every frame. At full and half resolution that alone made still scenes flicker
1.7 times as much, at an eighth it is not to be measured. So convolutions are chosen by the flicker they add.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network
from rtstyle.style_file import Style

LEVELS = 256  # values an 8-bit number has

# A style runs so where it was measured to be as good as in float32, on photos its ranges are not from:
# nearness of the pictures in dB, error to the painting and flicker as multiples of float32's.
LEAST_PSNR = 38.0
MOST_STYLE_ERROR = 1.03
MOST_FLICKER = 1.05

# Convolution -> the largest magnitude each input channel takes, and whether any value is negative.
Ranges = dict[str, tuple[Tensor, bool]]


@dataclass(frozen=True)
class Reduced:
    """What of a network is computed less precisely than in float32."""

    ranges: Ranges  # of the convolutions in 8 bits
    bfloat16: bool  # the rest, where the processor has it


# Weights of a network, and what of it is as good when computed less precisely with them.
Measured = Sequence[tuple[Mapping[str, Tensor], Reduced]]


@torch.inference_mode()
def measure_ranges(network: Network, pictures: Iterable[Tensor]) -> Ranges:
    """The ranges over pictures (3, H, W) in [0, 1]: their extremes, since a cut value is a wrong colour."""
    tops: dict[str, list[Tensor]] = defaultdict(list)
    signed: dict[str, bool] = defaultdict(bool)

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            tops[name].append(inputs[0].abs().amax(dim=(0, 2, 3)))
            signed[name] |= bool((inputs[0] < 0).any())

        return look

    modules = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d)]
    hooks = [module.register_forward_pre_hook(watch(name)) for name, module in modules]
    try:
        for picture in pictures:
            network(picture[None])
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (torch.stack(found).amax(dim=0), signed[name]) for name, found in tops.items()}


def balanced(top: Tensor, kernel: Tensor) -> tuple[Tensor, float]:
    """Scales of the input channels (C,), the largest 1, and the largest magnitude left after division."""
    reach = kernel.detach().abs().amax(dim=(0, 2, 3))
    scales = (top.clamp(min=1e-6) / reach.clamp(min=1e-6)).sqrt()
    scales = scales / scales.max()
    return scales, float((top / scales).max())


def choose(added: Mapping[str, float], start: float) -> list[str]:
    """The convolutions to compute in 8 bits, those that add least flicker first.

    Deviations of separate causes add as squares.

    Args:
        added: flicker with that convolution alone in 8 bits, as a multiple of float32's.
        start: the same with none.
    """
    room = MOST_FLICKER**2 - start**2
    chosen = []
    for name in sorted(added, key=lambda name: added[name]):
        room -= max(0.0, added[name] ** 2 - 1)
        if room < 0:
            break
        chosen.append(name)
    return chosen


def passes(figures: Mapping[str, Any]) -> bool:
    """Whether measured figures (psnr, style_error, flicker) allow it."""
    return (
        _number(figures.get("psnr")) >= LEAST_PSNR
        and _number(figures.get("style_error")) <= MOST_STYLE_ERROR
        and _number(figures.get("flicker")) <= MOST_FLICKER
    )


def as_card(reduced: Reduced) -> dict[str, Any]:
    """As a style's card holds it: convolution -> [signed, the magnitudes], JSON-ready."""
    ranges = {
        name: [signed, [float(f"{value:.3g}") for value in top.tolist()]]
        for name, (top, signed) in reduced.ranges.items()
    }
    return {"bfloat16": reduced.bfloat16, "ranges": ranges}


def proven(style: Style, network: Network) -> Reduced | None:
    """What a style's card says; None where nothing was measured, or not found as good.

    Raises RtstyleError for ranges that are not this network's.
    """
    if not passes(style.int8):
        return None
    stored, modules = style.int8.get("ranges"), dict(network.named_modules())
    ranges = {}
    for name, item in stored.items() if isinstance(stored, dict) else [("all", None)]:
        match item, modules.get(name):
            case [bool(signed), [*top]], nn.Conv2d(in_channels=count) if len(top) == count and all(
                _number(value) >= 0 for value in top
            ):
                ranges[name] = (torch.tensor(top, dtype=torch.float32), signed)
            case _:
                raise RtstyleError(
                    f"style '{style.name}': its ranges for 8 bits do not fit its network ({name[:80]!r});"
                    " measure it anew with 'rtstyle quantise', or use --engine openvino"
                )
    return Reduced(ranges, style.int8.get("bfloat16") is True)


def _number(value: object) -> float:
    """A number that float32 can hold; anything else is none, which compares false with all."""
    largest = torch.finfo(torch.float32).max
    return value if isinstance(value, int | float) and abs(value) <= largest else math.nan
