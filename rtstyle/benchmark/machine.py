"""What was measured on: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av
import torch

import rtstyle

PACKAGES = ("torch", "av", "openvino")


def machine_facts(device: torch.device) -> dict[str, Any]:
    """JSON-ready. `load` is how many processes wanted a core in the last minute: other work's, too."""
    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "rtstyle": rtstyle.__version__,
        **{name: _version(name) for name in PACKAGES},
        "ffmpeg": av.ffmpeg_version_info,
    }


def usable_cores() -> int:
    """How many this process may use; 1 where the system does not say."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def cpu_model(facts: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; its kind alone where the system has no name for it."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", facts.read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
