"""``rtstyle train PICTURE|RECIPE.toml``: a style of your own, from one picture and a folder of photos."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.options import add_report_options, print_json, say
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from rtstyle.networks import Network
    from rtstyle.styles import Style
    from rtstyle.training.distributed import Processes
    from rtstyle.training.recipe import Recipe
    from rtstyle.training.recipe_file import Materials

# Flags that set a number of the recipe, and what they are.
_NUMBERS = {
    "style_weight": "how much the painting counts",
    "content_weight": "how much the photo counts",
    "temporal_weight": "how much steadiness in video counts",
    "style_size": "shorter side of the painting in pixels; smaller gives finer strokes",
    "steps": "of training",
    "batch": "photos a step, over all processes",
    "crop": "side of a photo's crop in pixels",
    "seed": "of all that is random",
}
_BACKBONES = ("vgg19", "vgg16", "small_vgg19")
_NAMED = 10  # most photos named that were left out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rtstyle.training.recipe import Recipe

    parser.add_argument(
        "picture", type=Path, metavar="PICTURE|RECIPE.toml", help="the style picture, or a run as a TOML file"
    )
    parser.add_argument("--content", type=Path, metavar="DIR", help="folder of training photos")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="style file to write (the picture's name.safetensors)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing style")
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    group = parser.add_argument_group("where it begins")
    begin = group.add_mutually_exclusive_group()
    begin.add_argument("--start", metavar="NAME|FILE", help="style to go on from (a shipped one)")
    begin.add_argument("--full", action="store_true", help="from random weights: hours instead of minutes")
    group.add_argument("--network", help="johnson or swift (the start's)")
    group = parser.add_argument_group("recipe", "the rest of it can be set in a recipe file")
    defaults = Recipe()
    for name, meaning in _NUMBERS.items():
        value = getattr(defaults, name)
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, type=type(value), metavar="N", help=f"{meaning} ({value:g})")
    group.add_argument("--loss-network", choices=("vgg19", "vgg16"), help="what measures style (vgg19)")
    group.add_argument(
        "--backbone-weights", type=_named_file, action="append", default=[], metavar="NAME=FILE",
        help="weights of vgg19 or vgg16 (fetched), of small_vgg19 (vgg19 does its part)",
    )  # fmt: skip
    group = parser.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument("--threads", type=int, metavar="N", help="processor threads (all cores)")
    add_report_options(parser)
    parser.add_argument("--preview", type=Path, metavar="FILE", help="sheet of pictures (OUT.preview.png)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="curves of the terms (OUT.plot.png)")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard's files there")


def run(options: argparse.Namespace) -> int:
    import torch

    from rtstyle.cli.train_report import Report
    from rtstyle.engines import pick_device
    from rtstyle.training.data import Photos, read_picture
    from rtstyle.training.distributed import joined, own_device, started_rank
    from rtstyle.training.objective import load_backbones
    from rtstyle.training.train import train

    options.quiet = options.quiet or started_rank() > 0  # the first process speaks for all
    recipe, materials, begun = _plan(options)
    out = options.out or Path(f"{options.picture.stem}.safetensors")
    _check_out(out, materials.picture, options.overwrite)
    device = pick_device(own_device(options.device))
    if options.threads:
        torch.set_num_threads(options.threads)
    painting = read_picture(materials.picture, recipe.style_size)
    photos = Photos(materials.content, crop=recipe.crop, batch=recipe.batch, seed=recipe.seed)
    files = materials.backbone_weights
    backbone = load_backbones(list(dict.fromkeys([*recipe.style_layers, *recipe.content_layers])), files)
    content_backbone = load_backbones(list(recipe.content_layers), files)
    card = _card(out.stem, recipe, materials, begun)
    checkpoint, best = out.with_suffix(".checkpoint"), out.with_suffix(".best.safetensors")

    def keep_best(network: Network, step: int, objective: float) -> None:
        report.best = step
        _save(best, network, card, options.half)

    with joined(device) as processes, Report(options, recipe, photos, out) as report, _stop() as stop:
        try:
            network = train(
                recipe,
                photos,
                painting,
                backbone,
                content_backbone,
                start=begun[1] if begun else None,
                checkpoint=checkpoint,
                device=str(device),
                processes=processes,
                listener=report,
                on_best=report.forgiving(keep_best),
                stop=stop,
            )
        except KeyboardInterrupt:
            if checkpoint.exists():
                report.tell(f"the state is kept in {checkpoint}; the same command goes on from there")
            raise
        except RtstyleError:
            if report.best:
                report.tell(f"the best state, of step {report.best}, is kept in {best}")
            raise
        left_out = _left_out(processes, photos.skipped)
    if processes.rank == 0:
        _save(out, network, card, options.half)
        checkpoint.unlink(missing_ok=True)
        if report.best == recipe.steps:  # the same weights
            best.unlink(missing_ok=True)
        elif best.exists():
            say(options, [f"the objective was lower before the end; {best} is of then, and is kept too"])
        _say_left_out(options, left_out)
        say(options, [report.summary_line()])
        if options.json:
            print_json(report.summary() | {"left_out": left_out})
    return 0


def _plan(options: argparse.Namespace) -> tuple[Recipe, Materials, tuple[Style, Network] | None]:
    """The recipe, what it is made from and the style it begins from: of the file, then of the flags."""
    from rtstyle.networks import build
    from rtstyle.styles import load_style
    from rtstyle.training.recipe_file import make_materials, make_recipe, read_recipe_file

    is_recipe = options.picture.suffix.lower() == ".toml"
    settings: dict[str, Any] = (
        read_recipe_file(options.picture) if is_recipe else {"picture": options.picture}
    )
    for name in ("content", "start", "network", *_NUMBERS):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    if options.full:
        settings |= {"full": True, "start": ""}
    files = settings.get("backbone_weights", {}) | dict(options.backbone_weights)
    materials = make_materials(settings | {"backbone_weights": files})
    if materials.full and materials.start:
        raise RtstyleError(f"full training begins from nothing, yet start is '{materials.start}'; drop one")
    begun = None
    if not materials.full:
        materials = dataclasses.replace(materials, start=materials.start or _shipped(settings.get("network")))
        begun = load_style(materials.start)
        own = begun[1].name
        if settings.get("network", own) != own:
            raise RtstyleError(f"style '{materials.start}' is a {own}, network says {settings['network']}")
        settings = {"network": own, "config": begun[1].config} | settings
    recipe = make_recipe(settings)
    build(recipe.network, recipe.config)  # raises for what does not exist
    others = {"vgg19": "vgg16"} if options.loss_network == "vgg16" else {}
    if "small_vgg19" not in files:
        others["small_vgg19"] = options.loss_network or "vgg19"
    return recipe.measured_by(others), materials, begun


def _shipped(network: str | None) -> str:
    """The style to go on from when none is named: the default one, or one of the network asked for."""
    from rtstyle.styles import DEFAULT_STYLE, list_styles

    names = [card.name for card in list_styles() if network in (None, card.network)]
    if network is None or DEFAULT_STYLE in names:
        return DEFAULT_STYLE
    if not names:
        raise RtstyleError(f"no style of network '{network}' is there to go on from; --full needs none")
    return names[0]


def _card(name: str, recipe: Recipe, materials: Materials, begun: tuple[Style, Network] | None) -> Style:
    from rtstyle.styles import Style

    recorded = dataclasses.asdict(recipe)
    if begun:
        # A file's name says nothing elsewhere; its own recipe does.
        recorded["start"] = begun[0].recipe if materials.start.endswith(".safetensors") else begun[0].name
    used = dict.fromkeys(layer.partition(".")[0] for layer in (*recipe.style_layers, *recipe.content_layers))
    files = materials.backbone_weights
    measured = (f"{name} ({Path(files[name]).name if name in files else 'torchvision'})" for name in used)
    return Style(
        name=name,
        title=materials.title,
        recipe=recorded,
        licence=materials.licence,
        sources=tuple(materials.sources),
        loss_network=materials.loss_network or ", ".join(measured),
        family=begun[0].family if begun else "",
    )


def _save(path: Path, network: Network, card: Style, half: bool) -> None:
    """Write a style; one that began from nothing founds a family, named after its weights."""
    from rtstyle.styles import save_style
    from rtstyle.training.checkpoint import digest

    if "start" not in card.recipe:
        card = dataclasses.replace(card, family=f"{card.name}-{digest(network.state_dict())[:8]}")
    save_style(path, network, card, half)


def _check_out(out: Path, picture: Path, overwrite: bool) -> None:
    """Refuse, before any work, a place the style could not be written to at the end."""
    from rtstyle.media.output import check_output, make_parent, writing
    from rtstyle.styles import SUFFIX, check_name

    if out.suffix != SUFFIX:
        raise RtstyleError(f"a style is saved as NAME{SUFFIX}; got '{out}'")
    check_name(out.stem)
    check_output(out, overwrite=overwrite, inputs=(picture,))
    make_parent(out)
    with writing(out), tempfile.TemporaryFile(dir=out.parent):
        pass


def _left_out(processes: Processes, skipped: dict[Path, str]) -> list[str]:
    """Why photos were left out, of all processes."""
    return sorted({reason for own in processes.gather(skipped) for reason in own.values()})


def _say_left_out(options: argparse.Namespace, reasons: list[str]) -> None:
    if reasons:
        more = [f"and {len(reasons) - _NAMED} more"] if len(reasons) > _NAMED else []
        say(options, [f"{len(reasons)} photos were left out:", *reasons[:_NAMED], *more])


def _named_file(text: str) -> tuple[str, str]:
    """("vgg19", "weights.safetensors") from "vgg19=weights.safetensors"."""
    name, equals, file = text.partition("=")
    if not equals or name not in _BACKBONES:
        allowed = ", ".join(f"{name}=FILE" for name in _BACKBONES)
        raise argparse.ArgumentTypeError(f"{text!r} names no loss network; allowed are {allowed}")
    return name, file


@contextmanager
def _stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a polite kill has come; a second Ctrl-C does not wait for the step to end."""
    from rtstyle.training.distributed import started_count

    asked: list[int] = []

    def hear(number: int, frame: Any) -> None:
        # torchrun passes one Ctrl-C on several times; only a process of its own may be in a hurry.
        if asked and number == signal.SIGINT and started_count() == 1:
            raise KeyboardInterrupt
        asked.append(number)  # nothing is printed here: it could interrupt another print

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
