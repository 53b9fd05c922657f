"""A small picture of what each style does, made by its own network."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from rtstyle.engines import load_engine
from rtstyle.media.drawing.scene import Scene
from rtstyle.mixing import Pathlike
from rtstyle.studio.jpeg import encode
from rtstyle.styles import load_style, style_name

_SIZE = (256, 160)  # pixels


def thumbnails(styles: Iterable[Pathlike]) -> dict[str, bytes]:
    """JPEG pictures by style name: the drawn scene in each style. Some 50 ms a style on the CPU."""
    scene = torch.from_numpy(Scene(*_SIZE).draw(0))
    networks = {style_name(style): load_style(style)[1] for style in styles}
    return {name: encode(load_engine(each, "eager", "cpu")(scene)) for name, each in networks.items()}
