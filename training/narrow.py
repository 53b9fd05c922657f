"""A family of `swift` networks with fewer channels: what matters least is left out, in all of them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build

State = dict[str, Tensor]  # a network's weights by name


@dataclass(frozen=True)
class _Channels:
    """One set of channels: what makes it, what reads it, and the number of the config that counts it."""

    number: str
    makers: tuple[str, ...]  # convolutions
    norms: tuple[str, ...]  # of the makers; none where a convolution is read as it is
    readers: tuple[str, ...]  # convolutions whose first inputs are these channels


def narrowed(states: Sequence[State], network: Network, config: Mapping[str, int]) -> list[State]:
    """Weights for a narrower `swift` of each of these networks, all of one build (that of ``network``).

    Of each set of channels those stay that reach the readers with most energy (weights of the readers
    times scale and shift of the norm, as Liu et al. 2017, "Network Slimming", rank by scale alone),
    summed over all networks: the same channels in each, so that what could be mixed still can. The
    networks need training after that (`rtstyle.training.distil`). Residual blocks are dropped from the end.

    Raises RtstyleError for a network that is not a `swift` and for numbers larger than its own.
    """
    if network.name != "swift":
        raise RtstyleError(f"only a swift can be made narrower, not a {network.name}")
    for key, value in config.items():
        if value > network.config.get(key, value):
            raise RtstyleError(f"{key} is {value}; the network to be narrowed has {network.config[key]}")
    narrow = build("swift", {**network.config, **config})
    wanted = narrow.state_dict()
    dropped = [
        f"{scale}_blocks.{block}."
        for scale in ("quarter", "eighth")
        for block in range(narrow.config[f"{scale}_blocks"], network.config[f"{scale}_blocks"])
    ]
    results = [
        {key: value.float() for key, value in state.items() if not key.startswith(tuple(dropped))}
        for state in states
    ]
    for channels in _sets(narrow.config):
        have, keep = network.config[channels.number], narrow.config[channels.number]
        if keep < have:
            scores = [_scores(state, channels, have) for state in results]
            kept = torch.stack([score / score.mean() for score in scores]).sum(0).topk(keep).indices
            for state in results:
                _select(state, channels, have, kept.sort().values)
    if any(state[key].shape != value.shape for state in results for key, value in wanted.items()):
        raise RtstyleError("these weights are not of the network they are said to be of")
    return results


def _sets(config: Mapping[str, int]) -> list[_Channels]:
    """Every set of channels of a `swift`. A residual stream is one set, whatever adds to it."""
    found = [
        _Channels("half", ("narrow",), (), ("up2.conv2d",)),
        _Channels("half", ("up2.conv2d",), ("up2_norm",), ("out.conv2d",)),
    ]
    streams = {
        "quarter": (["down1.conv2d", "up1.conv2d"], ["down1_norm", "up1_norm"], ["down2.conv2d", "narrow"]),
        "eighth": (["down2.conv2d"], ["down2_norm"], ["up1.conv2d"]),
    }
    for scale, (makers, norms, readers) in streams.items():
        for block in range(config[f"{scale}_blocks"]):
            own = f"{scale}_blocks.{block}."
            inner = _Channels(scale, (own + "conv1.conv2d",), (own + "in1",), (own + "conv2.conv2d",))
            found.append(inner)
            makers.append(own + "conv2.conv2d")
            norms.append(own + "in2")
            readers.append(own + "conv1.conv2d")
        found.append(_Channels(scale, tuple(makers), tuple(norms), tuple(readers)))
    return found


def _scores(state: State, channels: _Channels, have: int) -> Tensor:
    read = sum(state[f"{name}.weight"][:, :have].square().sum((0, 2, 3)) for name in channels.readers)
    if channels.norms:
        sizes = [state[f"{name}.{part}"] for name in channels.norms for part in ("weight", "bias")]
        made = torch.stack(sizes).square().sum(0)
    else:
        made = torch.stack([state[f"{name}.weight"].square().sum((1, 2, 3)) for name in channels.makers]).sum(
            0
        )
    return read * made


def _select(state: State, channels: _Channels, have: int, kept: Tensor) -> None:
    for name in channels.readers:
        weight = state[f"{name}.weight"]  # inputs beyond these channels (the picture beside them) all stay
        state[f"{name}.weight"] = torch.cat([weight[:, :have][:, kept], weight[:, have:]], dim=1)
    for name in (*channels.makers, *channels.norms):
        for part in ("weight", "bias"):
            state[f"{name}.{part}"] = state[f"{name}.{part}"][kept]
