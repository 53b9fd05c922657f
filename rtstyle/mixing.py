"""Mixing styles of one family: the weights of their networks are interpolated.

Networks fine-tuned from one common ancestor stay close enough that a weighted mean of their weights is
again a working network, whose style lies between theirs (Wang, Yu, Dong, Tang, Loy 2019, "Deep Network
Interpolation for Continuous Imagery Effect Transition", arXiv 1811.10515). It costs nothing at run time,
and there are no double contours as in a blend of two pictures.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network
from rtstyle.style_file import SUFFIX, Style
from rtstyle.styles import list_styles, load_style, style_name

Pathlike = str | os.PathLike[str]
State = Mapping[str, Tensor]  # the weights of one network, name -> tensor
Mix = dict[str, float]  # style -> its share, above 0; the shares sum to 1
Members = dict[str, tuple[Style, Network]]  # styles that mix, by name

MOST = 8  # styles in one mix


def interpolate(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """The weighted sum of network weights, tensor by tensor, in float32: sum of αᵢ θᵢ (Wang 2019).

    A weight of 1 among zeros gives back that state exactly. `weights` should sum to 1.
    Raises RtstyleError for states of different networks.
    """
    first = {key: value.shape for key, value in states[0].items()}
    if any({key: value.shape for key, value in state.items()} != first for state in states):
        raise RtstyleError("weights of different networks cannot be interpolated: names or shapes differ")
    parts = [(state, weight) for state, weight in zip(states, weights, strict=True) if weight != 0]
    mixed = {}
    with torch.no_grad():
        for key, shape in first.items():
            total = torch.zeros(shape, device=states[0][key].device)
            for state, weight in parts:
                total.add_(state[key].float(), alpha=weight)
            mixed[key] = total
    return mixed


def parse_mix(spec: Pathlike | Sequence[Pathlike] | Mapping[str, float]) -> Mix:
    """``a``, ``a,b`` (equal shares) or ``a:0.6,b:0.4`` as style -> share; each a name or a path.

    Also a list of styles, for equal shares, and a mapping from style to weight.

    Weights are positive numbers in any unit. An existing file is always one style, whatever its name.
    Raises RtstyleError for a weight that is none, an empty or repeated style, and more than `MOST`.
    """
    if isinstance(spec, Mapping):
        _check_names([*spec])
        return normalised(spec)
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        _check_names(spec)
        return normalised({os.fspath(style): 1.0 for style in spec})
    if not isinstance(spec, str) or os.path.isfile(spec):  # noqa: PTH113 (Path raises for a long mix)
        return {os.fspath(spec): 1.0}
    parsed = [_parse_part(part, spec) for part in spec.split(",")]
    styles = [style for style, _ in parsed]
    _check_names(styles)
    weighted = [style for style, weight in parsed if weight is not None]
    if weighted and len(weighted) < len(parsed):
        bare = next(style for style in styles if style not in weighted)
        raise RtstyleError(f"style mix '{spec}': '{bare}' has no weight; give every style one, or none")
    if len(parsed) == 1 and parsed[0][1] not in (None, 1):
        raise RtstyleError(f"style mix '{spec}' has one style; for less of it use --strength")
    return normalised({style: 1.0 if weight is None else weight for style, weight in parsed})


def has_weights(spec: str) -> bool:
    """Whether a mix that `parse_mix` takes has weights: ``a:1,b:1`` does, ``a,b`` does not."""
    return not os.path.isfile(spec) and _parse_part(spec.split(",")[0], spec)[1] is not None  # noqa: PTH113


def _parse_part(part: str, spec: str) -> tuple[str, float | None]:
    style, colon, tail = (text.strip() for text in part.rpartition(":"))
    if not colon or tail.endswith(SUFFIX) or "/" in tail or "\\" in tail:  # C:\x.safetensors has no weight
        style, weight = part.strip(), None
    else:
        try:
            weight = float(tail)
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            raise RtstyleError(
                f"style mix '{spec}': the weight of '{style}' is '{tail}'; allowed are numbers above 0"
            )
    if not style:
        raise RtstyleError(f"style mix '{spec}' has an empty name; write it as a:0.6,b:0.4 or a,b")
    return style, weight


def _check_names(styles: Iterable[Pathlike]) -> None:
    names = [style_name(style) for style in styles]
    if len(names) > MOST:
        raise RtstyleError(f"{len(names)} styles are too many to mix; allowed are up to {MOST}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise RtstyleError(f"style '{twice[0]}' is named twice; name each style once")


def normalised(weights: Mapping[str, float]) -> Mix:
    """Weights from 0 up as shares that sum to 1; styles of weight 0 are left out."""
    total = sum(weights.values())
    if not all(0 <= weight < math.inf for weight in weights.values()) or not 0 < total < math.inf:
        said = ", ".join(f"{name}: {weight}" for name, weight in weights.items()) or "nothing"
        raise RtstyleError(f"a mix of {said}: allowed are numbers from 0 up, at least one of them above 0")
    return {name: weight / total for name, weight in weights.items() if weight > 0}


def mix_name(mix: Mapping[str, float]) -> str:
    """``a`` for one style, ``a:0.6+b:0.4`` for more."""
    if len(mix) == 1:
        return next(iter(mix))
    return "+".join(f"{name}:{share:.3g}" for name, share in mix.items())


def eased(start: Mix, end: Mix, part: Fraction) -> Mix:
    """The mix at `part` of the way (held to 0 and 1), slow at both ends: smoothstep, 3p² - 2p³."""
    part = min(max(part, Fraction(0)), Fraction(1))
    gone = float(part * part * (3 - 2 * part))
    shares = {name: (1 - gone) * start.get(name, 0) + gone * end.get(name, 0) for name in {**start, **end}}
    return {name: share for name, share in shares.items() if share > 0}


def mixes(one: Style, other: Style) -> bool:
    """Whether two styles share family, network and numbers, so that their weights can be mixed."""
    return bool(one.family) and all(
        getattr(one, fact) == getattr(other, fact) for fact in ("family", "network", "config")
    )


def load_members(styles: Sequence[Pathlike]) -> Members:
    """Styles by name or path, in that order, under their names.

    Raises RtstyleError as `load_style` does, and for styles that do not mix, naming those that would.
    """
    _check_names(styles)
    members = {style_name(style): load_style(style) for style in styles}
    first = next(iter(members))
    card = members[first][0]
    for name, (other, _) in members.items():
        if name != first and not mixes(card, other):
            fitting = [each.name for each in list_styles() if mixes(card, each) and each.name != first]
            raise RtstyleError(
                f"styles '{first}' and '{name}' do not mix: they are not of one family;"
                f" with '{first}' mix: {', '.join(fitting) or 'no others at hand'}"
            )
    return members


def mixed(members: Members, mix: Mix) -> tuple[Style, Network]:
    """The card and the network of a mix of members; of one alone, its own."""
    if len(mix) == 1:
        return members[next(iter(mix))]
    cards = [members[name][0] for name in mix]
    networks = [members[name][1] for name in mix]
    network = copy.deepcopy(networks[0])
    network.load_state_dict(interpolate([each.state_dict() for each in networks], list(mix.values())))
    card = Style(
        name=mix_name(mix),
        title=" + ".join(each.title or name for name, each in zip(mix, cards, strict=True)),
        network=network.name,
        config=dict(network.config),
        recipe={"mix": dict(mix)},
        licence="; ".join(dict.fromkeys(each.licence for each in cards)),
        sources=tuple(dict.fromkeys(source for each in cards for source in each.sources)),
        loss_network="; ".join(dict.fromkeys(each.loss_network for each in cards)),
        family=cards[0].family,
    )
    return card, network


def load_mix(spec: Pathlike) -> tuple[Style, Network]:
    """A style by name or path, or a mix of a family's as ``a:0.6,b:0.4``: its card and its network.

    Raises RtstyleError as `parse_mix` and `load_members` do.
    """
    shares = parse_mix(spec)
    members = load_members(list(shares))
    return mixed(members, dict(zip(members, shares.values(), strict=True)))
