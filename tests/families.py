"""Small style families of random weights, for tests of mixing."""

from pathlib import Path

import torch

from rtstyle.networks import Network, build
from rtstyle.style_file import Style, save_style

TINY = {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1}


def network(seed: int) -> Network:
    torch.manual_seed(seed)
    made = build("swift", TINY)
    torch.nn.init.normal_(made.get_parameter("out.conv2d.bias"), 0.5, 0.1)  # each its own colour
    return made.eval()


def save_family(folder: Path, family: str, *names: str) -> dict[str, Network]:
    """Styles of one family as files of a folder; their networks."""
    networks = {name: network(sum(name.encode())) for name in names}
    for name, each in networks.items():
        card = Style(name, title=name.title(), licence="CC0", sources=("here", name), family=family)
        save_style(folder / f"{name}.safetensors", each, card)
    return networks
