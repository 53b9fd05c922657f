"""Joules from the processor's own counters (RAPL), where Linux lets them be read."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/powercap")


class Energy:
    """What the processor's packages have used since it was made or last asked, whatever ran on them.

    A GPU's energy is not in it: reading that takes a library PyTorch does not bring along.

    Attributes:
        why: why nothing can be read; empty where it can.
    """

    def __init__(self, zones: Path = ZONES) -> None:
        # intel-rapl:0 is a package (AMD's as well); intel-rapl:0:0 is a part that it counts already.
        # A laptop's psys is the whole machine, packages and all.
        found = [
            zone
            for zone in sorted(zones.glob("intel-rapl:*"))
            if zone.name.count(":") == 1 and _name(zone) != "psys"
        ]
        self.why = "" if found else f"no counter of the processor in {zones} (a virtual machine?)"
        self._zones: dict[Path, int] = {}  # microjoules at which the counter starts again
        try:
            self._zones = {zone: _number(zone / "max_energy_range_uj") for zone in found}
            self._last = self._read()
        except (OSError, ValueError):
            self._zones, self.why = {}, f"the energy counters in {zones} may be read by root alone"

    def joules(self) -> float | None:
        """Since the last call; None where nothing can be read. Right for up to one turn of the counter,
        which takes about an hour of a busy desktop processor."""
        if not self._zones:
            return None
        before, self._last = self._last, self._read()
        return sum((self._last[zone] - before[zone]) % top for zone, top in self._zones.items()) / 1e6

    def _read(self) -> dict[Path, int]:
        return {zone: _number(zone / "energy_uj") for zone in self._zones}


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    return int(path.read_text())
