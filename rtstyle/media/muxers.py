"""The containers that can be written, and what each needs to be told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

# Some sound (TrueHD) is experimental in MP4 for FFmpeg: copied all the same.
EXPERIMENTAL = {"strict": "experimental"}


@dataclass(frozen=True, slots=True)
class Muxer:
    """One kind of file."""

    format: str  # FFmpeg's name
    codecs: tuple[str, ...]  # the first is the default
    clock: Fraction | None = None  # seconds a tick; None: whatever the source's is
    shortest: int = 0  # ticks; players show a frame that is shorter for longer
    marks_shape: tuple[str, ...] = ()  # codecs whose pixels need not be square

    def options(self, time_base: Fraction, fragments: bool) -> dict[str, str]:
        """FFmpeg options: what goes to disk is playable at any moment but for the last seconds.

        Args:
            time_base: of the picture, seconds.
            fragments: write MP4 in fragments, which a finished file no longer has.
        """
        if self.format in ("matroska", "webm"):
            return {"cluster_time_limit": "1000", "flush_packets": "1", "avoid_negative_ts": "disabled"}
        if self.format == "gif":
            return {}
        # Edit lists count in movie_timescale: at the default 1/1000 a late start is off by up to 1 ms.
        per_second = time_base.denominator
        scale = per_second * ceil(1000 / per_second) if per_second < 10_000_000 else 1_000_000
        options = {"movie_timescale": str(scale), **EXPERIMENTAL}
        if fragments:
            # A fragment may only begin with a key frame: FFmpeg takes the end of the finished file from the
            # last one, and where that holds B frames alone, the frame shown after them was cut off.
            options |= {"movflags": "hybrid_fragmented+delay_moov+frag_keyframe", "flush_packets": "1"}
        return options

    @property
    def is_mp4(self) -> bool:
        """Whether it is FFmpeg's for MP4 and MOV, which are one."""
        return self.format in ("mp4", "mov")

    def most_between_keys(self, rate: Fraction) -> int | None:
        """Frames from one key frame to the next, at most, at so many a second; None: what the encoder likes.

        Two seconds of MP4, which is written to disk that often. It costs 0 to 8 % of a file's size.
        """
        if not self.is_mp4:
            return None
        return min(250, max(12, round(2 * rate)))


_NVENC = ("h264_nvenc", "hevc_nvenc")
_ALL = ("h264", "hevc", "av1", "vp9", *_NVENC)
# PyAV cannot set the shape of pixels in Matroska's own header; H.264 and HEVC carry it themselves.
_SELF_MARKED = ("h264", "hevc", *_NVENC)
_MILLISECOND = Fraction(1, 1000)

MUXERS = {
    ".mp4": Muxer("mp4", _ALL, marks_shape=_ALL),
    # FFmpeg's own m4v is for old iPods: it refuses what MP4 holds.
    ".m4v": Muxer("mp4", _SELF_MARKED, marks_shape=_ALL),
    ".mov": Muxer("mov", _SELF_MARKED, marks_shape=_ALL),
    ".mkv": Muxer("matroska", _ALL, _MILLISECOND, marks_shape=_SELF_MARKED),
    ".webm": Muxer("webm", ("vp9", "av1"), _MILLISECOND),
    ".gif": Muxer("gif", ("gif",), Fraction(1, 100), shortest=2),
}


def muxer_for(path: Path) -> Muxer | None:
    """The kind of file an extension names; None where it cannot be written."""
    return MUXERS.get(path.suffix.lower())
