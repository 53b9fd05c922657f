"""A training run as a TOML file: the numbers of its recipe, its pictures, and what its card will say."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from rtstyle.errors import RtstyleError, likely
from rtstyle.training.recipe import Recipe

LOSS_NETWORKS = ("vgg19", "vgg16")  # that may measure style


@dataclass(frozen=True)
class Materials:
    """What a run is made from, beside its numbers. A path in a TOML file is relative to that file."""

    picture: Path  # the painting
    content: Path  # folder of training photos
    clips: Path | None = None  # folder of clips whose frames teach steadiness too
    start: str = ""  # style, name or file, to go on from; "": the mean of the shipped ones of that network
    full: bool = False  # from random weights instead
    backbone_weights: dict[str, str] = field(default_factory=dict)  # backbone -> file; left out: fetched
    title: str = ""  # the artwork, its artist, its year
    licence: str = ""  # of the weights
    sources: list[str] = field(default_factory=list)  # where artwork and photos come from
    loss_network: str = ""  # "vgg16": it takes the place of vgg19


def read_recipe_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file: fields of ``Recipe`` and ``Materials``.

    Raises RtstyleError for a file that is no TOML, an unknown key and a value of another kind.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RtstyleError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RtstyleError(f"{path}: is no TOML ({error})") from None
    kinds = {item.name: item.type for part in (Recipe, Materials) for item in fields(part)}
    for key, value in settings.items():
        if key not in kinds:
            hint = likely(key, kinds) or f"there are: {', '.join(kinds)}"
            raise RtstyleError(f"{path}: unknown key {key!r}; {hint}")
        settings[key] = _checked(value, kinds[key], f"{path}: {key}")
    for key in ("picture", "content", "clips"):
        if key in settings:
            settings[key] = _beside(path, settings[key])
    if str(settings.get("start", "")).endswith(".safetensors"):
        settings["start"] = str(_beside(path, settings["start"]))
    weights = settings.get("backbone_weights", {})
    settings["backbone_weights"] = {name: str(_beside(path, file)) for name, file in weights.items()}
    return settings


def make_recipe(settings: Mapping[str, Any]) -> Recipe:
    """The numbers among the settings. Raises RtstyleError where one cannot work."""
    return Recipe(**{item.name: settings[item.name] for item in fields(Recipe) if item.name in settings})


def make_materials(settings: Mapping[str, Any]) -> Materials:
    """The rest of the settings. Raises RtstyleError when the painting or the photos are not named."""
    for key, what in (("picture", "the style picture"), ("content", "the folder of training photos")):
        if key not in settings:
            option = "" if key == "picture" else " (--content DIR)"
            raise RtstyleError(f"{what} is not given{option}; a recipe file names it as {key} = ...")
    if (chosen := settings.get("loss_network", "")) not in ("", *LOSS_NETWORKS):
        raise RtstyleError(f"loss_network is {chosen!r}; allowed are {' and '.join(LOSS_NETWORKS)}")
    names = [item.name for item in fields(Materials)]
    return Materials(**{name: settings[name] for name in names if name in settings})


def _beside(path: Path, name: str | Path) -> Path:
    return path.parent / Path(name).expanduser()


# What TOML gives for each kind of field, and its name in an error.
_KINDS: dict[Any, tuple[type, str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (bool, "true or false"),
    str: (str, "a text"),
    Path: (str, "a path"),
    Path | None: (str, "a path"),
    list[str]: (list, "a list of texts"),
    dict[str, int]: (dict, "a table of whole numbers"),
    dict[str, float]: (dict, "a table of numbers"),
    dict[str, str]: (dict, "a table of texts"),
}


def _checked(value: Any, kind: Any, where: str) -> Any:
    """The value, a whole number made a float where one is wanted; RtstyleError when it is another kind."""
    wanted, name = _KINDS[kind]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise RtstyleError(f"{where} is {value!r}; it must be {name}")
    inner: tuple[Any, ...] = get_args(kind)
    if isinstance(value, list):
        return [_checked(item, inner[0], where) for item in value]
    if isinstance(value, dict):
        return {key: _checked(item, inner[1], f"{where}.{key}") for key, item in value.items()}
    return value
