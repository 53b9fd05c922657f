"""RGB pictures to 256 colours, each frame with a palette of its own (FFmpeg's palettegen and paletteuse)."""

from __future__ import annotations

from fractions import Fraction

import av
import torch
from av.filter import Graph

from rtstyle.media.color import BT709, FULL, ColorTags, FromRgb


class ToPalette:
    """uint8 (3, H, W) images to ``pal8`` frames of the same size."""

    def __init__(self, width: int, height: int) -> None:
        self._to_frame = FromRgb(ColorTags(BT709, FULL), "gbrp")
        self._graph = graph = Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("gbrp"), time_base=Fraction(1, 100)
        )
        split = graph.add("split")
        generate = graph.add("palettegen", "stats_mode=single")
        use = graph.add("paletteuse", "new=1:dither=sierra2_4a")
        source.link_to(split)
        split.link_to(generate, 0, 0)
        split.link_to(use, 1, 0)
        generate.link_to(use, 0, 1)
        use.link_to(graph.add("buffersink"))
        graph.configure()
        self._count = 0

    def __call__(self, image: torch.Tensor) -> av.VideoFrame:
        frame = self._to_frame(image)
        frame.pts, frame.time_base = self._count, Fraction(1, 100)
        self._count += 1
        self._graph.vpush(frame)
        return self._graph.vpull()
