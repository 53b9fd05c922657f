"""``rtstyle reconstruct IMAGE OUT``: what each layer keeps of a picture's content and style, as a figure."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.gatys_options import (
    add_measuring_options,
    add_number,
    check_weights,
    layer_weights,
    whole,
)
from rtstyle.cli.options import add_report_options, print_json, say, shows_progress
from rtstyle.cli.outputs import check_picture, keeping_cells
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 256  # pixels of the longer side, unless told
STEPS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a picture file")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture file, the figure")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument(
        "--size", type=whole, metavar="N", help=f"longer side in pixels (the picture's, {SIZE} at most)"
    )
    add_number(parser, "--steps", STEPS, "of each picture", whole)
    parser.add_argument("--seed", type=int, default=0, help="of the noise it begins with (0)")
    parser.add_argument(
        "--layers", type=layer_weights, metavar="LAYER,...", help="such as relu1_1,relu3_1 (those of style)"
    )
    add_measuring_options(parser.add_argument_group("what measures"))
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from rtstyle.cli.stopping import stopping
    from rtstyle.engines import pick_device
    from rtstyle.frame import to_bytes, to_float
    from rtstyle.media.image_file import read_image, write_image
    from rtstyle.media.picture import Picture
    from rtstyle.media.sheet import draw_sheet
    from rtstyle.stylizers.gatys import fit
    from rtstyle.stylizers.gatys_layers import load_measuring
    from rtstyle.stylizers.gatys_memory import check_memory
    from rtstyle.stylizers.octaves import resized
    from rtstyle.stylizers.reconstruct import from_content, from_style

    check_picture(options.output, overwrite=options.overwrite, inputs=[options.image])
    if options.layers and set(options.layers.values()) != {1.0}:
        raise RtstyleError("--layers: the figure shows each layer in full; leave their weights out")
    check_weights(options, [options.backbone], options.layers or ())
    device = pick_device(options.device)
    whole_picture = to_float(read_image(options.image).as_seen().image)
    longest = options.size or min(SIZE, max(whole_picture.shape))
    size = fit((whole_picture.shape[1], whole_picture.shape[2]), longest)
    picture = resized(whole_picture, size).clamp(0, 1).to(device)
    files, layers = dict(options.backbone_weights), options.layers
    ways = {"pooling": options.pooling, "device": device}
    measuring = load_measuring(options.backbone, files, layers, layers, **ways)
    check_memory(measuring.backbone, size, device)
    say(options, measuring.notes[-1:])
    names = list(measuring.style)
    rows: list[list[tuple[str, Tensor]]] = [[], []]
    figures = []
    total = 2 * len(names) * options.steps
    with (
        stopping() as stop,
        tqdm(total=total, disable=not shows_progress(options), leave=False, unit="step") as bar,
        keeping_cells(options, rows),
    ):
        for number, layer in enumerate(names):
            upto = dict.fromkeys(names[: number + 1], 1.0)
            # No deeper than the layer itself: a shallow one is quickly done.
            backbone = load_measuring(options.backbone, files, upto, upto, **ways).backbone
            heard = {"listener": lambda step: bar.update(), "stop": stop, "seed": options.seed}
            content = from_content(backbone, picture, layer, options.steps, **heard)
            style = from_style(backbone, picture, list(upto), options.steps, **heard)
            if stop():
                raise KeyboardInterrupt
            psnr = float(-10 * (content - picture).square().mean().log10())
            figures.append({"layer": layer, "content_psnr": round(psnr, 2)})
            rows[0].append((f"content of {layer}\n{psnr:.1f} dB", to_bytes(content.cpu())))
            first = names[0].rpartition(".")[2]
            title = f"style of {layer}" if not number else f"style of {first}\nto {layer}"
            rows[1].append((title, to_bytes(style.cpu())))
    write_image(options.output, Picture(draw_sheet(rows)))
    if options.json:
        print_json({"output": str(options.output), "layers": figures})
    say(options, [str(options.output)])
    return 0
