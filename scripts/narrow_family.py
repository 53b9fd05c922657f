"""Styles for slower machines: a family of narrower networks that paint what the shipped ones paint.

    python scripts/narrow_family.py --content photos/ --numbers eighth=32 --suffix _fast --out models/

Channels that matter least are left out, in all styles alike; what is left is taught by the wide networks
(`rtstyle.training.narrow`, `rtstyle.training.distil`). It goes on where it was stopped. After wide styles
were trained further, `--again` teaches the narrow ones at hand anew, which takes fewer steps (`--steps`).
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import sys
import time
from pathlib import Path

import torch

from rtstyle.networks import Network, build
from rtstyle.style_file import save_style
from rtstyle.styles import list_styles, load_style
from rtstyle.training.data import Photos, list_pictures, read_picture
from rtstyle.training.distil import Taught, distil
from rtstyle.training.evaluate import psnr
from rtstyle.training.narrow import narrowed

CROP, BATCH = 368, 1  # pixels; photos a step. What is painted along the edges depends on the size
SEED = 3
SIZE = 480  # pixels, shorter side of photos that nearness is measured on


class Report:
    """Prints how near the students are, as PSNR in dB, from time to time."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.errors: dict[str, float] = {}

    def __call__(self, taught: Taught) -> None:
        name = taught.styles[0] if len(taught.styles) == 1 else "mixes"
        before = self.errors.get(name, taught.error)
        self.errors[name] = 0.7 * before + 0.3 * taught.error
        if taught.number % 100 == 0 or taught.number == taught.of:
            found = {name: -10 * math.log10(error) for name, error in self.errors.items()}
            mixes = found.pop("mixes", math.nan)
            mean = sum(found.values()) / max(1, len(found))
            line = (
                f"step {taught.number} of {taught.of}: styles {mean:.1f} dB (worst {min(found.values()):.1f})"
            )
            print(f"{line}, mixes {mixes:.1f} dB, {time.monotonic() - self.began:.0f} s", file=sys.stderr)


@torch.inference_mode()
def say_nearness(wide: dict[str, Network], suffix: str, folder: Path) -> None:
    """Print the PSNR of each narrow style's pictures to the wide one's, the mean of all photos in dB."""
    photos = [read_picture(path, SIZE)[None] for path in list_pictures(folder)]
    found = {}
    for name, teacher in wide.items():
        student = load_style(name + suffix)[1]
        near = [psnr(student(photo).clamp(0, 1), teacher(photo).clamp(0, 1)) for photo in photos]
        found[name] = statistics.mean(near)
        print(f"{name + suffix}: {found[name]:.1f} dB", flush=True)
    low, high = min(found.values()), max(found.values())
    print(f"median {statistics.median(found.values()):.1f} dB, {low:.1f} to {high:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", default="swift-1")
    parser.add_argument("--content", type=Path, help="folder of photos to learn from")
    parser.add_argument("--numbers", default="eighth=32", help="of the narrow network, with commas")
    parser.add_argument("--suffix", default="_fast", help="of the names of the new styles")
    parser.add_argument("--again", action="store_true", help="begin with the narrow styles at hand")
    parser.add_argument("--styles", help="with --again: those to teach, with commas; the others stay (all)")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--near", type=Path, help="photos: only say how near the narrow styles at hand come")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = {key: int(value) for key, value in (pair.split("=") for pair in options.numbers.split(","))}
    family = f"{options.family}{options.suffix.replace('_', '-')}"

    members = {card.name: load_style(card.name) for card in list_styles() if card.family == options.family}
    if not members:
        parser.error(f"no style at hand is of family {options.family}")
    if options.near:
        say_nearness({name: net for name, (_, net) in members.items()}, options.suffix, options.near)
        return
    if options.content is None:
        parser.error("--content DIR is needed: photos to learn from")
    options.out.mkdir(parents=True, exist_ok=True)
    wide = next(iter(members.values()))[1]
    teachers = {
        name: {k: v.float() for k, v in net.state_dict().items()} for name, (_, net) in members.items()
    }
    narrow = build("swift", {**wide.config, **config})
    if options.again:
        students = {name: load_style(name + options.suffix)[1].state_dict() for name in teachers}
    else:
        students = dict(zip(teachers, narrowed(list(teachers.values()), wide, config), strict=True))
    taught = options.styles.split(",") if options.styles else list(teachers)
    if unknown := set(taught) - set(teachers):
        parser.error(f"not of family {options.family}: {', '.join(sorted(unknown))}")
    if options.styles and not options.again:
        parser.error("--styles teaches some of a family that is there already; give --again as well")
    photos = Photos(options.content, crop=CROP, batch=BATCH, seed=SEED)
    checkpoint = options.out / f"{family}.checkpoint"
    result = distil(
        wide,
        teachers,
        narrow,
        students,
        photos,
        options.steps,
        taught=taught,
        seed=SEED,
        checkpoint=checkpoint,
        listener=Report(),
    )
    for name in taught:
        narrow.load_state_dict(result[name])
        old = members[name][0].recipe
        recipe = {"picture": old.get("picture", name), "style_size": old.get("style_size")}
        recipe |= {"teacher": name, "numbers": config, "steps": options.steps, "styles": len(taught)}
        card = dataclasses.replace(
            members[name][0], name=name + options.suffix, recipe=recipe, figures={}, int8={}, family=family
        )
        save_style(options.out / f"{card.name}.safetensors", narrow.eval(), card, half=True)
    checkpoint.unlink(missing_ok=True)
    print(f"{len(taught)} styles of family {family} in {options.out}")


if __name__ == "__main__":
    main()
