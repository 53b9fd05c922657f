"""What Linux's cameras say of themselves, without taking a picture (linux/videodev2.h)."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_CAPTURE = 1  # V4L2_CAP_VIDEO_CAPTURE, and V4L2_BUF_TYPE_VIDEO_CAPTURE
_HAS_DEVICE_CAPS = 0x80000000
_DISCRETE = 1
_MANY = 64  # entries of a list asked for at most: a broken driver repeats itself


@dataclass(frozen=True, slots=True)
class Mode:
    """A picture a camera offers."""

    format: str  # four letters, as MJPG
    width: int  # pixels
    height: int
    rate: Fraction | None  # largest number of frames a second; None where it does not say

    def __str__(self) -> str:
        return f"{self.format} {self.width}x{self.height}{f' at {float(self.rate):.3g}' if self.rate else ''}"


@dataclass(frozen=True, slots=True)
class Device:
    """A camera."""

    path: str
    name: str
    modes: tuple[Mode, ...] = ()  # empty where it cannot be asked


def list_devices(folder: Path = Path("/sys/class/video4linux")) -> list[Device]:
    """Devices that give pictures, in order of their numbers. One that may not be opened has no modes."""
    found = []
    entries = [entry for entry in folder.glob("video*") if re.fullmatch(r"video\d+", entry.name)]
    for entry in sorted(entries, key=lambda entry: int(entry.name[5:])):
        path = f"/dev/{entry.name}"
        try:
            name = (entry / "name").read_text().strip()
        except OSError:
            continue  # unplugged this moment
        try:
            modes = _ask(path)
        except OSError:
            modes = ()
        if modes is not None:
            found.append(Device(path, name, modes))
    return found


def _ask(path: str) -> tuple[Mode, ...] | None:
    """The modes of a camera; None for a device that is none (an output, the metadata of a camera)."""
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        # struct v4l2_capability: driver, card, bus, version, capabilities, device_caps, reserved.
        every, own = struct.unpack("84xII12x", _control(handle, "R", 0, bytes(104)))
        if not (own if every & _HAS_DEVICE_CAPS else every) & _CAPTURE:
            return None
        return tuple(_modes(handle))
    finally:
        os.close(handle)


def _modes(handle: int) -> Iterator[Mode]:
    # struct v4l2_fmtdesc: index, type, flags, description, format.
    for *_, code in _list(handle, 2, "III32sI16x", _CAPTURE):
        name = struct.pack("<I", code).decode("ascii", "replace").strip()
        # struct v4l2_frmsizeenum: index, format, type, then width and height, or a stepwise range of both.
        for _, _, kind, one, two, _, _, most, _ in _list(handle, 74, "III6I8x", code):
            width, height = (one, two) if kind == _DISCRETE else (two, most)
            # struct v4l2_frmivalenum: index, format, width, height, type, then seconds as a fraction.
            shortest = next(_list(handle, 75, "IIIII6I8x", code, width, height), None)
            rate = Fraction(shortest[6], shortest[5]) if shortest and shortest[5] else None
            yield Mode(name, width, height, rate)


def _list(handle: int, number: int, layout: str, *given: int) -> Iterator[tuple[int, ...]]:
    """Entries of a list: structures that begin with the place asked for and what else is given."""
    for place in range(_MANY):
        question = struct.pack(f"{1 + len(given)}I", place, *given)
        try:
            answer = _control(handle, "RW", number, question.ljust(struct.calcsize(layout), b"\0"))
        except OSError:
            return  # the end of the list
        yield struct.unpack(layout, answer)


def _control(handle: int, direction: str, number: int, data: bytes) -> bytes:
    """One VIDIOC call; the structure as the driver leaves it. Raises OSError as the driver says."""
    import fcntl  # Linux only

    ways = {"R": 2, "RW": 3}
    request = ways[direction] << 30 | len(data) << 16 | ord("V") << 8 | number
    buffer = bytearray(data)
    fcntl.ioctl(handle, request, buffer)
    return bytes(buffer)
