"""What a decoder says beside a picture: rotation, captions."""

from __future__ import annotations

from typing import Any

import av
from av.sidedata.sidedata import SideDataContainer, Type


def side_data(frame: av.VideoFrame) -> SideDataContainer:
    """Of a decoded frame, kinds that PyAV has no name for among it."""
    found: Any = frame.side_data
    return found  # type: ignore[no-any-return]


def _nameless(kinds: type[Type], number: int) -> Type:
    """A kind FFmpeg knows and PyAV does not yet (18.1: EXIF, several views of one scene).

    Without one, nothing that is said beside such a picture could be read.
    """
    kind: Any = object.__new__(kinds)
    kind._value_, kind._name_ = number, f"KIND_{number}"
    return kind  # type: ignore[no-any-return]


Type._missing_ = classmethod(_nameless)  # type: ignore[assignment]
