"""A style is one .safetensors file: the weights of a network and a card that says what they are.

The card lies as JSON in the file's metadata, so listing styles reads a few hundred bytes each and
loading one runs none of its content: the network is rebuilt from its name and numbers, every tensor
is checked against it, and only then are the weights read. torch is imported where weights are
touched, so that naming and listing styles stays instant.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from rtstyle.errors import RtstyleError, one_line

if TYPE_CHECKING:
    import torch

    from rtstyle.networks import Network

SUFFIX = ".safetensors"

_FORMAT = 1  # raised when an older program could no longer read the file rightly
_MAX_HEADER = 1 << 20  # bytes; a thousand tensors and a long card need a tenth of it
_TABLES = ("config", "recipe", "figures", "int8")  # fields of a card with names and values
_STORED = ("F32", "F16", "BF16")  # safetensors' names of the types a weight may have


@dataclass(frozen=True)
class Style:
    """The card of one style."""

    name: str  # letters, digits, '_' and '-'; what `--style` takes
    title: str = ""  # the artwork, its artist, its year
    network: str = ""  # key of rtstyle.networks.NETWORKS
    config: dict[str, Any] = field(default_factory=dict)  # the numbers that rebuild the network
    recipe: dict[str, Any] = field(default_factory=dict)  # how it was trained
    licence: str = ""  # of the weights
    sources: tuple[str, ...] = ()  # where artwork and training pictures come from
    loss_network: str = ""  # whose features trained it, with its licence
    figures: dict[str, Any] = field(default_factory=dict)  # measured: name -> number
    family: str = ""  # styles fine-tuned from one ancestor share it, and mix; empty: mixes with none
    int8: dict[str, Any] = field(default_factory=dict)  # ranges for 8 bits and what was measured with them


def read_style(path: Path) -> tuple[Style, Network]:
    """A style file's card and network, which is in float32 on the CPU, in evaluation mode.

    Raises RtstyleError in one line for a file that is truncated, no style, of a network this version
    does not know, or whose weights do not fit that network.
    """
    import torch

    style, shapes = _read_header(path)
    network = _rebuild(style, shapes, path)
    try:
        with safe_open(path, framework="pt") as file:
            # Copied, or the weights would stay mapped to a file that may change under them.
            weights = {key: file.get_tensor(key).to(torch.float32, copy=True) for key in shapes}
    except (SafetensorError, OSError) as error:
        raise _refusal(path, f"cannot be read ({one_line(error)})") from error
    check_finite(weights, path)
    network.load_state_dict(weights, assign=True)
    return style, network.eval()


def read_card(path: Path) -> Style:
    """A style file's card alone; raises RtstyleError for a file that is no style."""
    return _read_header(path)[0]


def save_style(path: str | os.PathLike[str], network: Network, style: Style, half: bool = False) -> None:
    """Write a style file; complete or not at all.

    The card's `network` and `config` are taken from the network itself. ``half`` stores the weights
    in 16 bits: half the size, and the rounding is far below one step of an 8-bit picture.
    Raises RtstyleError for a name or path that could not be loaded again and for weights not finite.
    """
    import torch
    from safetensors.torch import save

    path = Path(path)
    if path.suffix != SUFFIX:
        raise RtstyleError(f"a style is saved as NAME{SUFFIX}; got '{path}'")
    check_name(style.name)
    dtype = torch.float16 if half else torch.float32
    state = network.state_dict()
    weights = {key: value.detach().cpu().to(dtype).contiguous() for key, value in state.items()}
    check_finite(weights, path)
    card = replace(style, network=network.name, config=dict(network.config))
    metadata = {"rtstyle": json.dumps(asdict(card)), "rtstyle_format": str(_FORMAT)}
    try:
        _write_whole(path, save(weights, metadata))
    except OSError as error:
        raise RtstyleError(f"cannot write style '{path}': {one_line(error)}") from error


def rewrite_card(source: str | os.PathLike[str], target: str | os.PathLike[str], style: Style) -> None:
    """The style file `source` with another card as `target`, its weights byte for byte; whole or not at all.

    Raises RtstyleError for a file that is no style, and one that cannot be written.
    """
    source, target = Path(source), Path(target)
    _read_header(source)
    try:
        content = source.read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        header["__metadata__"]["rtstyle"] = json.dumps(asdict(style))
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # the weights begin at a multiple of 8
        _write_whole(target, len(text).to_bytes(8, "little") + text + content[start:])
    except OSError as error:
        raise RtstyleError(f"cannot write style '{target}': {one_line(error)}") from error


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_header(path: Path) -> tuple[Style, dict[str, tuple[int, ...]]]:
    """The card and the shape of every tensor, without reading a weight."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _MAX_HEADER:
            raise _refusal(path, f"is not a {SUFFIX} file, or its header is damaged")
        with safe_open(path, framework="np") as stored:
            metadata = stored.metadata() or {}
            slices = {key: stored.get_slice(key) for key in stored.keys()}  # noqa: SIM118
            shapes = {key: tuple(part.get_shape()) for key, part in slices.items()}
            kinds = {key: part.get_dtype() for key, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise _refusal(path, f"is truncated or no {SUFFIX} file ({one_line(error)})") from error
    if "rtstyle" not in metadata:
        raise _refusal(path, "has weights but no card; `rtstyle styles import` converts peers' checkpoints")
    stated = metadata.get("rtstyle_format", "")
    if stated != str(_FORMAT):
        raise _refusal(path, f"has format '{stated[:20]}', this version reads {_FORMAT}; update rtstyle?")
    for key, kind in kinds.items():
        if kind not in _STORED:
            raise _refusal(path, f"stores {key[:80]!r} as {kind}; allowed are {', '.join(_STORED)}")
    return _parse_card(metadata["rtstyle"], path), shapes


def _parse_card(text: str, path: Path) -> Style:
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "has a damaged card (no JSON)") from error
    if not isinstance(card, dict) or "name" not in card:
        raise _refusal(path, "has a card without a name")
    known = {each.name: card[each.name] for each in fields(Style) if each.name in card}
    for key, value in known.items():
        wanted = {"sources": list}.get(key, dict if key in _TABLES else str)
        if not isinstance(value, wanted):
            raise _refusal(path, f"has a card whose '{key}' is no {wanted.__name__}")
        if isinstance(value, str) and not value.isprintable():
            raise _refusal(path, f"has a card whose '{key}' holds control characters")
    sources = known.get("sources", [])
    if not all(isinstance(source, str) for source in sources):
        raise _refusal(path, "has a card whose 'sources' are no texts")
    return Style(**{**known, "sources": tuple(sources)})


def _rebuild(style: Style, shapes: dict[str, tuple[int, ...]], path: Path) -> Network:
    """The network the card names, with no memory behind its weights yet, if the file's tensors fit it."""
    import torch

    from rtstyle.networks import build

    try:
        with torch.device("meta"):
            network = build(style.network, style.config)
    except RtstyleError as error:
        raise _refusal(path, f"builds no network here: {one_line(error)}") from error
    check_tensors(network, shapes, f"style file '{path}' does not fit network {style.network}")
    return network


def check_tensors(network: Network, found: Mapping[str, tuple[int, ...]], refusal: str) -> None:
    """Raise ``refusal``, completed by the first difference, unless names and shapes are the network's."""
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    if missing := sorted(expected.keys() - found.keys()):
        raise RtstyleError(f"{refusal}: '{missing[0]}' is missing ({len(missing)} of {len(expected)})")
    if strange := sorted(found.keys() - expected.keys()):
        raise RtstyleError(f"{refusal}: {strange[0][:80]!r} is no part of it ({len(strange)} such)")
    for key, shape in expected.items():
        if found[key] != shape:
            raise RtstyleError(f"{refusal}: '{key}' has shape {list(found[key])}, expected {list(shape)}")


def check_finite(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    for key, weight in weights.items():
        if not bool(weight.isfinite().all()):
            raise RtstyleError(f"'{path}': weight '{key}' is not finite (a training that diverged?)")


def check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise RtstyleError(f"a style's name has letters, digits, '_' and '-' only; got '{name}'")


def _refusal(path: Path, why: str) -> RtstyleError:
    return RtstyleError(f"style file '{path}' {why}")
