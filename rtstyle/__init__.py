"""Real-time neural stylization of video. The public nouns, imported when first used."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# PyTorch's OpenMP threads wait for each other by spinning, for milliseconds, on cores that decoding and
# encoding could use: a whole video runs 1.15 times as fast with a short spin. Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

if TYPE_CHECKING:
    from rtstyle.api import stylize_image, stylize_video
    from rtstyle.errors import RtstyleError
    from rtstyle.frame import Frame, Sink, Source, Stylizer, VideoInfo
    from rtstyle.media.video_file import VideoFileSource
    from rtstyle.media.video_writer import VideoFileSink
    from rtstyle.style_file import Style, save_style
    from rtstyle.styles import list_styles, load_style
    from rtstyle.stylizers.loading import load_palette, load_stylizer, load_tour

_HOME = {
    "Frame": "frame",
    "VideoInfo": "frame",
    "Source": "frame",
    "Stylizer": "frame",
    "Sink": "frame",
    "VideoFileSource": "media.video_file",
    "VideoFileSink": "media.video_writer",
    "RtstyleError": "errors",
    "Style": "style_file",
    "load_style": "styles",
    "save_style": "style_file",
    "list_styles": "styles",
    "load_palette": "stylizers.loading",
    "load_stylizer": "stylizers.loading",
    "load_tour": "stylizers.loading",
    "stylize_image": "api",
    "stylize_video": "api",
}

__all__ = [
    "Frame",
    "RtstyleError",
    "Sink",
    "Source",
    "Style",
    "Stylizer",
    "VideoFileSink",
    "VideoFileSource",
    "VideoInfo",
    "list_styles",
    "load_palette",
    "load_style",
    "load_stylizer",
    "load_tour",
    "save_style",
    "stylize_image",
    "stylize_video",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: ``import rtstyle`` alone stays instant (no torch)."""
    if name in _HOME:
        return getattr(import_module(f"rtstyle.{_HOME[name]}"), name)
    raise AttributeError(f"module 'rtstyle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
