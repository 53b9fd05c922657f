"""What the machine can do at most, measured on the spot, and what a network asks of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rtstyle.benchmark.stages import settle

SIDES = {"cpu": 2048, "cuda": 8192}  # of the square matrices: large enough that more gains no speed
COPIED = 2**28  # bytes; far more than any cache
_ENOUGH = 0.5  # seconds


def flop_of(network: nn.Module, width: int, height: int) -> int:
    """Floating-point operations of one frame: two for each multiply-add of its convolutions.

    The rest (norms, padding, enlarging) is left out, as FLOP counts of networks are usually given: it
    costs memory traffic and hardly any arithmetic. Nothing is computed.
    """
    hollow = copy.deepcopy(network).to("meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        hollow(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops()


def ceilings(
    device: torch.device, side: int | None = None, copied: int = COPIED
) -> dict[str, Callable[[], float]]:
    """Measurements by name, each anew when called: "copy" in bytes/s, the others in FLOP/s.

    A product of two square matrices in float32, on a GPU in float16 and bfloat16 too; and a copy within
    the device's memory, every byte counted twice, as it is read and as it is written. All with the
    threads that PyTorch has here.
    """
    side = side or SIDES[device.type]
    kinds = [torch.float32] if device.type == "cpu" else [torch.float32, torch.float16, torch.bfloat16]
    timed: dict[str, Callable[[], float]] = {}
    for kind in kinds:
        timed[name_of(kind)] = partial(_product, device, kind, side)
    timed["copy"] = partial(_copy, device, copied)
    return timed


def name_of(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _product(device: torch.device, kind: torch.dtype, side: int) -> float:
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    out = torch.empty_like(left)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True  # as convolutions do unasked
    try:
        return _rate(lambda: torch.mm(left, right, out=out), 2 * side**3, device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _copy(device: torch.device, size: int) -> float:
    source: Tensor = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return _rate(lambda: target.copy_(source), 2 * size, device)


def _rate(step: Callable[[], object], amount: int, device: torch.device) -> float:
    """Amount a second, over about `_ENOUGH` seconds after one step to warm up."""
    at_once = 16 if device.type == "cuda" else 1  # else short steps are waited for longer than they take
    step()
    settle(device)
    begin, steps, seconds = perf_counter(), 0, 0.0
    while seconds < _ENOUGH:
        for _ in range(at_once):
            step()
        settle(device)
        steps, seconds = steps + at_once, perf_counter() - begin
    return amount * steps / seconds
