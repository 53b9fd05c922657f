"""What a video file says of its own length, and why nothing came out of it."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rtstyle.media.containers import start_of
from rtstyle.media.decoding import Damage
from rtstyle.media.span import Span


def stated_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """When the container says it ends, seconds on its clock; None if it says nothing."""
    length = Fraction(container.duration or 0, av.time_base)
    kind = container.format.name
    if kind == "avi":  # FFmpeg trusts the index, which a cut file has lost
        length = max(length, stream.frames * Fraction(stream.time_base or 0))
    # Matroska counts from zero, not from the first picture.
    begin = start_of(container) if not kind.startswith("matroska") else 0
    return begin + length if length else None


def expected_length(container: InputContainer, stream: VideoStream, span: Span, rate: Fraction) -> int | None:
    """Frames in a span, as the container claims or as its duration makes likely; None if it says nothing."""
    if span.start is None and span.end is None and stream.frames:
        return stream.frames
    end = stated_end(container, stream)
    if end is None:
        return None
    begin = start_of(container)
    seconds = min(end, span.end or end) - max(begin, span.start or begin)
    return max(1, round(seconds * rate))


def why_nothing(stream: VideoStream, damage: Damage) -> str:
    """Why not one frame was decoded of a stream read to its end."""
    codec = stream.codec_context.name
    if (stream.codec_context.codec_tag or "") == "encv":
        return "the video is encrypted (DRM); no key, nothing to decode"
    if codec == "webp":
        return "an animated WebP is not read; make it a GIF or a folder of PNGs first"
    if damage.packets or damage.unread:
        return f"not one {codec} frame could be decoded; damaged, encrypted, or a kind this FFmpeg lacks"
    return f"its {codec} stream holds no frame"
