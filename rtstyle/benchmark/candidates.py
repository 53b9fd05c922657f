"""What is compared: each style by each engine that can run it, and the plain network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn

from rtstyle.benchmark.ceiling import name_of
from rtstyle.benchmark.memory import highest
from rtstyle.benchmark.plain import BYTES_PER_PIXEL, Plain, load_plain
from rtstyle.benchmark.scene import RATE, Scene
from rtstyle.benchmark.stages import LEAST, Kept, settle
from rtstyle.engines import ENGINES
from rtstyle.engines.eager import Eager
from rtstyle.errors import RtstyleError
from rtstyle.frame import Divisible, Stylizer
from rtstyle.media.null import MemorySource
from rtstyle.pipeline import run
from rtstyle.styles import load_style, style_name
from rtstyle.stylizers.loading import load_stylizer

PLAIN = "plain"  # stands for a style's name
_WARMING = 6  # runs at most until memory has stopped growing


@dataclass(slots=True)
class Candidate:
    """One stylizer to be measured, and what it showed when it was warmed up at the present size."""

    style: str  # as it was asked for
    name: str  # of the style; as it was asked for where another has the same
    engine: str
    stylizer: Stylizer
    device: torch.device  # where it restyles
    network: nn.Module  # for counting its operations only
    bytes_per_pixel: int  # of the machine's memory while it works
    precision: str  # of its arithmetic but for what is in 8 bits; names the ceiling it is held against
    keeps_memory: bool = False  # an engine that holds it between frames, in place of PyTorch's to share
    frames: int = 0  # of a timed run
    images: list[Tensor] = field(default_factory=list)  # restyled ones

    @property
    def label(self) -> str:
        return f"{self.name}, {self.engine}"

    def warm_up(self, scene: Scene, seconds: float) -> None:
        """Restyle some frames; sets `images`, and `frames` such that a run takes about that many seconds.

        Frames come in whole turns: as many as are restyled at once, or in a short run the last ones, for
        which there is no neighbour, would count for much.
        """
        at_once = 1
        if isinstance(self.stylizer, Divisible):
            at_once = self.stylizer.at_once(scene.width, scene.height)

        def restyle(frames: int) -> float:
            kept = Kept()
            begin = perf_counter()
            run(MemorySource(scene.frames(self.device), frames, RATE), self.stylizer, kept)
            settle(self.device)
            took = perf_counter() - begin
            self.images, self.frames = kept.images, _turns(seconds * frames / took, at_once)
            return took

        restyle(at_once)  # compiles, or records
        # The first frames take memory, whose pages cost as much to clear as a picture to restyle.
        taken = highest()
        for _ in range(_WARMING):
            restyle(_turns(0, at_once))
            before, taken = taken, highest()
            if not before or not taken or taken < 1.01 * before:
                break
        if self.frames > len(self.images):  # fast: a better estimate, and more pictures to encode
            restyle(min(self.frames, _turns(len(scene.held), at_once)))


def _turns(frames: float, at_once: int) -> int:
    """About so many frames, but at least `LEAST`, as a whole multiple of those at once."""
    return at_once * max(round(frames / at_once), -(-LEAST // at_once))


def load_candidates(
    styles: Sequence[str], engines: Sequence[str], device: str
) -> tuple[list[Candidate], list[str]]:
    """Every style by every engine, and a line for each pair that does not work here.

    Args:
        engines: names; none means all there are.

    Raises RtstyleError for an unknown style, engine or device, and when nothing is left.
    """
    if unknown := [name for name in engines if name not in ENGINES]:
        raise RtstyleError(f"no engine named '{unknown[0]}'; there are: {', '.join(ENGINES)}")
    found, notes = [], []
    names = [style_name(style) for style in styles]
    for style, own in zip(styles, names, strict=True):
        name = own if names.count(own) == 1 else style
        network = load_style(style)[1]
        for engine in engines or ENGINES:
            try:
                stylizer = load_stylizer(style, device=device, engine=engine, strokes=1)
            except RtstyleError as error:
                notes.append(f"{name} by {engine} is left out: {error}")
                continue
            place, torch_runs = stylizer.device, isinstance(stylizer.engine, Eager)
            kind = name_of(getattr(stylizer.engine, "dtype", torch.float32))
            needed = network.bytes_per_pixel if place.type == "cpu" else 0
            found.append(
                Candidate(style, name, engine, stylizer, place, network, needed, kind, not torch_runs)
            )
    if not found:
        raise RtstyleError(notes[-1])
    return found, notes


def plain_candidates(device: torch.device) -> list[Candidate]:
    """The plain network as it is, and compiled: whether that works here shows when it is warmed up."""
    network = load_plain(device)
    needed = BYTES_PER_PIXEL if device.type == "cpu" else 0
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "eager": network,
        "compiled": torch.compile(network, dynamic=False),
    }
    return [
        Candidate(PLAIN, PLAIN, engine, Plain(way, device), device, network, needed, "float32")
        for engine, way in ways.items()
    ]
