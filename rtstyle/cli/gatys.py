"""``rtstyle gatys CONTENT STYLE... OUT``: a picture or a video painted like others, by optimising pixels."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.gatys_options import (
    BACKBONE,
    above_zero,
    add_measuring_options,
    add_number,
    backbone_names,
    check_weights,
    layer_weights,
    numbers,
    positive,
    sides,
    whole,
)
from rtstyle.cli.options import add_report_options, add_span_options, check_no_span, print_json, say
from rtstyle.cli.outputs import alone_at, check_picture
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rtstyle.cli.gatys_inputs import Inputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rtstyle.stylizers import defaults

    parser.add_argument("content", type=Path, metavar="CONTENT", help="the photo, or a video")
    parser.add_argument("styles", type=Path, nargs="+", metavar="STYLE", help="one painting or several")
    parser.add_argument("output", type=Path, metavar="OUT", help="a picture file, or a video")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    group = parser.add_argument_group("picture")
    group.add_argument(
        "--size",
        type=whole,
        metavar="N",
        help=f"longer side in pixels (the photo's, {defaults.PAINT_SIZE} at most)",
    )
    group.add_argument(
        "--colors", choices=("style", "photo", "match", "histogram"), default="style",
        help="the style's, the photo's kept, or the painting's matched to the photo's before (style)",
    )  # fmt: skip
    group.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="one style for each of its colours, dark to light; with one style less the darkest stays photo",
    )  # fmt: skip
    group.add_argument(
        "--content-mask", type=Path, metavar="FILE", help="white where the photo's content counts"
    )
    add_span_options(group)
    group = parser.add_argument_group("style")
    add_number(group, "--style-weight", defaults.STYLE_WEIGHT, "how much the painting counts")
    add_number(group, "--content-weight", defaults.CONTENT_WEIGHT, "how much the photo counts")
    add_number(group, "--variation-weight", defaults.VARIATION_WEIGHT, "how much smoothness counts")
    group.add_argument(
        "--style-weights", type=numbers, metavar="A,B,...", help="of several styles in a mix (equal)"
    )
    scale = "size of the paintings, and so of strokes, over the photo's"
    add_number(group, "--style-scale", 1.0, scale, above_zero)
    group.add_argument(
        "--style-loss",
        choices=defaults.STATISTICS,
        default="gram",
        help="what is kept of the painting (gram)",
    )
    group = parser.add_argument_group("what measures")
    add_measuring_options(group)
    for kind in ("content", "style"):
        group.add_argument(
            f"--{kind}-layers", type=layer_weights, metavar="LAYER[=WEIGHT],...",
            help="such as relu4_2, or small_vgg19.relu4_2=0.5 (the backbone's defaults)",
        )  # fmt: skip
    group = parser.add_argument_group("descent")
    add_number(group, "--steps", defaults.PAINT_STEPS, "over all scales", whole)
    group.add_argument("--seconds", type=above_zero, metavar="S", help="stop in time, whatever the steps")
    group.add_argument(
        "--tolerance", type=positive, default=0.0, metavar="SHARE",
        help="end a scale when ten steps lower the total by less than this share (0: never)",
    )  # fmt: skip
    group.add_argument(
        "--scales", type=sides, metavar="N,...", help="longer sides to begin with; 0: one scale (by halves)"
    )
    group.add_argument("--optimizer", choices=defaults.OPTIMIZERS, default="lbfgs", help="(lbfgs)")
    group.add_argument(
        "--init", default="content", metavar="content|noise|FILE", help="first image (content)"
    )
    group.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    group = parser.add_argument_group("other outputs")
    group.add_argument("--plot", type=Path, metavar="FILE", help="curves of the terms")
    group.add_argument("--every", type=whole, metavar="N", help="a picture every N steps, OUT.00050.ext")
    group.add_argument(
        "--compare", type=backbone_names, metavar="NAME,NAME,...",
        help="paint with each of these backbones; OUT becomes a sheet, and a table is printed",
    )  # fmt: skip
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from rtstyle.cli.gatys_clip import is_clip, paint_clip
    from rtstyle.cli.gatys_inputs import read_inputs
    from rtstyle.engines import pick_device

    if options.compare and options.backbone != BACKBONE:
        raise RtstyleError(f"--compare names the backbones; leave out --backbone {options.backbone}")
    layers = (*(options.content_layers or ()), *(options.style_layers or ()))
    check_weights(options, options.compare or [options.backbone], layers)
    if is_clip(options.output):
        return paint_clip(options, pick_device(options.device))
    check_no_span(options)
    _check_outputs(options)
    device = pick_device(options.device)
    inputs = read_inputs(options, device, alone=not options.compare)
    say(options, inputs.picture.notes, options.content.name)
    if options.compare:
        from rtstyle.cli.gatys_compare import compare

        return compare(options, inputs, device)
    with alone_at(options.output):
        return paint_one(options, inputs, device)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse, before any work, files that could not be written or would replace others."""
    from rtstyle.cli.gatys_report import snapshot

    inputs = all_inputs(options)
    check_picture(options.output, overwrite=options.overwrite, inputs=inputs)
    if options.compare and (options.plot or options.every):
        raise RtstyleError("--plot and --every show how one painting goes, --compare makes several; choose")
    if options.plot == options.output:
        raise RtstyleError(f"--plot {options.plot}: is the output itself; name another file")
    # What a stopped run left is its own to replace; another's state is refused before anything is written.
    overwrite = options.overwrite or _state(options).exists()
    if options.plot:
        check_picture(options.plot, overwrite=overwrite, inputs=inputs, option="--plot")
    if options.every:
        for number in range(options.every, options.steps + 1, options.every):
            check_picture(snapshot(options.output, number), overwrite=overwrite, inputs=inputs)


def all_inputs(options: argparse.Namespace) -> tuple[Path, ...]:
    """Every file that is read and must not be written over."""
    more = (options.mask, options.content_mask, Path(options.init))  # content and noise are no files
    return options.content, *options.styles, *(file for file in more if file is not None)


def _state(options: argparse.Namespace) -> Path:
    """Where a stopped run keeps how far it came."""
    return options.output.with_suffix(".checkpoint")


def paint_one(options: argparse.Namespace, inputs: Inputs, device: torch.device) -> int:
    from rtstyle.cli.gatys_report import Report, groups
    from rtstyle.cli.gatys_settings import facts_of, load, settings
    from rtstyle.cli.stopping import stopping
    from rtstyle.media.image_file import write_image
    from rtstyle.stylizers.gatys import Progress, paint, with_kept
    from rtstyle.stylizers.gatys_memory import check_memory
    from rtstyle.stylizers.gatys_state import digest, read_state, write_state
    from rtstyle.stylizers.octaves import resized

    measuring = load(options, options.backbone, device)
    check_memory(measuring.backbone, inputs.plan.sizes[-1], device)
    say(options, measuring.notes)
    state = _state(options)
    others = inputs.kept, inputs.content_mask, inputs.init
    facts = facts_of(options, inputs.plan, inputs.styles, measuring, others)
    facts["photo"] = digest(inputs.photo)
    progress = read_state(state, facts) or Progress()

    def save(image: Tensor, path: Path, laid: bool = True) -> list[str]:
        result = resized(image[0], inputs.plan.sizes[-1])
        if inputs.kept is not None and not laid:  # what stays photo `paint` lays over at its end alone
            result = with_kept(result, inputs.photo, inputs.kept)
        return write_image(path, inputs.finished(result.clamp(0, 1)))

    report = Report(
        options, inputs.plan, progress,
        keep=lambda: write_state(state, progress, facts), save=partial(save, laid=False),
    )  # fmt: skip
    with stopping() as stop, report:
        result = paint(
            inputs.photo, inputs.styles, measuring.backbone, inputs.plan,
            **settings(options, measuring),
            content_mask=inputs.content_mask, kept=inputs.kept, init=inputs.init,
            listener=report, stop=stop, progress=progress,
        )  # fmt: skip
        stopped = progress.scale < len(inputs.plan.sizes)
        if stopped:
            write_state(state, progress, facts)
    if stopped:
        save(result[None], report.partial)
        say(options, [f"{report.partial} is how far it came; the same command goes on from there"])
        raise KeyboardInterrupt
    notes = save(result[None], options.output)
    state.unlink(missing_ok=True)
    report.partial.unlink(missing_ok=True)
    say(options, notes, options.output.name)
    height, width = result.shape[1:]
    say(options, [f"{options.output}: {width}x{height}, {progress.seconds:.0f} s"])
    if options.json:
        terms = progress.terms[-1][1] if progress.terms else {}
        print_json({
            "output": str(options.output), "width": width, "height": height,
            "steps": len(progress.terms), "seconds": round(progress.seconds, 2),
            **{name: round(value, 6) for name, value in groups(terms).items()},
            "total": round(sum(terms.values()), 6),
            "terms": {name: round(value, 6) for name, value in terms.items()},
            "notes": [*inputs.picture.notes, *measuring.notes, *notes],
        })  # fmt: skip
    return 0
