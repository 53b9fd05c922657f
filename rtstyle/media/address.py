"""Addresses given where a file belongs."""

import re
from pathlib import Path

_ADDRESS = re.compile(r"(https?|ftp|rtsp|rtmps?|udp|srt):/")


def why_missing(path: Path) -> str:
    """Why there is no file of that name, for an error: an address is told from a slip."""
    return "is an address; only live takes those" if _ADDRESS.match(str(path)) else "no such file"
