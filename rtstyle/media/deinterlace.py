"""Interlaced frames made progressive with FFmpeg's bwdif, one frame out for each frame in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.filter import Graph


class Deinterlacer:
    """Passes progressive frames through; from the first interlaced one on, filters those flagged so.

    Count and times stay: bwdif's ``send_frame`` mode makes one picture of each pair of fields.

    Attributes:
        used: some frame so far was interlaced.
    """

    def __init__(self) -> None:
        self.used = False

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        graph: Graph | None = None
        shape: tuple[int, int, str] | None = None  # what the graph was built for
        for frame in frames:
            self.used |= frame.interlaced_frame
            this = (frame.width, frame.height, frame.format.name)
            if graph is not None and this != shape:
                yield from _end(graph)
                graph = None
            if graph is None and self.used:
                graph, shape = _graph(frame), this
            if graph is None:
                yield frame
            else:
                graph.vpush(frame)
                yield from _pull(graph)
        if graph is not None:
            yield from _end(graph)


def _graph(like: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=like.time_base),
        graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _end(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _pull(graph)


def _pull(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
