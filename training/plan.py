"""What a training run will be made from: its settings, completed by the style it begins from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rtstyle.errors import RtstyleError
from rtstyle.mixing import mixed, mixes
from rtstyle.networks import Network, build
from rtstyle.style_file import Style, read_card, read_style, save_style
from rtstyle.styles import load_style, shipped_files
from rtstyle.training.checkpoint import digest
from rtstyle.training.recipe import FULL, SLOW_STEPS, Recipe
from rtstyle.training.recipe_file import Materials, make_materials, make_recipe

# Its family's mean is where a new style begins, unless told otherwise.
ANCESTOR = "plain_strokes"


@dataclass(frozen=True)
class Plan:
    """A run before any work."""

    recipe: Recipe
    materials: Materials
    begun: tuple[Style, Network] | None  # the style to go on from, with its network; None: random weights


def make_plan(settings: Mapping[str, Any], fast: bool = True) -> Plan:
    """The plan of some settings (see ``recipe_file``); network and config are the start's where not given.

    ``fast``: the device computes in bfloat16, so that more steps take no longer.
    Where a loss network or weights of VGG19's are named, and no file of small_vgg19's, the network named does
    that one's part too: a step then takes longer. Raises RtstyleError for what cannot work.
    """
    materials = make_materials(settings)
    loss_network = materials.loss_network
    if materials.full and materials.start:
        raise RtstyleError(f"full training begins from nothing, yet start is '{materials.start}'; drop one")
    begun = None
    if not materials.full:
        if "network" in settings:
            build(settings["network"], {})  # raises for a name that is none
        begun = load_style(materials.start) if materials.start else _middle(settings.get("network"))
        own = begun[1].name
        if settings.get("network", own) != own:
            raise RtstyleError(f"style '{materials.start}' is a {own}, network says {settings['network']}")
        settings = {"network": own, "config": begun[1].config, **settings}
        if not fast:
            settings = {"steps": SLOW_STEPS, **settings}
        if own != "swift":  # the faster default was tried on no other
            settings = {"learning_rate": FULL["learning_rate"], **settings}
    if materials.full:
        settings = {**FULL, **settings}
    recipe = make_recipe(settings)
    build(recipe.network, recipe.config)  # raises for what does not exist
    others = {"vgg19": loss_network} if loss_network else {}
    files = materials.backbone_weights
    if "small_vgg19" not in files and (loss_network or "vgg19" in files):
        others["small_vgg19"] = loss_network or "vgg19"
    return Plan(recipe.measured_by(others), materials, begun)


def make_card(name: str, plan: Plan) -> Style:
    """The card of the style that comes of it; its family is its start's."""
    recipe, materials, begun = plan.recipe, plan.materials, plan.begun
    recorded = asdict(recipe)
    if begun:
        # The name of a file, or of a mean, says nothing elsewhere; its own recipe does.
        named = materials.start and not materials.start.endswith(".safetensors")
        recorded["start"] = begun[0].name if named else begun[0].recipe
    used = dict.fromkeys(layer.partition(".")[0] for layer in (*recipe.style_layers, *recipe.content_layers))
    files = materials.backbone_weights
    published = {"small_vgg19": "Wang et al. 2020"}
    measured = (
        f"{name} ({Path(files[name]).name if name in files else published.get(name, 'torchvision')})"
        for name in used
    )
    return Style(
        name=name,
        title=materials.title,
        recipe=recorded,
        licence=materials.licence,
        sources=tuple(materials.sources),
        loss_network=", ".join(measured),
        family=begun[0].family if begun else "",
    )


def save_trained(path: Path, network: Network, card: Style, half: bool) -> None:
    """Write a style; one that began from nothing founds a family, named after its weights."""
    if "start" not in card.recipe:
        card = replace(card, family=f"{card.name}-{digest(network.state_dict())[:8]}")
    save_style(path, network, card, half)


def same_weights(one: Path, other: Path) -> bool:
    """Whether two style files hold the same network."""
    first, second = (digest(read_style(path)[1].state_dict()) for path in (one, other))
    return first == second


def _middle(network: str | None) -> tuple[Style, Network]:
    """The mean of the shipped styles of a family: of ``ANCESTOR``'s, or of the first of that network.

    Each of them went from one start to a painting of its own; their mean has gone the way they share, without
    the stars or waves of any one (an outer step of Reptile: Nichol, Achiam, Schulman 2018, "On First-Order
    Meta-Learning Algorithms").
    """
    cards = {path: read_card(path) for path in shipped_files()}
    cards = {path: card for path, card in cards.items() if network in (None, card.network)}
    if not cards:
        kind = f" of network '{network}'" if network else ""
        raise RtstyleError(f"no shipped style{kind} is there to go on from; --full needs none")
    first = next((card for card in cards.values() if card.name == ANCESTOR), next(iter(cards.values())))
    own = {card.name: path for path, card in cards.items() if card is first or mixes(first, card)}
    members = {name: read_style(path) for name, path in own.items()}
    return mixed(members, dict.fromkeys(members, 1 / len(members)))
