"""Trainable picture-to-picture networks by name."""

import inspect

from rtstyle.errors import RtstyleError
from rtstyle.networks.blocks import Network
from rtstyle.networks.johnson import Johnson
from rtstyle.networks.swift import Swift

NETWORKS: dict[str, type[Network]] = {network.name: network for network in (Johnson, Swift)}

LARGEST_NUMBER = 1024  # of channels or blocks; a style file asking for more is broken or hostile

__all__ = ["NETWORKS", "Network", "build"]


def build(name: str, config: dict[str, int]) -> Network:
    """A network of that architecture with fresh weights, built from its numbers.

    ``config`` may leave numbers out; they take the defaults of the class's signature.
    Raises RtstyleError for an unknown name, an unknown number, or one outside 1 to 1024.
    """
    if name not in NETWORKS:
        raise RtstyleError(f"no network named {name!r}; there are: {', '.join(sorted(NETWORKS))}")
    allowed = list(inspect.signature(NETWORKS[name]).parameters)
    for key, value in config.items():
        if key not in allowed:
            raise RtstyleError(f"network {name} has no number {key!r}; it has: {', '.join(allowed)}")
        if type(value) is not int or not 1 <= value <= LARGEST_NUMBER:
            raise RtstyleError(
                f"network {name}: {key} is {value!r}; allowed are whole numbers from 1 to {LARGEST_NUMBER}"
            )
    return NETWORKS[name](**config)  # type: ignore[arg-type]
