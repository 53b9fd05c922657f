"""High dynamic range to standard: PQ and HLG pictures shown as BT.709.

Steps: transfer curve to display light (BT.2100), wide primaries to BT.709 (BT.2087), a curve that
leaves shadows and mid-tones alone and bends highlights (Möbius, as mpv and FFmpeg name it), and the
inverse of a standard display's curve (BT.1886).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

PQ, HLG = 16, 18  # H.273 transfer characteristics
BT2020 = 9  # H.273 colour primaries

# BT.2408: the white of a page in HDR is 203 cd/m2; the brightest highlight kept is 1000 cd/m2.
WHITE, PEAK = 203.0, 1000.0
_KNEE = 0.6  # below this share of white the tone curve is the identity

# BT.2020 light to BT.709 light (BT.2087, equation 3, inverted).
_TO_BT709 = torch.tensor(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ]
)
_LUMA_2020 = torch.tensor([0.2627, 0.6780, 0.0593])


def tone_map(samples: torch.Tensor, transfer: int, wide: bool = True) -> torch.Tensor:
    """HDR samples to an SDR picture.

    Args:
        samples: uint16 (3, H, W), full-range R'G'B' (65535 is the signal 1.0).
        transfer: ``PQ`` or ``HLG``.
        wide: the primaries are BT.2020's (else BT.709's).

    Returns:
        uint8 (3, H, W), BT.709 primaries, for a BT.1886 display.
    """
    light = torch.from_numpy(_light(transfer))[samples.int()]  # (3, H, W), 1.0 is reference white
    if transfer == HLG:
        # BT.2100 table 5: the display's overall curve works on luminance; system gamma 1.2 at 1000 cd/m2.
        luminance = torch.tensordot(_LUMA_2020, light, dims=1) * (WHITE / PEAK)
        light *= luminance.clamp_min(1e-6).pow(0.2)
    if wide:
        light = torch.tensordot(_TO_BT709, light, dims=1).clamp_min_(0)
    # One factor for the three channels keeps the hue of a highlight.
    brightest = light.amax(0).clamp_min_(1e-6)
    light *= _mobius(brightest) / brightest
    return light.clamp_(0, 1).pow_(1 / 2.4).mul_(255).add_(0.5).byte()


def _mobius(light: torch.Tensor) -> torch.Tensor:
    """Identity up to the knee, then a curve that is smooth at the knee and reaches 1 at the peak."""
    peak = PEAK / WHITE
    a = -_KNEE * _KNEE * (peak - 1) / (_KNEE * _KNEE - 2 * _KNEE + peak)
    b = (_KNEE * _KNEE - 2 * _KNEE * peak + peak) / (peak - 1)
    curve = (b * b + 2 * b * _KNEE + _KNEE * _KNEE) / (b - a) * (light + a) / (light + b)
    return torch.where(light <= _KNEE, light, curve)


@cache
def _light(transfer: int) -> np.ndarray:
    """Light of each of 65536 signal levels (before HLG's display curve); float32, 1.0 is reference white."""
    signal = np.linspace(0, 1, 65536)
    if transfer == PQ:  # SMPTE ST 2084
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = signal ** (1 / m2)
        nits = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    elif transfer == HLG:  # ARIB STD-B67
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        nits = PEAK * scene
    else:
        raise ValueError(f"transfer {transfer} is not HDR; allowed are {PQ} (PQ) and {HLG} (HLG)")
    return (nits / WHITE).astype(np.float32)
