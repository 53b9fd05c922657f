"""Memory: what there is, and the peak of a command in a process of its own (Linux)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rtstyle.errors import RtstyleError

_LOOK = 0.02  # seconds


def available() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not say."""
    return _field(Path("/proc/meminfo"), "MemAvailable")


def highest(process: int | str = "self") -> int | None:
    """Bytes that a process, this one unless told, has had at most; None where the system does not say."""
    return _field(Path(f"/proc/{process}/status"), "VmHWM")


class Peak(NamedTuple):
    """Bytes that a process had at most; None where that cannot be known."""

    memory: int | None
    gpu: int | None  # that PyTorch held: what is reserved, a graph's own does not count as allocated


# Runs a command, and prints last how much of a GPU it took.
_PROGRAM = """
import sys
from rtstyle.cli import main
code = main(sys.argv[1:])
torch = sys.modules.get("torch")
if code == 0 and torch and torch.cuda.is_initialized():
    print(sum(map(torch.cuda.max_memory_reserved, range(torch.cuda.device_count()))))
sys.exit(code)
"""


def peak_of(arguments: Sequence[str | Path]) -> Peak:
    """Run an `rtstyle` command, and see how much memory it takes.

    In a process of its own, since what this one has measured before would count as well. The peak is the
    system's own (VmHWM), looked at every 20 ms while the process is there.

    Raises RtstyleError when the command fails.
    """
    peak = None
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *map(str, arguments)], stdout=said, stderr=said
        ) as process,
    ):
        while process.poll() is None:
            peak = highest(process.pid) or peak
            try:
                process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                continue
        said.seek(0)
        lines = said.read().strip().splitlines() or [f"exit code {process.returncode}"]
        if process.returncode:
            raise RtstyleError(f"memory could not be measured: {lines[-1]}")
    return Peak(peak, int(lines[-1]) if lines[-1].isdecimal() else None)


def _field(path: Path, name: str) -> int | None:
    """Bytes of one line ``Name: N kB`` of a file of /proc."""
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
