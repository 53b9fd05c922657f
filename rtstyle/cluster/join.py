"""Segments encoded apart, joined to one stream without a seam."""

from __future__ import annotations

import re
from collections.abc import Iterator

from av.packet import Packet

from rtstyle.cluster.workers import Encoded
from rtstyle.errors import RtstyleError
from rtstyle.media.video_writer import VideoFileSink

_PREFIX_SEI, _SUFFIX_SEI = 39, 40  # NAL unit types of HEVC (ITU-T H.265, table 7-1)


class Joiner:
    """Writes segments one after another to a sink, as if one encoder had made them all.

    Each segment begins with a key frame that refers to nothing before it, and refers to nothing behind
    its end: its encoder began and ended there. Presentation times are those of the frames. Decoding times
    are made anew: the k-th packet is decoded when the (k-d)-th picture is shown, d being the pictures that
    the encoder holds back for B-frames. That is what x264 and x265 write themselves, and what makes them
    grow across a seam.
    """

    def __init__(self, sink: VideoFileSink) -> None:
        self._sink = sink
        self._count = 0
        self._last: int | None = None  # the latest presentation time
        self._held: list[int] = []  # decoding times for the packets to come, d of them

    def add(self, segment: Encoded) -> None:
        """Write the next segment.

        Raises:
            RtstyleError: it was made by another version of the encoder, or does not follow the last one.
        """
        assert segment.number == self._count, "segments are joined in order"
        if parameter_sets(segment.extradata) != parameter_sets(self._sink.track.extradata):
            raise RtstyleError(
                f"{self._sink.path}: a worker's encoder made another header than this machine's;"
                " install the same version of PyAV on all of them"
            )
        self._sink.write_packets(self._ordered(segment))
        self._count += 1

    def _ordered(self, segment: Encoded) -> Iterator[Packet]:
        path, number = self._sink.path, segment.number
        shown = sorted(packet.pts for packet in segment.packets)
        if not shown and not segment.frames:
            return
        if len(shown) != segment.frames:
            raise RtstyleError(f"{path}: segment {number} has {segment.frames} frames, {len(shown)} packets")
        if self._last is None:
            self._held = list(segment.early)
        elif shown[0] <= self._last:
            raise RtstyleError(f"{path}: segment {number} begins before the last one ends")
        self._last = shown[-1]
        decoded = self._held + shown
        for made, dts in zip(segment.packets, decoded, strict=False):
            if dts > made.pts:
                raise RtstyleError(f"{path}: segment {number} holds back more pictures than the first")
            packet = Packet(made.data)
            packet.time_base = self._sink.track.base
            packet.pts, packet.dts, packet.duration = made.pts, dts, made.duration
            packet.is_keyframe = made.is_keyframe
            yield packet
        self._held = decoded[len(segment.packets) :]


def parameter_sets(extradata: bytes) -> list[bytes]:
    """An encoder's header without remarks: x265 notes the number of its threads there."""
    if not extradata.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        return [extradata]
    units = [unit for unit in re.split(rb"\x00?\x00\x00\x01", extradata) if unit]
    return [unit for unit in units if unit[0] >> 1 & 63 not in (_PREFIX_SEI, _SUFFIX_SEI)]
