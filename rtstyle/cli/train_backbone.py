"""``rtstyle train-backbone FOLDER``: a network that has learnt to tell your own things dreams of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstyle.cli.options import add_report_options, print_json, say, shows_progress
from rtstyle.cli.outputs import check_picture
from rtstyle.errors import RtstyleError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from rtstyle.training.backbone import Epoch, Trained
    from rtstyle.training.classes import Classes

BACKBONE = "resnet50"
_NAMED = 10  # most pictures named that were left out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from rtstyle.cli.gatys_options import add_backbone_options, add_number, backbone_names, whole
    from rtstyle.stylizers import defaults

    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a sub-folder of pictures for each class")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="weights file to write (FOLDER-BACKBONE.safetensors)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing weights and plot")
    group = parser.add_argument_group("what is trained")
    which = group.add_mutually_exclusive_group()
    add_backbone_options(group, BACKBONE, weights="weights files to begin with (fetched)", either=which)
    which.add_argument(
        "--compare", type=backbone_names, metavar="NAME,NAME,...", help="train each; one figure"
    )
    group.add_argument(
        "--freeze", metavar="LAYER", help="the last layer that stays as it is (at 60 %% of their number)"
    )
    group = parser.add_argument_group("training")
    add_number(group, "--epochs", defaults.TUNED_EPOCHS, "passes over the pictures", whole)
    add_number(group, "--crop", defaults.TUNED_CROP, "pixels a side", whole)
    add_number(group, "--batch", defaults.TUNED_BATCH, "pictures a step", whole)
    add_number(group, "--rate", defaults.TUNED_RATE, "of Adam")
    group.add_argument("--seed", type=int, default=0, help="of split and crops (0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="loss and accuracy (OUT.plot.png)")
    add_report_options(parser)


def run(options: argparse.Namespace) -> int:
    from rtstyle.cli.stopping import stopping
    from rtstyle.engines import pick_device
    from rtstyle.media.output import check_output, check_writable
    from rtstyle.training.backbone_plot import draw_epochs
    from rtstyle.training.classes import read_classes, split

    names = options.compare or [options.backbone]
    folder = options.folder
    suffix = "" if options.compare else f"-{names[0]}"
    whole = options.out or Path(f"{folder.resolve().name}{suffix}.safetensors")
    if whole.suffix != ".safetensors":
        raise RtstyleError(f"{whole}: weights are written as NAME.safetensors")
    outs = {name: whole.with_stem(f"{whole.stem}-{name}") if options.compare else whole for name in names}
    begun = dict(options.backbone_weights)
    for out in outs.values():
        check_output(out, overwrite=options.overwrite, inputs=tuple(begun.values()))
    _check(names, begun, options)
    check_writable(whole)
    plot = options.plot or whole.with_suffix(".plot.png")
    check_picture(plot, overwrite=options.overwrite, option="--plot")
    device = pick_device(options.device)
    classes = read_classes(folder, options.crop)
    if classes.skipped:
        count = len(classes.skipped)
        more = [f"and {count - _NAMED} more"] if count > _NAMED else []
        title = f"{count} {'files were' if count > 1 else 'file was'} left out:"
        say(options, [title, *classes.skipped[:_NAMED], *more])
    parts = split(classes.labels, options.seed)
    counts = [f"{name} {classes.labels.count(label)}" for label, name in enumerate(classes.names)]
    say(options, [f"{', '.join(counts)}; {len(parts[0])} to train on, {len(parts[1])} to validate"])
    epochs: dict[str, list[Epoch]] = {}
    summaries = []
    lost: list[str] = []
    with stopping() as stop:
        for name, out in outs.items():
            heard = epochs.setdefault(name, [])
            trained = _train(options, name, classes, parts, device, heard, stop)
            _write(out, trained, begun.get(name))
            best = trained.epoch
            if trained.lost:
                lost.append(f"{name}: {trained.lost}; {out} holds the best before, of epoch {best.number}")
            try:
                draw_epochs(plot, epochs)
            except RtstyleError as error:  # the weights are what it is about
                say(options, [str(error)])
            told = ", ".join(
                f"{each} {right}/{sum(classes.labels[place] == label for place in parts[1])}"
                for label, (each, right) in enumerate(zip(classes.names, best.right, strict=True))
            )
            say(options, [f"{out}: epoch {best.number}, {best.validation_accuracy:.1%} right ({told})"])
            summaries.append(_summary(name, out, heard, best))
            if stop():
                break
        stopped = stop()
    if options.json:
        facts = {"classes": classes.names, "skipped": classes.skipped, "plot": str(plot)}
        print_json({**facts, "runs": summaries})
    if stopped:
        say(options, lost)
        raise KeyboardInterrupt
    if lost:
        raise RtstyleError("; ".join(lost))
    return 0


def _check(names: list[str], begun: dict[str, Path], options: argparse.Namespace) -> None:
    """Raises RtstyleError for files and layers that are not there: of all, before the first is trained."""
    from rtstyle.perception.backbones import check_files, layers_of
    from rtstyle.perception.backbones.backbone import check_known

    check_files(begun, names, "--compare" if len(names) > 1 else "--backbone")
    for name in names:
        if options.freeze is not None:
            check_known((options.freeze,), layers_of(name), name)
    for name in names if len(names) > 1 else ():  # one alone shows itself at once
        _load(options, name)


def _load(options: argparse.Namespace, name: str) -> tuple[Any, str]:
    """A network, and the layer up to which it is not trained. Raises RtstyleError for a crop too small."""
    from rtstyle.training.backbone import load_trainable

    backbone, frozen = load_trainable(name, dict(options.backbone_weights).get(name), options.freeze)
    if options.crop < backbone.smallest:
        raise RtstyleError(f"--crop {options.crop}: {name} takes {backbone.smallest} pixels a side and more")
    return backbone, frozen


def _train(
    options: argparse.Namespace,
    name: str,
    classes: Classes,
    parts: tuple[list[int], list[int]],
    device: torch.device,
    heard: list[Epoch],
    stop: Callable[[], bool],
) -> Trained:
    from tqdm import tqdm

    from rtstyle.training.backbone import train_backbone

    backbone, frozen = _load(options, name)
    say(options, [f"{name}: to {backbone.layers[-1]}; what comes after {frozen} is trained"])
    with tqdm(unit="picture", disable=not shows_progress(options), leave=False) as bar:

        def hear(epoch: Epoch) -> None:
            heard.append(epoch)
            bar.clear()
            learnt = f"loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.1%}"
            tested = f"validation {epoch.validation_loss:.3f}, {epoch.validation_accuracy:.1%}"
            line = f"{name} epoch {epoch.number}/{epoch.of}: {learnt}; {tested}; {epoch.seconds:.0f} s"
            say(options, [line])

        def show(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        return train_backbone(
            backbone, classes, *parts, epochs=options.epochs, crop=options.crop, batch=options.batch,
            rate=options.rate, seed=options.seed, device=device, listener=hear, progress=show, stop=stop,
        )  # fmt: skip


def _write(out: Path, trained: Trained, file: Path | None) -> None:
    """The tuned weights with their classifier; pictures are prepared as those of the file they began with."""
    from rtstyle.perception.backbones.classifier import add_classifier
    from rtstyle.perception.backbones.weights import read_weights, write_weights

    tensors, metadata = add_classifier(trained.backbone.file_weights(), trained.classifier)
    before = {} if file is None else read_weights(file)[1]
    if "preprocessing" in before:
        metadata["preprocessing"] = before["preprocessing"]
    write_weights(out, tensors, metadata)


def _summary(name: str, out: Path, heard: list[Epoch], best: Epoch) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "backbone": name, "output": str(out), "best": best.number, "accuracy": best.validation_accuracy,
        "loss": best.validation_loss, "epochs": [asdict(epoch) for epoch in heard],
    }  # fmt: skip
