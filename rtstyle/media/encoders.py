"""The encoders a user may name, and what each needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from rtstyle.errors import RtstyleError
from rtstyle.media.muxers import MUXERS, muxer_for


@dataclass(frozen=True, slots=True)
class Encoder:
    """One way to compress pictures."""

    name: str  # FFmpeg's encoder
    crf: int | None  # default constant-quality level; None where there is no such thing
    most: int  # largest crf, the worst
    preset: str | None  # default trade of speed for size
    preset_option: str = "preset"
    level_option: str = "crf"
    best: int = 0  # smallest crf
    even_sides: bool = True
    smallest: int = 1  # pixels a side
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)

    def settings(self, crf: int | None, preset: str | None) -> dict[str, str]:
        """FFmpeg options for the asked quality and speed."""
        chosen = dict(self.options)
        if self.crf is None:
            if crf is not None or preset is not None:
                raise RtstyleError(f"{self.name} has neither --crf nor --preset; leave them out")
            return chosen
        level = self.crf if crf is None else crf
        if not self.best <= level <= self.most:
            span = f"{self.best} (best) to {self.most}"
            raise RtstyleError(f"crf {level} is out of range; {self.name} takes {span}")
        chosen[self.level_option] = str(level)
        chosen[self.preset_option] = self._preset(preset)
        if chosen[self.preset_option] == _REALTIME:
            chosen |= {"deadline": _REALTIME, self.preset_option: "8"}
        return chosen

    def _preset(self, preset: str | None) -> str:
        if preset is None:
            return str(self.preset)
        allowed = _NUMBERED.get(self.name) or _NAMED
        if preset not in allowed:
            raise RtstyleError(f"preset {preset!r} is unknown; {self.name} takes {', '.join(allowed)}")
        return preset


_NAMED = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
_NVENC = tuple(f"p{n}" for n in range(1, 8))
_REALTIME = "realtime"  # of VP9: six times as fast as its numbers go, a file twice as large
_NUMBERED = {
    "libsvtav1": tuple(str(n) for n in range(14)),
    "libvpx-vp9": (*(str(n) for n in range(9)), _REALTIME),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
}

# veryfast: a restyled picture costs the network most of the machine; slower presets save 10-20 %
# of the file at several times the work.
ENCODERS = {
    "h264": Encoder("libx264", 18, 51, "veryfast"),
    "hevc": Encoder("libx265", 20, 51, "veryfast", options={"x265-params": "log-level=none"}),
    # SVT-AV1 4.1 takes 640x24 and never comes back.
    "av1": Encoder("libsvtav1", 28, 63, "8", even_sides=False, smallest=32),
    "vp9": Encoder(
        "libvpx-vp9", 24, 63, "5", "cpu-used", even_sides=False,
        options={"b": "0", "row-mt": "1", "deadline": "good"},
    ),
    # Of a graphics card. Only when asked for: cards for computing have none, and x264's pictures are better.
    # Their 0 leaves the level to the driver.
    "h264_nvenc": Encoder(
        "h264_nvenc", 19, 51, "p4", level_option="cq", best=1, options={"rc": "vbr", "b": "0"}
    ),
    "hevc_nvenc": Encoder(
        "hevc_nvenc", 21, 51, "p4", level_option="cq", best=1, options={"rc": "vbr", "b": "0"}
    ),
    "gif": Encoder("gif", None, 0, None, even_sides=False, pixel_format="pal8"),
}  # fmt: skip

# What people type for the same thing.
_ALIASES = {
    "h.264": "h264", "avc": "h264", "x264": "h264", "libx264": "h264", "h265": "hevc", "h.265": "hevc",
    "x265": "hevc", "libx265": "hevc", "libsvtav1": "av1", "libvpx-vp9": "vp9",
}  # fmt: skip


def is_video_name(path: Path) -> bool:
    """Whether the extension names a container that can be written."""
    return muxer_for(path) is not None


def opens(codec: str) -> bool:
    """Whether an encoder works here: those of a GPU are there only with the GPU."""
    try:
        context = av.CodecContext.create(ENCODERS[codec].name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = 640, 360, ENCODERS[codec].pixel_format
        context.time_base = Fraction(1, 25)
        context.open()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def choose_encoder(path: Path, codec: str | None) -> tuple[str, Encoder]:
    """(codec, encoder) for an output name and the asked codec, or the container's first choice."""
    muxer = muxer_for(path)
    if muxer is None:
        raise RtstyleError(
            f"{path.name}: cannot write {path.suffix or 'a file without extension'};"
            f" allowed are {', '.join(MUXERS)}, or a folder for PNGs"
        )
    if codec is None:
        return muxer.codecs[0], ENCODERS[muxer.codecs[0]]
    wanted = _ALIASES.get(codec.lower(), codec.lower())
    if wanted not in ENCODERS:
        raise RtstyleError(f"codec {codec!r} is unknown; allowed are {', '.join(ENCODERS)}")
    if wanted not in muxer.codecs:
        raise RtstyleError(f"{path.suffix} cannot hold {wanted}; it takes {', '.join(muxer.codecs)}")
    return wanted, ENCODERS[wanted]
