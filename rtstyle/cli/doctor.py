"""``rtstyle doctor``: what this machine can do, a line each."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rtstyle.cli.options import print_json
from rtstyle.errors import one_line

if TYPE_CHECKING:
    from rtstyle.media.v4l2 import Mode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one object on stdout")


def run(options: argparse.Namespace) -> int:
    facts = _facts()
    if options.json:
        print_json(facts)
        return 0
    wide = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{wide}}  {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return 0


def _facts() -> dict[str, Any]:
    import av
    import torch

    import rtstyle
    from rtstyle.engines import ENGINES, missing
    from rtstyle.live.window import why_no_window
    from rtstyle.media.camera import list_cameras
    from rtstyle.media.encoders import ENCODERS
    from rtstyle.styles import DEFAULT_STYLE, list_styles

    gpus, why = _gpus()
    plain = {codec: encoder for codec, encoder in ENCODERS.items() if not codec.endswith("_nvenc")}
    built = [codec for codec, encoder in plain.items() if encoder.name in av.codecs_available]
    names = [card.name for card in list_styles()]
    cameras = [f"{each.path} {each.name} ({_best(each.modes)})" for each in list_cameras()]
    return {
        "rtstyle": rtstyle.__version__,
        "python": f"{platform.python_version()} on {platform.platform(terse=True)}",
        "torch": torch.__version__,
        "pyav": f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}",
        "processor": f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads",
        "gpu": gpus or f"none that torch can use{why}; everything runs on the processor",
        "device": "cuda" if gpus else "cpu",
        **(_of_gpu() if gpus else {}),
        "engines": [f"{name} ({missing(name)})" if missing(name) else name for name in ENGINES],
        "encoders": built,
        "cameras": cameras or _no_camera(),
        "window": why_no_window() or "yes",
        "styles": names or "none found; is the installation complete?",
        "default style": DEFAULT_STYLE if DEFAULT_STYLE in names else f"{DEFAULT_STYLE} (missing)",
        "your styles": _own_styles(),
        "terminal": "yes" if sys.stderr.isatty() else "no (progress is silent; --progress shows it)",
    }


def _own_styles() -> str:
    from rtstyle.styles import own_folder

    try:
        return str(own_folder())
    except RuntimeError as error:
        return f"nowhere: {error}; RTSTYLE_STYLES names a folder"


def _gpus() -> tuple[list[str], str]:
    """The names of those PyTorch can use; of none, why not, where there is one that it sees."""
    import torch

    if not torch.cuda.device_count():
        return [], ""
    try:
        torch.cuda.init()
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())], ""
    except (RuntimeError, AssertionError) as error:  # a driver too old for it, a GPU that ails
        return [], f" ({one_line(error)})"


def _of_gpu() -> dict[str, Any]:
    """What the first GPU does beside the network."""
    import av
    import torch

    from rtstyle.engines.graph import why_no_kernels
    from rtstyle.media.encoders import ENCODERS, opens
    from rtstyle.media.nvdec import codecs

    try:
        decoders, why = codecs(torch.device("cuda")), "this FFmpeg was built without"
    except av.error.FFmpegError as error:
        decoders, why = [], str(error.strerror)
    except RuntimeError as error:  # of PyTorch: the GPU is full, or its driver ails
        decoders, why = [], str(error).partition("\n")[0]
    nvenc = [codec for codec in ENCODERS if codec.endswith("_nvenc") and opens(codec)]
    reason = why_no_kernels(torch.device("cuda"))
    norms = f"PyTorch's, which are slower: {reason}" if reason else "Triton's"
    return {
        "nvdec": decoders or f"none: {why}; videos are decoded by the processor",
        "nvenc": nvenc or "none: this GPU or its driver has no encoder; videos are encoded by the processor",
        "norms": norms,
    }


def _best(modes: Sequence[Mode]) -> str:
    """The largest picture of each format, and how many others there are."""
    largest: dict[str, Mode] = {}
    for mode in sorted(modes, key=lambda mode: (mode.width * mode.height, mode.rate or 0)):
        largest[mode.format] = mode
    more = len(modes) - len(largest)
    said = [str(mode) for mode in largest.values()] or ["cannot be asked: in use, or no permission"]
    return "; ".join([*said, *([f"{more} more"] if more else [])])


def _no_camera() -> str:
    if sys.platform == "linux":
        return "none found; 'rtstyle live --camera synthetic' works without one"
    return "not listed on this system; try 'rtstyle live --camera 0'"
