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
_STILL = ("plot", "every", "compare", "seconds")


def paint_clip(options: argparse.Namespace, device: torch.device) -> int:
    """Masks are stills, laid on every frame."""
    from rtstyle.cli.carried_video import carry_video, even, first_frame
    from rtstyle.cli.gatys import all_inputs
    from rtstyle.cli.gatys_inputs import read_content_mask, read_init, read_styles, size_asked
    from rtstyle.cli.gatys_settings import facts_of, load, settings
    from rtstyle.media.image_formats import is_readable_name
    from rtstyle.media.output import check_output
    from rtstyle.perception.colors import with_colors_of
    from rtstyle.stylizers.gatys import make_plan, paint
    from rtstyle.stylizers.gatys_memory import check_memory
    from rtstyle.stylizers.gatys_regions import make_objective, make_regions
    from rtstyle.stylizers.gatys_video import LATER, GatysFrames

    for name in _STILL:
        if getattr(options, name):
            raise RtstyleError(f"--{name.replace('_', '-')} is for pictures; {options.output} is a video")
    if is_readable_name(options.content):
        raise RtstyleError(f"{options.output} is a video, {options.content} a picture; name a picture")
    check_output(options.output, overwrite=options.overwrite, inputs=all_inputs(options))
    first = first_frame(options.content, options.start, options.end)
    size = even(size_asked(options, first))
    plan = make_plan(size, options.steps, options.scales)
    styles, kept = read_styles(options, first, size, device)
    content_mask = read_content_mask(options.content_mask, size, device)
    init = read_init(options.init, plan, options.seed, device)
    measuring = load(options, options.backbone, device)
    check_memory(measuring.backbone, size, device)
    say(options, measuring.notes)
    how = settings(options, measuring) | {"content_mask": content_mask}
    # Once for all frames: a mix of Gaussians takes longer than a frame.
    regions = make_regions(
        styles, measuring.backbone, size, list(how["style"]), how["statistic"], how["style_scale"]
    )
    terms = {name: how[name] for name in ("content", "style", "variation", "statistic", "content_mask")}
    frames = GatysFrames(
        lambda photo: paint(photo, styles, measuring.backbone, plan, init=init, **how),
        lambda photo: make_objective(photo, regions, measuring.backbone, size, **terms),
        max(1, round(LATER * options.steps)),
        optimizer=options.optimizer,
        device=device,
    )

    def finish(photo: Tensor, result: Tensor) -> Tensor:
        result = with_colors_of(result, photo) if options.colors == "photo" else result
        return result if kept is None else result.lerp(photo, kept[0].to(photo.device))

    return carry_video(
        options, options.content, size, frames,
        facts_of(options, plan, styles, measuring, (kept, content_mask, init)),
        finish=finish, done="painted",
    )  # fmt: skip


def is_clip(output: Path) -> bool:
    """Whether a video is asked for."""
    from rtstyle.media.encoders import is_video_name

    return is_video_name(output)
