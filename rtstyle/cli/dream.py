"""``rtstyle dream IN OUT``: a picture or a video that shows more and more of what a network knows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import (
    add_report_options,
    add_span_options,
    check_no_span,
    print_json,
    say,
    share,
    shows_progress,
)
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch

    from rtstyle.stylizers.deepdream import Step

BACKBONE = "inception_v3"
COLORS = ("dream", "photo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rtstyle.cli.gatys_options import above_zero, add_backbone_options, finite, positive, whole
    from rtstyle.stylizers import defaults

    parser.add_argument("input", metavar="IN", help="a picture, a video, or 'noise'")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture or video file, by extension")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    group = parser.add_argument_group("picture")
    sizes = f"the photo's, {defaults.DREAM_SIZE} at most, in motion {defaults.MOVING_DREAM_SIZE}"
    group.add_argument("--size", type=whole, metavar="N", help=f"longer side in pixels ({sizes})")
    group.add_argument(
        "--colors", choices=COLORS, default="dream", help="the dream's, or the photo's kept (dream)"
    )
    group.add_argument(
        "--mask", type=Path, metavar="FILE", help="the darkest of its flat colours stays photo"
    )
    group.add_argument(
        "--strength", type=share, default=1.0, metavar="0..1", help="how much of the dream (1)"
    )
    group.add_argument(
        "--panorama", action="store_true", help="360 degrees, equirectangular: no seam, no edge"
    )
    add_span_options(group)
    group = parser.add_argument_group("what dreams")
    add_backbone_options(group, BACKBONE)
    group.add_argument(
        "--layers", metavar="LAYER[:CHANNEL][=WEIGHT],...",
        help="such as relu4_3, Mixed_5d:17=0.5,Mixed_6b, or a class: logits:cat (the backbone's defaults)",
    )  # fmt: skip
    group.add_argument("--guide", type=Path, metavar="FILE", help="a picture whose features are dreamt of")
    group = parser.add_argument_group("ascent")
    group.add_argument("--steps", type=whole, default=defaults.DREAM_STEPS, metavar="N",
                       help=f"at each octave ({defaults.DREAM_STEPS})")  # fmt: skip
    group.add_argument("--rate", type=above_zero, default=defaults.DREAM_RATE, metavar="N",
                       help=f"length of a step ({defaults.DREAM_RATE:g})")  # fmt: skip
    group.add_argument("--octaves", type=whole, default=defaults.OCTAVES, metavar="N",
                       help=f"sizes, small to large ({defaults.OCTAVES})")  # fmt: skip
    group.add_argument("--octave-ratio", type=above_zero, default=defaults.OCTAVE_RATIO, metavar="N",
                       help=f"of each size to the one before ({defaults.OCTAVE_RATIO:g})")  # fmt: skip
    group.add_argument("--seed", type=int, default=0, help="of the shifts, and of noise (0)")
    group.add_argument(
        "--tile", type=whole, metavar="N",
        help="look at parts of about N pixels a side: less memory, nearly the same dream (the whole)",
    )  # fmt: skip
    group = parser.add_argument_group("journey: from a picture to a video; each frame dreams on the last")
    group.add_argument("--zoom", type=positive, metavar="X", help="times larger each second, such as 1.3")
    group.add_argument("--rotate", type=finite, metavar="DEGREES", help="each second, counterclockwise")
    group.add_argument(
        "--shift", type=_pair, metavar="X,Y", help="share of the picture each second, as 0.1,0"
    )
    group.add_argument("--seconds", type=above_zero, metavar="S", help="of it (5)")
    group.add_argument("--fps", type=whole, metavar="N", help="of it (25)")
    group.add_argument("--loop", action="store_true", help="end where it begins")
    group = parser.add_argument_group("sheet")
    group.add_argument(
        "--sweep", nargs="+", metavar="NAME=A,B,...",
        help="a labelled grid over layers, steps, octaves or rate; layers that dream together: a+b",
    )  # fmt: skip
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from rtstyle.cli.dream_inputs import is_still
    from rtstyle.engines import pick_device
    from rtstyle.media.encoders import is_video_name
    from rtstyle.media.image_formats import WRITABLE, is_image_name
    from rtstyle.media.output import check_output, check_writable
    from rtstyle.perception.backbones import check_files

    output = options.output
    if not is_image_name(output) and not is_video_name(output):
        pictures = ", ".join(WRITABLE)
        raise RtstyleError(f"{output}: give a picture ({pictures}) or a video (mp4, mov, mkv, webm, gif)")
    others = (file for file in (options.mask, options.guide) if file)
    check_output(output, overwrite=options.overwrite, inputs=(Path(options.input), *others))
    still = is_still(options.input, is_image_name(output))
    if not still and is_image_name(output):
        raise RtstyleError(
            f"{options.input} is a video, {output} a picture; name a video, as {output.stem}.mp4"
        )
    _check(options, still)
    if still:
        check_no_span(options)
    check_files(dict(options.backbone_weights), [options.backbone])
    check_writable(output)
    device = pick_device(options.device)
    if options.sweep:
        from rtstyle.cli.dream_sheet import sheet

        return sheet(options, device)
    if is_image_name(output):
        return _picture(options, device)
    from rtstyle.cli.dream_moving import journey, video

    return journey(options, device) if still else video(options, device)


def _check(options: argparse.Namespace, still: bool) -> None:
    """Raises RtstyleError for options that have no meaning together."""
    from rtstyle.media.image_formats import is_image_name

    given = {name: getattr(options, name) for name in ("zoom", "rotate", "shift", "loop", "seconds", "fps")}
    moves = [f"--{name}" for name, value in given.items() if value is not None and value is not False]
    picture = is_image_name(options.output)
    if moves and (picture or not still):
        said = f"{', '.join(moves)}: for a journey from a picture to a video"
        raise RtstyleError(f"{said}, not {options.input} to {options.output}")
    if still and not picture and not set(moves) - {"--loop", "--seconds", "--fps"}:
        raise RtstyleError(
            f"{options.output} is a video: say how the picture moves: --zoom, --rotate or --shift"
        )
    if options.sweep and not picture:
        raise RtstyleError(f"--sweep draws one picture; {options.output} is a video")
    if still and not picture:
        lost = [f"--{name}" for name in ("mask", "panorama") if getattr(options, name)]
        lost += ["--colors"] * (options.colors != "dream") + ["--strength"] * (options.strength != 1)
        if lost:
            raise RtstyleError(f"{', '.join(lost)}: a journey leaves the photo behind; leave that out")


def _picture(options: argparse.Namespace, device: torch.device) -> int:
    from time import perf_counter

    import torch
    from tqdm import tqdm

    from rtstyle.cli.dream_inputs import finished, load_activations, make_dream, read_inputs, size_of
    from rtstyle.media.image_file import write_image

    inputs = read_inputs(options, device)
    say(options, inputs.picture.notes, options.input)
    activations, notes = load_activations(options, device, size_of(inputs.photo), options.layers)
    say(options, notes)
    dream = make_dream(options, activations)
    heard: list[Step] = []
    begin = perf_counter()
    with tqdm(unit="step", disable=not shows_progress(options), leave=False) as bar:

        def hear(step: Step) -> None:
            heard.append(step)
            bar.total = step.octaves * step.steps
            bar.set_postfix_str(f"{step.size[1]}x{step.size[0]}, activation {step.activation:.4g}")
            bar.update()

        random = torch.Generator().manual_seed(options.seed)
        result = dream(inputs.photo, random, mask=inputs.mask, listener=hear)
    seconds = perf_counter() - begin
    written = write_image(options.output, finished(options, inputs, result))
    say(options, written, options.output.name)
    height, width = result.shape[1:]
    say(options, [f"{options.output}: {width}x{height}, {', '.join(activations.layers)}, {seconds:.1f} s"])
    if options.json:
        octaves = [[step for step in heard if step.octave == n] for n in range(heard[0].octaves)]
        print_json({
            "output": str(options.output), "width": width, "height": height, "backbone": options.backbone,
            "layers": activations.layers, "seconds": round(seconds, 2),
            "octaves": [
                {"width": steps[0].size[1], "height": steps[0].size[0],
                 "first": steps[0].activation, "last": steps[-1].activation}
                for steps in octaves
            ],
            "notes": [*inputs.picture.notes, *notes, *written],
        })  # fmt: skip
    return 0


def _pair(text: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers, as 0.1,0") from None
    return across, down
