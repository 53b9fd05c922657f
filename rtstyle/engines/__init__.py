"""Ways to run one network on integer pictures, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from rtstyle.engines.eager import Eager
from rtstyle.errors import RtstyleError
from rtstyle.networks import Network

__all__ = ["ENGINES", "Engine", "load_engine", "pick_device"]


class Engine(Protocol):
    """Runs one network: integers in, integers out; padding, casting and placement happen inside."""

    device: torch.device  # where the network is

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


ENGINES: dict[str, type[Eager]] = {"eager": Eager}


def load_engine(network: Network, engine: str = "auto", device: str = "auto") -> Engine:
    """A network made ready to run; the network itself is left as it is.

    Args:
        engine: a name of `ENGINES`, or "auto" for the fastest that works here.
        device: "cpu", "cuda", "cuda:N", or "auto" for the first GPU where there is one.

    Raises RtstyleError for an unknown engine, and for a device that is not there.
    """
    if engine != "auto" and engine not in ENGINES:
        raise RtstyleError(f"no engine named '{engine}'; there are: auto, {', '.join(ENGINES)}")
    chosen = ENGINES["eager" if engine == "auto" else engine]
    return chosen(network, pick_device(device))


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; RtstyleError when it is unknown or absent."""
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
