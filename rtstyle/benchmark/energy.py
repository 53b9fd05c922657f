"""Joules from the processor's own counters (RAPL), where Linux lets them be read, and from a GPU's (NVML)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch

ZONES = Path("/sys/class/powercap")
_NVML = "libnvidia-ml.so.1"  # comes with the driver
_CPU = torch.device("cpu")


class Counter(Protocol):
    """Joules used since it was made or last asked, whatever ran there."""

    def joules(self) -> float: ...


class Energy:
    """What processor and GPU have used, as far as it can be read.

    Attributes:
        of: whose energy it is: "processor", "GPU", both or none.
        why: a sentence each on what cannot be read.
    """

    def __init__(self, device: torch.device = _CPU, zones: Path = ZONES) -> None:
        self.of: list[str] = []
        self.why: list[str] = []
        self._counters: list[Counter] = []
        kinds: list[tuple[str, Callable[[], Counter]]] = [("processor", lambda: Packages(zones))]
        if device.type == "cuda":
            kinds.append(("GPU", lambda: Card(device)))
        for name, make in kinds:
            try:
                self._counters.append(make())
                self.of.append(name)
            except (OSError, AttributeError) as error:  # no library, or one without the function
                self.why.append(str(error))

    def joules(self) -> float | None:
        """Since the last call; None where nothing can be read."""
        return sum(each.joules() for each in self._counters) if self._counters else None


class Packages:
    """The processor's packages. Right for up to one turn of the counter, about an hour of a busy desktop.

    Raises OSError where they cannot be read.
    """

    def __init__(self, zones: Path = ZONES) -> None:
        # intel-rapl:0 is a package (AMD's as well); intel-rapl:0:0 is a part that it counts already.
        # A laptop's psys is the whole machine, packages and all.
        found = [
            zone
            for zone in sorted(zones.glob("intel-rapl:*"))
            if zone.name.count(":") == 1 and _name(zone) != "psys"
        ]
        if not found:
            raise OSError(f"no counter of the processor in {zones} (a virtual machine?)")
        try:
            self._tops = {zone: _number(zone / "max_energy_range_uj") for zone in found}  # then from 0 again
            self._last = self._read()
        except (OSError, ValueError):
            raise OSError(f"the energy counters in {zones} may be read by root alone") from None

    def joules(self) -> float:
        before, self._last = self._last, self._read()
        return sum((self._last[zone] - before[zone]) % top for zone, top in self._tops.items()) / 1e6

    def _read(self) -> dict[Path, int]:
        return {zone: _number(zone / "energy_uj") for zone in self._tops}


class Card:
    """One GPU, by NVML, which has counted since the driver was loaded. Raises OSError where it does not."""

    def __init__(self, device: torch.device) -> None:
        self._nvml = ctypes.CDLL(_NVML)
        self._ask("nvmlInit_v2")
        # By its own name: CUDA may number the cards otherwise, or see some of them alone.
        name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        self._handle = ctypes.c_void_p()
        self._ask("nvmlDeviceGetHandleByUUID", name.encode(), ctypes.byref(self._handle))
        self._last = self._read()

    def joules(self) -> float:
        before, self._last = self._last, self._read()
        return (self._last - before) / 1e3

    def _read(self) -> int:
        used = ctypes.c_ulonglong()
        self._ask("nvmlDeviceGetTotalEnergyConsumption", self._handle, ctypes.byref(used))
        return used.value

    def _ask(self, function: str, *given: object) -> None:
        if code := getattr(self._nvml, function)(*given):
            raise OSError(f"the GPU's energy cannot be read: {function} answers {code}")


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    return int(path.read_text())
