"""Stylizers by the names of their styles: one style or mix, a palette to play on, a tour."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rtstyle.engines import load_engine
from rtstyle.engines.reduced import proven
from rtstyle.errors import RtstyleError
from rtstyle.mixing import Members, Mix, Pathlike, load_members, mixed, parse_mix
from rtstyle.styles import DEFAULT_STYLE
from rtstyle.stylizers.feedforward import FeedForward
from rtstyle.stylizers.tour import Tour


def load_stylizer(
    style: Pathlike | None = None,
    strength: float = 1.0,
    device: str = "auto",
    engine: str = "auto",
    *,
    strokes: float | None = None,
    canvas: float = 0.0,
) -> FeedForward:
    """A style, or a mix of styles of one family, ready to use: a callable from `Frame` to `Frame`.

    Args:
        style: a name (`rtstyle styles` lists them) or the path of a style file; or several of them as
            ``a:0.6,b:0.4``, or ``a,b`` for equal shares; the default style if None.
        strength: 0 (the input untouched) to 1 (the full style).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        engine: ``eager``, ``graph`` (for a GPU), ``openvino``, ``int8`` (for a style measured in it), or
            ``auto``: the fastest there is.
        strokes: how many times as broad as the network paints them, 0.25 to 16: 2 and 4 take a quarter and
            a sixteenth of the time. If None as suits each frame: 1 up to 899 lines, 2 for 1080, 4 for 2160.
        canvas: 0 to 1: strokes in clear skies and on bare walls too, from a still canvas. Half is good for
            still pictures and a still camera; under a moving one the scene slides below it.

    Raises:
        RtstyleError: no such style, device or engine, styles that do not mix, or a damaged style file.
    """
    shares = parse_mix(DEFAULT_STYLE if style is None else style)
    members = load_members(list(shares))
    mix = dict(zip(members, shares.values(), strict=True))
    return _ready(members, mix, strength, device, engine, strokes, canvas)


def load_palette(
    styles: Sequence[Pathlike],
    strength: float = 1.0,
    device: str = "auto",
    engine: str = "auto",
    *,
    strokes: float | None = None,
    canvas: float = 0.0,
    live: bool = False,
) -> FeedForward:
    """Several styles of one family at hand: a callable from `Frame` to `Frame`, at first in the first style.

    Its ``mix`` is set to any mix of them, as ``{"a": 0.6, "b": 0.4}``, and ``travel(mix, seconds)`` goes
    there smoothly. Styles are named as in `load_stylizer`, up to 8; raises as it does.

    Args:
        live: run a style in 8 bits, where it was measured in it, soon after it was chosen: twice as fast,
            but from which frame on is a matter of time.
    """
    styles = styles if isinstance(styles, str) else list(styles)
    if isinstance(styles, str) or not styles:
        raise RtstyleError(f"a palette takes a list of styles, as ['a', 'b']; got {styles!r}")
    members = load_members(styles)
    return _ready(members, {next(iter(members)): 1.0}, strength, device, engine, strokes, canvas, live=live)


def load_tour(
    style: Pathlike | None,
    seconds: float | Fraction,
    strength: float = 1.0,
    device: str = "auto",
    engine: str = "auto",
    *,
    strokes: float | None = None,
    canvas: float = 0.0,
) -> Tour:
    """The styles of ``a,b,c`` one after another, `seconds` from each to the next, round and round."""
    shares = parse_mix(DEFAULT_STYLE if style is None else style)
    if len(set(shares.values())) > 1:
        raise RtstyleError(f"a tour goes through whole styles in turn; leave the weights out of '{style}'")
    return Tour(load_palette(list(shares), strength, device, engine, strokes=strokes, canvas=canvas), seconds)


def _ready(
    members: Members,
    mix: Mix,
    strength: float,
    device: str,
    engine: str,
    strokes: float | None,
    canvas: float,
    live: bool = False,
) -> FeedForward:
    _, network = mixed(members, mix)
    # Single styles only: a mix was never measured in 8 bits.
    wanted = engine in ("auto", "int8") and (live or len(members) == 1)
    found = [(each.state_dict(), proven(card, each)) for card, each in members.values() if wanted]
    measured = [(state, reduced) for state, reduced in found if reduced is not None]
    return FeedForward(
        load_engine(network, engine=engine, device=device, measured=measured),
        strength=strength,
        states={name: each.state_dict() for name, (_, each) in members.items()},
        mix=mix,
        strokes=strokes,
        canvas=canvas,
    )


def engine_for_pictures(engine: str) -> str:
    """The engine for pictures one by one: compiling for each size would take longer than it saves."""
    return "eager" if engine == "auto" else engine
