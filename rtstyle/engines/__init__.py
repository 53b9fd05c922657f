"""Ways to run one network on integer pictures, by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Protocol

import torch

from rtstyle.engines.eager import Eager
from rtstyle.engines.graph import Graph
from rtstyle.engines.reduced import Measured
from rtstyle.errors import RtstyleError
from rtstyle.networks import Network

__all__ = ["ENGINES", "Engine", "load_engine", "missing", "pick_device"]


class Engine(Protocol):
    """Runs one network: integers in, integers out; padding, casting and placement happen inside."""

    device: torch.device  # where the network is

    @property
    def name(self) -> str:
        """Its name in `ENGINES`."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Restyle uint8 or uint16 (3, H, W), on any device; the result is like it."""

    def at_once(self, width: int, height: int) -> int:
        """Frames of that many pixels that are best run at once, by a `copy` and a thread each; 1 or more."""

    def copy(self) -> Engine:
        """The same network and weights for another thread."""

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take other weights of the same network, copied into those in use: nothing is rebuilt.

        Call it between two frames, from the thread that calls the engine: a frame under way in another
        thread would see both. Raises RtstyleError, nothing changed, for weights of another network.
        """


ENGINES = ("eager", "graph", "openvino", "int8")


def missing(engine: str) -> str:
    """How to get what an engine needs and is not installed; empty where it can run."""
    if engine == "graph":
        return "" if torch.cuda.is_available() else "PyTorch finds no CUDA GPU"
    there = engine == "eager" or find_spec("openvino") is not None
    return "" if there else "OpenVINO is not installed; pip install 'rtstyle[openvino]'"


def load_engine(
    network: Network, engine: str = "auto", device: str = "auto", measured: Measured = ()
) -> Engine:
    """A network made ready to run; the network itself is left as it is.

    Args:
        engine: a name of `ENGINES`, or "auto": CUDA graphs for a GPU, OpenVINO for a CPU where it is
            installed, else PyTorch.
        device: "cpu", "cuda", "cuda:N", or "auto" for the first GPU where there is one.
        measured: weights, the network's own or others it may be given later, that are as good in 8 bits;
            "int8" needs some, "auto" uses them.

    Raises RtstyleError for an unknown engine, for one that cannot run here or not with this network, and
    for a device that is not there.
    """
    place = pick_device(device)
    if engine == "auto":
        if place.type == "cuda":
            return Graph(network, place)
        if place.type == "cpu" and not missing("openvino"):
            with suppress(ImportError, RtstyleError):  # a release too old; a network it does not know
                from rtstyle.engines.openvino import OpenVINO

                return OpenVINO(network, place, measured)
        return Eager(network, place)
    if engine not in ENGINES:
        raise RtstyleError(f"no engine named '{engine}'; there are: auto, {', '.join(ENGINES)}")
    if lack := missing(engine):
        raise RtstyleError(f"engine {engine} cannot run: {lack}")
    if engine == "eager":
        return Eager(network, place)
    if engine == "graph":
        return Graph(network, place)
    from rtstyle.engines.openvino import OpenVINO

    if engine == "openvino":
        return OpenVINO(network, place)
    if not measured:
        raise RtstyleError(
            "engine int8 runs styles that were measured in 8 bits and found as good, as the shipped swift"
            " ones were; 'rtstyle quantise STYLE' measures one"
        )
    return OpenVINO(network, place, measured)


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; RtstyleError when it is unknown or absent."""
    name = str(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (name != "cuda" and not index.isdecimal())):
        raise RtstyleError(f"no device named '{name}'; allowed are auto, cpu, cuda and cuda:N")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise RtstyleError(f"device '{name}' is not there: PyTorch finds no CUDA GPU; use 'cpu'")
        if index and int(index) >= torch.cuda.device_count():
            raise RtstyleError(
                f"device '{name}' is not there; the last GPU is cuda:{torch.cuda.device_count() - 1}"
            )
    return torch.device(name)
