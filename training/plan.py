"""What a training run will be made from: its settings, completed by the style it begins from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.style_file import Style, save_style
from rtstyle.styles import list_styles, load_style
from rtstyle.training.checkpoint import digest
from rtstyle.training.recipe import FULL, Recipe
from rtstyle.training.recipe_file import Materials, make_materials, make_recipe

# A shipped style without motifs of its own: the stars or waves of any other come along for a thousand steps.
PLAINEST = "plain_strokes"


@dataclass(frozen=True)
class Plan:
    """A run before any work."""

    recipe: Recipe
    materials: Materials
    begun: tuple[Style, Network] | None  # the style to go on from, with its network; None: random weights


def make_plan(settings: Mapping[str, Any]) -> Plan:
    """The plan of some settings (see ``recipe_file``); network and config are the start's where not given.

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
        materials = replace(materials, start=materials.start or _shipped(settings.get("network")))
        begun = load_style(materials.start)
        own = begun[1].name
        if settings.get("network", own) != own:
            raise RtstyleError(f"style '{materials.start}' is a {own}, network says {settings['network']}")
        settings = {"network": own, "config": begun[1].config, **settings}
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
        # A file's name says nothing elsewhere; its own recipe does.
        recorded["start"] = begun[0].recipe if materials.start.endswith(".safetensors") else begun[0].name
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


def _shipped(network: str | None) -> str:
    """The style to go on from when none is named: the family's plainest, or one of the network asked for."""
    names = [card.name for card in list_styles() if network in (None, card.network)]
    if network is None or PLAINEST in names:
        return PLAINEST
    if not names:
        raise RtstyleError(f"no style of network '{network}' is there to go on from; --full needs none")
    return names[0]
