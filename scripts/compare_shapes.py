"""What each number of `swift` costs and what it is good for: narrower networks taught by one shipped style.

    python scripts/compare_shapes.py starry_night --painting starry_night.jpg --content photos/ --photos more/

Every shape begins with the style's own channels, those left out that matter least, and is taught for the
same number of steps on the same photos (`rtstyle.training.narrow`, `rtstyle.training.distil`). Then, side by
side: GFLOP and milliseconds a frame on one thread, in turns (medians), how near its pictures are to the
wide network's, and its error to the painting as a multiple of the wide network's, both on photos not
trained on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

from rtstyle.benchmark.ceiling import flop_of
from rtstyle.cli.allocator import keep_freed_memory
from rtstyle.engines import Engine, load_engine
from rtstyle.frame import to_bytes
from rtstyle.networks import Network, build
from rtstyle.perception.backbones import load_backbone
from rtstyle.styles import load_style
from rtstyle.training.data import Photos, list_pictures, read_picture
from rtstyle.training.distil import distil
from rtstyle.training.evaluate import LAYERS, nearness, psnr
from rtstyle.training.narrow import narrowed

# Channels at half, quarter and eighth; residual blocks at quarter and eighth.
SHAPES = ["16,32,64,1,4", "16,32,48,1,4", "16,32,32,1,4", "16,32,32,1,3", "16,32,32,1,2", "16,24,32,1,4"]
SHAPES += ["12,24,48,1,4", "12,24,32,1,4", "8,24,32,1,4", "8,16,32,1,4"]
NUMBERS = ("half", "quarter", "eighth", "quarter_blocks", "eighth_blocks")
CROP, BATCH, SEED = 184, 4, 3
ROUNDS = 15


def taught(wide: Network, shape: dict[str, int], content: Path, steps: int) -> Network:
    state = wide.state_dict()
    student = build("swift", shape)
    if shape == wide.config:
        student.load_state_dict(state)
        return student.eval()
    (first,) = narrowed([state], wide, shape)
    photos = Photos(content, crop=CROP, batch=BATCH, seed=SEED)
    result = distil(wide, {"style": state}, student, {"style": first}, photos, steps, seed=SEED)
    student.load_state_dict(result["style"])
    return student.eval()


def milliseconds(engines: list[Engine], width: int, height: int) -> list[float]:
    """Of one frame, medians of rounds in which each engine has its turn."""
    image = torch.nn.functional.interpolate(torch.rand(1, 3, height // 8, width // 8), (height, width))
    frame = to_bytes(image[0])
    found: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, own in zip(engines, found, strict=True):
            begin = time.perf_counter()
            engine(frame)
            own.append(1000 * (time.perf_counter() - begin))
    return [statistics.median(own[2:]) for own in found]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("style", help="a shipped style in swift, the teacher")
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--content", type=Path, required=True, help="folder of photos to train on")
    parser.add_argument("--photos", type=Path, required=True, help="folder of other photos")
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help=f"each {','.join(NUMBERS)}")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="of the frames timed")
    parser.add_argument("--backbone-weights", type=Path, help="VGG19's file; without one it is fetched")
    parser.add_argument("--engine", default="eager")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    card, wide = load_style(options.style)
    painting = read_picture(options.painting, card.recipe.get("style_size") or 480)
    photos = [read_picture(path, 480) for path in list_pictures(options.photos)[:10]]
    backbone = load_backbone("vgg19", LAYERS, options.backbone_weights)
    networks: list[Network] = []
    rows: list[list[str]] = []
    wanted = [_painted(wide, photo) for photo in photos]
    own = nearness(lambda batch: _painted(wide, batch[0])[None], photos, painting, backbone)["style_error"]
    for text in options.shapes:
        shape = dict(zip(NUMBERS, map(int, text.split(",")), strict=True))
        network = taught(wide, shape, options.content, options.steps)
        networks.append(network)
        found = [psnr(_painted(network, photo), target) for photo, target in zip(photos, wanted, strict=True)]
        near = "-" if shape == wide.config else f"{statistics.mean(found):.1f}"
        style = nearness(lambda batch, net=network: _painted(net, batch[0])[None], photos, painting, backbone)
        flop = flop_of(network, *options.size) / 1e9
        rows.append([text, f"{flop:.2f}", near, f"{style['style_error'] / own:.3f}"])
        print(*rows[-1], file=sys.stderr)
    engines = [load_engine(network, options.engine, "cpu") for network in networks]
    print("| half, quarter, eighth, blocks | GFLOP | ms | dB to the wide one | style error |")
    print("|---|---|---|---|---|")
    for row, each in zip(rows, milliseconds(engines, *options.size), strict=True):
        print(f"| {row[0]} | {row[1]} | {each:.1f} | {row[2]} | x {row[3]} |")


@torch.inference_mode()
def _painted(network: Network, photo: torch.Tensor) -> torch.Tensor:
    return network(photo[None])[0].clamp(0, 1)


if __name__ == "__main__":
    main()
