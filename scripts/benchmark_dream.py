"""What does a step of DeepDream cost beside the published procedure, written plainly?

The same network, layers and sizes (16:9, by the longer side). Plain: the picture rolled, the mean square
of each layer's features, its gradient by autograd, blurred by three truncated Gaussians (9x9), divided by
its deviation, added, clamped, rolled back. Each in a process of its own, in turns; the median of the
steps' times, the least over the rounds, and the peak of the process's memory.

    python scripts/benchmark_dream.py --backbone inception_v3 --weights inception_v3.safetensors
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.stylizers.activations import Activations, Target
from rtstyle.stylizers.deepdream import SHIFT, DeepDream, Step
from rtstyle.stylizers.defaults import DREAM_RATE
from rtstyle.stylizers.dream_layers import load_dreaming

Clock = Callable[[], float]

_KERNEL = 9  # pixels
_CLOCKS: dict[str, Clock] = {"wall": perf_counter, "cpu": process_time}


def plain(
    backbone: nn.Module, layers: tuple[str, ...], image: Tensor, steps: int, clock: Clock
) -> list[float]:
    """Seconds of each step."""
    image, times = image[None].clone(), []
    for step in range(steps):
        begin = clock()
        down, across = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
        image = torch.roll(image, (down, across), (2, 3)).detach().requires_grad_()
        found = backbone(image)
        loss = torch.stack(
            [F.mse_loss(found[layer], torch.zeros_like(found[layer])) for layer in layers]
        ).mean()
        loss.backward()
        assert image.grad is not None
        width = 2.0 * (step + 1) / steps + 0.5
        gradient = sum(blurred(image.grad, share * width) for share in (0.5, 1.0, 2.0)) / 3
        gradient = gradient / torch.std(gradient)
        image = torch.clamp(image.detach() + DREAM_RATE * gradient, 0, 1)
        image = torch.roll(image, (-down, -across), (2, 3))
        times.append(clock() - begin)
    return times


def blurred(image: Tensor, deviation: float) -> Tensor:
    places = torch.arange(_KERNEL) - _KERNEL // 2
    squares = places[:, None] ** 2 + places[None] ** 2
    kernel = torch.exp(-squares / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).to(image).expand(3, 1, _KERNEL, _KERNEL)
    padded = F.pad(image, (_KERNEL // 2,) * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=3)


def ours(
    backbone: nn.Module, targets: tuple[Target, ...], image: Tensor, steps: int, clock: Clock
) -> list[float]:
    """Seconds from each step to the next; one more is done, to end the last."""
    heard: list[float] = []

    def hear(step: Step) -> None:
        heard.append(clock())

    dream = DeepDream(Activations(backbone, targets), steps=steps + 1, octaves=1)  # type: ignore[arg-type]
    dream(image, torch.Generator().manual_seed(0), listener=hear)
    return [after - before for before, after in pairwise(heard)]


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One method at one size, in this process."""
    backbone, targets, _ = load_dreaming(options.backbone, options.weights)
    side, clock = options.sizes[0], _CLOCKS[options.clock]
    image = torch.rand((3, round(side * 9 / 16), side), generator=torch.Generator().manual_seed(0))
    methods: dict[str, Callable[[], list[float]]] = {
        "ours": lambda: ours(backbone, targets, image, options.steps, clock),
        "plain": lambda: plain(
            backbone.to(memory_format=torch.contiguous_format),
            tuple(target.layer for target in targets), image, options.steps, clock,
        ),
    }  # fmt: skip
    times = methods[options.only]()
    return {
        "seconds": statistics.median(times[1:]),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="inception_v3")
    parser.add_argument("--weights", type=Path, help="its weights file (fetched)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 1280, 2560])
    parser.add_argument("--steps", type=int, default=4, help="in each run; the first is not counted (4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--clock", choices=tuple(_CLOCKS), default="wall", help="cpu on a busy machine (wall)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--only", choices=("ours", "plain"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options)))
        return 0
    result = {}
    print(f"{options.backbone}, torch {torch.__version__}, {os.cpu_count()} cores")
    for side in options.sizes:
        best: dict[str, dict[str, float]] = {}
        for _ in range(options.rounds):
            for only in ("plain", "ours"):
                command = [sys.executable, __file__, "--only", only, "--sizes", str(side)]
                command += [
                    "--steps",
                    str(options.steps),
                    "--backbone",
                    options.backbone,
                    "--clock",
                    options.clock,
                ]
                command += ["--weights", str(options.weights)] if options.weights else []
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found = json.loads(said)
                held = best.setdefault(only, {"seconds": math.inf, "megabytes": math.inf})
                best[only] = {name: min(value, found[name]) for name, value in held.items()}
        result[side] = best
        ratio = best["ours"]["seconds"] / best["plain"]["seconds"]
        for name, each in best.items():
            megabytes = f"{each['megabytes']:8.0f} MB at the peak"
            print(f"{side:5} {name:6} {each['seconds']:8.3f} s a step {megabytes}")
        print(f"{side:5} ours takes {ratio:.2f} of the plain one's time", flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
