"""``rtstyle train PICTURE|RECIPE.toml``: a style of your own, from one picture and a folder of photos."""

from __future__ import annotations

import argparse
import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.cli.options import print_json, say
from rtstyle.cli.outputs import alone_at, check_picture, check_style
from rtstyle.cli.stopping import stopping
from rtstyle.cli.train_options import add_arguments, settings
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rtstyle.networks import Network
    from rtstyle.training.data import Photos
    from rtstyle.training.distributed import Processes
    from rtstyle.training.plan import Plan

__all__ = ["add_arguments", "run"]

_NAMED = 10  # most photos named that were left out


def run(options: argparse.Namespace) -> int:
    from rtstyle.engines import pick_device
    from rtstyle.training.distributed import own_device, started_rank
    from rtstyle.training.learner import computes_in_bfloat16
    from rtstyle.training.plan import make_plan

    options.quiet = options.quiet or started_rank() > 0  # the first process speaks for all
    device = pick_device(own_device(options.device))
    plan = make_plan(settings(options), fast=computes_in_bfloat16(device))
    out = options.out or Path(f"{_as_name(options.picture.stem)}.safetensors")
    # The first process speaks for all.
    with alone_at(out) if started_rank() == 0 else nullcontext():
        return _train(options, plan, out, device)


def _train(options: argparse.Namespace, plan: Plan, out: Path, device: torch.device) -> int:
    import torch

    from rtstyle.cli.train_report import Report
    from rtstyle.perception.backbones import check_files
    from rtstyle.styles import find_style
    from rtstyle.training.clips import Clips
    from rtstyle.training.data import FEW, Photos, read_painting
    from rtstyle.training.distributed import joined, started_count, started_rank
    from rtstyle.training.objective import by_backbone, load_backbones
    from rtstyle.training.plan import make_card, same_weights, save_trained
    from rtstyle.training.train import train

    recipe, materials = plan.recipe, plan.materials
    checkpoint, best = out.with_suffix(".checkpoint"), out.with_suffix(".best.safetensors")
    options.plot = options.plot or out.with_suffix(".plot.png")
    options.preview = options.preview or out.with_suffix(".preview.png")
    begins = (find_style(materials.start),) if materials.start else ()
    _check_outputs(options, out, [materials.picture, *options.preview_photo], checkpoint, best, begins)
    used = by_backbone((*recipe.style_layers, *recipe.content_layers))
    check_files(materials.backbone_weights, used, "--loss-network", spare=["small_vgg19"])
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    painting = read_painting(materials.picture, recipe.style_size)
    own = (materials.picture, options.preview, options.plot)  # where they lie among the photos
    photos = Photos(materials.content, crop=recipe.crop, batch=recipe.batch, seed=recipe.seed, without=own)
    clips = Clips(materials.clips, crop=recipe.crop, seed=recipe.seed) if materials.clips else None
    shown = _shown(options.preview_photo, photos) if started_rank() == 0 else []
    if len(photos.paths) < FEW:
        say(options, [f"{len(photos.paths)} photos are few; with some hundreds a style suits more pictures"])
    files = materials.backbone_weights
    backbone = load_backbones(list(dict.fromkeys([*recipe.style_layers, *recipe.content_layers])), files)
    content_backbone = load_backbones(list(recipe.content_layers), files)
    card = make_card(out.stem, plan)

    def skipped() -> dict[Path, str]:
        return photos.skipped | (clips.skipped if clips else {})

    def keep_best(network: Network, step: int, objective: float) -> None:
        save_trained(best, network, card, options.half)

    # torchrun passes one Ctrl-C on several times; only a process of its own may be in a hurry.
    alone = started_count() == 1
    with (
        joined(device) as processes, Report(options, recipe, shown, out) as report,
        stopping(alone) as stop,
    ):  # fmt: skip
        try:
            network = train(
                recipe,
                photos,
                painting,
                backbone,
                content_backbone,
                clips=clips,
                start=plan.begun[1] if plan.begun else None,
                checkpoint=checkpoint,
                device=str(device),
                processes=processes,
                listener=report,
                on_past=report.on_past,
                on_best=report.forgiving(keep_best),
                stop=stop,
            )
        except KeyboardInterrupt:
            _say_left_out(options, sorted(set(skipped().values())))
            if checkpoint.exists():
                report.tell(f"the state is kept in {checkpoint}; the same command goes on from there")
            raise
        except RtstyleError:
            if best.exists():
                report.tell(f"the best state is kept in {best}")
            raise
        left_out = _left_out(processes, skipped())
    if processes.rank == 0:
        save_trained(out, network, card, options.half)
        checkpoint.unlink(missing_ok=True)
        if best.exists() and same_weights(best, out):
            best.unlink()
        elif best.exists():
            say(options, [f"the objective was lower before the end; {best} is of then, and is kept too"])
        _say_left_out(options, left_out)
        say(options, [report.summary_line()])
        if options.json:
            print_json(report.summary() | {"left_out": left_out})
    return 0


def _shown(paths: list[Path], photos: Photos) -> list[Tensor]:
    """The photos of the preview: those named, then the first of the training photos, then a face."""
    from rtstyle.training.data import read_picture
    from rtstyle.training.preview import SHOWN, drawn_face

    if len(paths) > SHOWN:
        raise RtstyleError(f"a preview shows {SHOWN} photos; got {len(paths)} --preview-photo")
    named = [read_picture(path) for path in paths]
    return [*named, photos.picture_at(0), drawn_face()][:SHOWN]


def _check_outputs(
    options: argparse.Namespace,
    out: Path,
    inputs: list[Path],
    checkpoint: Path,
    best: Path,
    begins: tuple[Path, ...],
) -> None:
    """Refuse, before any work, files that could not be written at the end or would replace others."""
    from rtstyle.media.output import check_output
    from rtstyle.training.board import check_installed

    check_style(out, overwrite=options.overwrite, inputs=inputs)
    # What a stopped run left is its own to replace; another's state is refused before anything is written.
    overwrite = options.overwrite or checkpoint.exists()
    check_output(best, overwrite=overwrite, inputs=begins)  # the start must last as long as the run
    if options.tensorboard:
        check_installed()
    if options.plot.resolve() == options.preview.resolve():
        raise RtstyleError(f"--plot and --preview are both {options.plot}; give each a file of its own")
    for name in ("plot", "preview"):
        check_picture(getattr(options, name), overwrite=overwrite, inputs=inputs, option=f"--{name}")


def _as_name(text: str) -> str:
    """A style's name made of a picture's: `Starry Night (1)` becomes `Starry_Night_1`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or text


def _left_out(processes: Processes, skipped: dict[Path, str]) -> list[str]:
    """Why photos were left out, of all processes."""
    return sorted({reason for own in processes.gather(skipped) for reason in own.values()})


def _say_left_out(options: argparse.Namespace, reasons: list[str]) -> None:
    if reasons:
        more = [f"and {len(reasons) - _NAMED} more"] if len(reasons) > _NAMED else []
        files = "1 file was" if len(reasons) == 1 else f"{len(reasons)} files were"
        say(options, [f"{files} left out:", *reasons[:_NAMED], *more])
