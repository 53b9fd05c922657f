"""What ``rtstyle live`` restyles and with which styles: a palette and a camera, from its options."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING

from rtstyle.cli.options import say
from rtstyle.errors import RtstyleError
from rtstyle.styles import LIVE_STYLE

if TYPE_CHECKING:
    from rtstyle.frame import Source
    from rtstyle.stylizers.feedforward import FeedForward


def palette_of(options: argparse.Namespace) -> tuple[FeedForward, list[str], dict[str, str]]:
    """The styles at hand: a palette, how they were named, their titles.

    They are those asked for, or the fast default one and those that mix with it.
    """
    from rtstyle.mixing import MOST, has_weights, mixes, parse_mix
    from rtstyle.styles import list_styles, load_style, style_name
    from rtstyle.stylizers.loading import load_palette

    if options.style is None:
        first, _ = load_style(LIVE_STYLE)
        others = [card.name for card in list_styles() if mixes(first, card) and card.name != first.name]
        shares = dict.fromkeys([LIVE_STYLE, *others][:MOST], 1.0)
    else:
        shares = parse_mix(options.style)
    ways = (options.strength, options.device, options.engine)
    looks = {"strokes": options.strokes, "canvas": options.canvas}
    palette = load_palette(list(shares), *ways, **looks, live=True)
    if options.style is not None and has_weights(options.style):  # begin with that mix
        palette.mix = dict(zip(palette.styles, shares.values(), strict=True))
    titles = {style_name(style): load_style(style)[0].title for style in shares}
    return palette, list(shares), {name: title for name, title in titles.items() if title}


def camera_of(options: argparse.Namespace, served: bool) -> Source:
    """The camera asked for; where a page is served, behind its viewer's own.

    Raises RtstyleError where it cannot be opened: of the default one a page does without.
    """
    from rtstyle.media.camera import open_camera
    from rtstyle.media.geometry import parse_size

    size = parse_size(options.camera_size) if options.camera_size else None
    source = None
    if options.camera != "browser":
        try:
            source = open_camera(options.camera, size, options.fps)
        except RtstyleError as error:
            if not served or options.camera != "0":
                raise
            say(options, [f"{error}; the page can use the camera of its viewer"])
    if not served:
        assert source is not None
        return source
    from rtstyle.studio import BrowserCamera

    if source is not None:
        return BrowserCamera(otherwise=source)
    height = size[1] if size else 480
    rate = Fraction(options.fps).limit_denominator(1001)
    return BrowserCamera((size and size[0]) or height * 4 // 3, height, rate)
