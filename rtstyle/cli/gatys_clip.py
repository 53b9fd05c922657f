"""``rtstyle gatys CLIP STYLE... OUT.mp4``: a video painted frame by frame, each held to the last."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import print_json, say, shows_progress
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch

    from rtstyle.pipeline import Progress

# What belongs to a single picture.
_STILL = ("mask", "content_mask", "plot", "every", "compare", "seconds")


def paint_clip(options: argparse.Namespace, device: torch.device) -> int:
    from tqdm import tqdm

    from rtstyle.api import stylize_video
    from rtstyle.cli.gatys import facts_of, load, settings
    from rtstyle.cli.gatys_inputs import MATCHES
    from rtstyle.frame import to_float
    from rtstyle.media.image_file import is_image_name, read_image
    from rtstyle.media.output import check_output
    from rtstyle.media.video_file import VideoFileSource
    from rtstyle.perception.colors import with_colors_of
    from rtstyle.stylizers.carried import Carried
    from rtstyle.stylizers.defaults import PAINT_SIZE
    from rtstyle.stylizers.gatys import Style, fit, make_objective, make_plan, paint
    from rtstyle.stylizers.gatys_video import LATER, GatysFrames
    from rtstyle.stylizers.kept import Kept

    for name in _STILL:
        if getattr(options, name):
            raise RtstyleError(f"--{name.replace('_', '-')} is for pictures; {options.output} is a video")
    if is_image_name(options.content):
        raise RtstyleError(f"{options.output} is a video, {options.content} a picture; name a picture")
    check_output(options.output, overwrite=options.overwrite, inputs=(options.content, *options.styles))
    with VideoFileSource(options.content) as clip:
        first = to_float(next(iter(clip)).image)
    longest = options.size or min(PAINT_SIZE, max(first.shape[1:]))
    height, width = (2 * round(side / 2) for side in fit((first.shape[1], first.shape[2]), longest))
    paintings = [to_float(read_image(path).image) for path in options.styles]
    if options.colors in MATCHES:
        paintings = [MATCHES[options.colors](painting, first) for painting in paintings]
    styles = [Style([each.to(device) for each in paintings], options.style_weights or [1.0] * len(paintings))]
    measuring = load(options, options.backbone, device)
    say(options, measuring.notes)
    plan = make_plan((height, width), options.steps, options.scales)
    how = settings(options, measuring)
    terms = {name: how[name] for name in ("content", "style", "variation", "statistic", "style_scale")}
    frames = GatysFrames(
        lambda photo: paint(photo.to(device), styles, measuring.backbone, plan, **how).to(photo.device),
        lambda photo: make_objective(photo.to(device), styles, measuring.backbone, plan.sizes[-1], **terms),
        max(1, round(LATER * options.steps)),
        optimizer=options.optimizer,
    )
    folder = options.output.with_suffix(".frames")
    clip_facts = {"clip": str(options.content.resolve()), "bytes": str(options.content.stat().st_size)}
    kept = Kept(frames, folder, facts_of(options, plan, styles, measuring) | clip_facts)
    ways = (
        {"finish": lambda photo, result: with_colors_of(result, photo)} if options.colors == "photo" else {}
    )
    stylizer = Carried(kept, **ways)
    with tqdm(unit="frame", disable=not shows_progress(options), leave=False) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.length
            bar.set_postfix_str(f"{stylizer.cuts} cuts", refresh=False)
            bar.update(progress.frames - bar.n)

        try:
            summary = stylize_video(
                options.content, options.output,
                stylizer=stylizer, size=f"{width}x{height}", overwrite=options.overwrite, listener=show,
            )  # fmt: skip
        except BaseException:
            bar.close()
            if folder.exists():
                say(options, [f"what was painted is kept in {folder}; the same command goes on from there"])
            raise
    kept.discard()
    say(options, summary.notes, options.content.name)
    found = f", {kept.found} of them from the run before" if kept.found else ""
    say(
        options,
        [f"{options.output}: {summary.frames} frames{found}, {width}x{height}, {summary.seconds:.0f} s"],
    )
    if options.json:
        print_json({**summary.as_dict(), "cuts": stylizer.cuts})
    return 0


def is_clip(output: Path) -> bool:
    """Whether a video is asked for."""
    from rtstyle.media.encoders import is_video_name

    return is_video_name(output)
