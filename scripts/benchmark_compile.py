"""Does torch.compile pay? Each style as engine eager runs it and compiled, in turn, on this processor.

    python scripts/benchmark_compile.py --styles starry_night_fast,starry_night --size 320x240 --threads 1

Prints seconds of compiling for this one size (fewer where PyTorch has compiled the same before), and how many
times faster a picture is then (median, quartiles).
"""

from __future__ import annotations

import argparse
import statistics
from time import perf_counter

import torch
from torch import Tensor, nn

from rtstyle.engines.eager import Eager
from rtstyle.media.geometry import parse_size
from rtstyle.styles import load_style


def seconds(network: nn.Module, image: Tensor) -> float:
    begin = perf_counter()
    network(image)
    return perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--styles", default="starry_night_fast,starry_night,starry_night_johnson")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = parse_size(options.size)
    image = torch.rand(1, 3, height, width or height * 4 // 3)
    for name in options.styles.split(","):
        network = load_style(name)[1].eval().to(memory_format=torch.channels_last)
        compiled = torch.compile(network, dynamic=False)
        tuned = Eager(network, torch.device("cpu")).network
        with torch.inference_mode():
            compiling = seconds(compiled, image)
            seconds(tuned, image)
            ratios = [seconds(tuned, image) / seconds(compiled, image) for _ in range(options.rounds)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name}: {compiling:.0f} s of compiling, then {middle:.2f} times as fast"
            f" ({low:.2f} to {high:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
