"""``rtstyle gatys CLIP STYLE... OUT.mp4``: a video painted frame by frame, each held to the last."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import say
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# What belongs to a single picture.
_STILL = ("mask", "content_mask", "plot", "every", "compare", "seconds")


def paint_clip(options: argparse.Namespace, device: torch.device) -> int:
    from rtstyle.cli.carried_video import carry_video, even, first_frame
    from rtstyle.cli.gatys import facts_of, load, settings
    from rtstyle.cli.gatys_inputs import MATCHES
    from rtstyle.frame import to_float
    from rtstyle.media.image_file import is_image_name, read_image
    from rtstyle.media.output import check_output
    from rtstyle.perception.colors import with_colors_of
    from rtstyle.stylizers.defaults import PAINT_SIZE
    from rtstyle.stylizers.gatys import Style, fit, make_objective, make_plan, make_regions, paint
    from rtstyle.stylizers.gatys_video import LATER, GatysFrames

    for name in _STILL:
        if getattr(options, name):
            raise RtstyleError(f"--{name.replace('_', '-')} is for pictures; {options.output} is a video")
    if is_image_name(options.content):
        raise RtstyleError(f"{options.output} is a video, {options.content} a picture; name a picture")
    check_output(options.output, overwrite=options.overwrite, inputs=(options.content, *options.styles))
    first = first_frame(options.content)
    longest = options.size or min(PAINT_SIZE, max(first.shape[1:]))
    size = even(fit((first.shape[1], first.shape[2]), longest))
    paintings = [to_float(read_image(path).image) for path in options.styles]
    if options.colors in MATCHES:
        paintings = [MATCHES[options.colors](painting, first) for painting in paintings]
    styles = [Style([each.to(device) for each in paintings], options.style_weights or [1.0] * len(paintings))]
    measuring = load(options, options.backbone, device)
    say(options, measuring.notes)
    plan = make_plan(size, options.steps, options.scales)
    how = settings(options, measuring)
    # Once for all frames: a mix of Gaussians takes longer than a frame.
    regions = make_regions(
        styles, measuring.backbone, size, list(how["style"]), how["statistic"], how["style_scale"]
    )
    terms = {name: how[name] for name in ("content", "style", "variation", "statistic")}
    frames = GatysFrames(
        lambda photo: paint(photo.to(device), styles, measuring.backbone, plan, **how).to(photo.device),
        lambda photo: make_objective(photo.to(device), regions, measuring.backbone, size, **terms),
        max(1, round(LATER * options.steps)),
        optimizer=options.optimizer,
    )

    def finish(photo: Tensor, result: Tensor) -> Tensor:
        return with_colors_of(result, photo) if options.colors == "photo" else result

    return carry_video(
        options, options.content, size, frames, facts_of(options, plan, styles, measuring),
        finish=finish, done="painted",
    )  # fmt: skip


def is_clip(output: Path) -> bool:
    """Whether a video is asked for."""
    from rtstyle.media.encoders import is_video_name

    return is_video_name(output)
