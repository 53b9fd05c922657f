"""Where an MP4 or MOV ends, put right after FFmpeg's muxer has written it.

A track's samples are stored with the steps between their decoding times, which run ahead of what is shown.
Where the last frames are held for longer than those before, the steps add up to less than the track lasts, by
seconds where a slide stands that long; FFmpeg and Chromium take the end from that sum (ISO/IEC 14496-12,
8.6.1.2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_LARGE = 1  # as a box's size: 64 bits of it follow


def mend_end(path: Path, length: Fraction) -> None:
    """Lengthen the last step of the picture's track until all are so long, where `moov` is the last box.

    Args:
        length: seconds from where the first frame begins to where the last one ends.
    """
    with path.open("r+b") as file:
        place = _last_box(file, b"moov")
        if place is None:
            return
        file.seek(place)
        before = file.read()
        after = _within(before, (b"moov", b"trak"), lambda track: _mended(track, length))
        if after != before:
            file.seek(place)
            file.write(after)


def _last_box(file: BinaryIO, kind: bytes) -> int | None:
    """Where the last of the file's own boxes begins, if it is of that kind."""
    end = file.seek(0, 2)
    place, begin, found = 0, 0, b""
    while place + 8 <= end:
        file.seek(place)
        size, found = struct.unpack(">I4s", file.read(8))
        size = struct.unpack(">Q", file.read(8))[0] if size == _LARGE else size
        if size < 8:
            return None  # to the end of the file, or no box at all
        begin, place = place, place + size
    return begin if found == kind and place == end else None


def _mended(track: bytes, length: Fraction) -> bytes:
    media = _inner(track, b"mdia")
    if _inner(media, b"hdlr")[8:12] != b"vide":
        return track
    header = _inner(media, b"mdhd")
    (scale,) = struct.unpack_from(">I", header, 20 if header[0] else 12)  # ticks a second
    steps = (b"mdia", b"minf", b"stbl", b"stts")
    return _within(track, steps, lambda stts: _lasting(stts, round(length * scale)))


def _lasting(stts: bytes, length: int) -> bytes:
    """The steps, (count, ticks) each, with the last one such that all together are at least so long."""
    runs = list(struct.iter_unpack(">II", stts[8:]))
    missing = length - sum(count * ticks for count, ticks in runs)
    if missing <= 0 or not runs:
        return stts
    count, ticks = runs.pop()
    runs += [(count - 1, ticks)] if count > 1 else []
    runs.append((1, ticks + missing))
    return stts[:4] + struct.pack(">I", len(runs)) + b"".join(struct.pack(">II", *run) for run in runs)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each box."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + size]
        place += max(size, 8)


def _inner(data: bytes, kind: bytes) -> bytes:
    return next((content for found, content in _boxes(data) if found == kind), bytes(32))


def _within(data: bytes, kinds: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """The boxes again, with the content of those at the end of a path of kinds changed."""
    if not kinds:
        return change(data)
    made = []
    for kind, content in _boxes(data):
        inner = _within(content, kinds[1:], change) if kind == kinds[0] else content
        made.append(struct.pack(">I4s", len(inner) + 8, kind) + inner)
    return b"".join(made)
