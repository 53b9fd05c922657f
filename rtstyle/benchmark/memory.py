"""Memory: what there is, and the peak of a command in a process of its own (Linux)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rtstyle.errors import RtstyleError

_LOOK = 0.02  # seconds


def available() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not say."""
    return _field(Path("/proc/meminfo"), "MemAvailable")


def peak_of(arguments: Sequence[str | Path]) -> int | None:
    """Run an `rtstyle` command; bytes it had in memory at most, None where the system does not say.

    In a process of its own, since what this one has measured before would count as well. The peak is the
    system's own (VmHWM), looked at every 20 ms while the process is there.

    Raises RtstyleError when the command fails.
    """
    peak = None
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-m", "rtstyle", *map(str, arguments)], stdout=said, stderr=said
        ) as process,
    ):
        while process.poll() is None:
            peak = _field(Path(f"/proc/{process.pid}/status"), "VmHWM") or peak
            try:
                process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                continue
        if process.returncode:
            said.seek(0)
            lines = said.read().strip().splitlines() or [f"exit code {process.returncode}"]
            raise RtstyleError(f"memory could not be measured: {lines[-1]}")
    return peak


def _field(path: Path, name: str) -> int | None:
    """Bytes of one line ``Name: N kB`` of a file of /proc."""
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
