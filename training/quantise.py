"""What of a style can be computed in 8 bits with no harm: tried, and measured on photos not tried on."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtstyle.engines import Engine, load_engine
from rtstyle.engines.reduced import (
    LEAST_PSNR,
    MOST_FLICKER,
    Ranges,
    Reduced,
    choose,
    measure_ranges,
    passes,
)
from rtstyle.frame import to_bytes, to_float
from rtstyle.networks import Network
from rtstyle.perception.backbones import Backbone
from rtstyle.training.data import read_picture
from rtstyle.training.evaluate import STEADY_PHOTOS, nearness, psnr
from rtstyle.training.steadiness import Restyle, flicker_ratio

CHOOSING = 4  # photos, at half the size, on which each convolution is measured alone
CLEAR = LEAST_PSNR + 10  # dB with it alone in 8 bits: ten of them together stay above the least


def quantise(
    network: Network, photos: Sequence[Path], size: int, painting: Tensor, backbone: Backbone
) -> tuple[Reduced, dict[str, Any]]:
    """As much in 8 bits and bfloat16 as is as good as float32, and the figures that a style's card takes.

    Where nothing is, the last and least attempt's.

    Figures: psnr and worst_psnr (dB) to the pictures in float32; style_error and flicker as multiples of
    float32's; photos that they are of.

    Args:
        photos: every other one gives the ranges, the rest are measured on.
        size: pixels of their shorter side.
        painting: (3, H, W) in [0, 1]. backbone: yields ``rtstyle.training.evaluate.LAYERS``.

    Raises RtstyleError where OpenVINO is not installed or cannot run the network.
    """
    exact = _restyle(load_engine(network, "openvino", "cpu"))
    from rtstyle.engines.openvino import has_bfloat16  # known to be installed by now

    def rounded(reduced: Reduced) -> Restyle:
        return _restyle(load_engine(network, "int8", "cpu", [(network.state_dict(), reduced)]))

    ranges = measure_ranges(network, (read_picture(path, size) for path in photos[::2]))
    small = [read_picture(path, size // 2) for path in photos[: 2 * CHOOSING : 2]]
    own = flicker_ratio(small, exact)
    wanted = _pictures(exact, small)
    alone = {}
    for name in ranges:
        way = rounded(Reduced({name: ranges[name]}, False))
        if statistics.mean(_nearness(way, small, wanted)) >= CLEAR:  # else it shows, however steady
            alone[name] = flicker_ratio(small, way) / own
    # What cannot be measured here is not allowed anywhere.
    bfloat16 = flicker_ratio(small, rounded(Reduced({}, True))) / own if has_bfloat16() else None

    held_out = [read_picture(path, size) for path in photos[1::2]]
    steady = held_out[:STEADY_PHOTOS]
    own = flicker_ratio(steady, exact)
    style_error = nearness(exact, held_out, painting, backbone)["style_error"]
    wanted = _pictures(exact, held_out)
    for reduced in attempts(ranges, alone, bfloat16):
        way = rounded(reduced)
        flicker = flicker_ratio(steady, way) / own
        last = not reduced.ranges and not reduced.bfloat16
        if flicker > MOST_FLICKER and not last:
            continue  # the rest takes longer to measure
        near = _nearness(way, held_out, wanted)
        figures = {
            "psnr": round(statistics.mean(near), 2),
            "worst_psnr": round(min(near), 2),
            "style_error": round(nearness(way, held_out, painting, backbone)["style_error"] / style_error, 4),
            "flicker": round(flicker, 4),
            "photos": len(held_out),
        }
        if passes(figures):
            break
    return reduced, figures


def attempts(ranges: Ranges, alone: Mapping[str, float], bfloat16: float | None) -> Iterator[Reduced]:
    """What to try in turn: fewer and fewer convolutions in 8 bits, down to none; then without bfloat16.

    Args:
        alone: flicker with each convolution alone in 8 bits, as a multiple of float32's.
        bfloat16: the same with the rest in bfloat16; None where the processor has none.
    """
    for rest, start in ((True, bfloat16), (False, 1.0)):
        if start is None:
            continue
        chosen = choose(alone, start)
        while chosen:
            yield Reduced({name: ranges[name] for name in chosen}, rest)
            chosen = chosen[: len(chosen) // 2]
        yield Reduced({}, rest)


def _pictures(way: Restyle, photos: Sequence[Tensor]) -> list[Tensor]:
    return [way(photo[None]) for photo in photos]


def _nearness(way: Restyle, photos: Sequence[Tensor], wanted: Sequence[Tensor]) -> list[float]:
    """PSNR of what a way makes of each photo to what is wanted, in dB."""
    return [psnr(way(photo[None]), picture) for photo, picture in zip(photos, wanted, strict=True)]


def _restyle(engine: Engine) -> Restyle:
    """Float pictures (B, 3, H, W) through an engine of bytes."""
    return lambda images: torch.stack([to_float(engine(to_bytes(image))) for image in images])
