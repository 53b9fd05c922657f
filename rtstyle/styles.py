"""The styles at hand: the shipped ones and the user's own, by name or by path."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rtstyle.errors import RtstyleError, likely
from rtstyle.style_file import SUFFIX, Style, read_card, read_style

if TYPE_CHECKING:
    from rtstyle.networks import Network

DEFAULT_STYLE = "starry_night"
LIVE_STYLE = "starry_night_fast"  # the same by a narrower network

_NAMED = 16  # most styles an error names
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".heic")


def own_folder() -> Path:
    """The user's own styles: $RTSTYLE_STYLES, else the platform's place for a program's data."""
    if told := os.environ.get("RTSTYLE_STYLES"):
        return Path(told).expanduser()
    if sys.platform == "win32":
        data = os.environ.get("APPDATA") or "~/AppData/Roaming"
    elif sys.platform == "darwin":
        data = "~/Library/Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "rtstyle" / "styles"


def style_name(name_or_path: str | os.PathLike[str]) -> str:
    """What a style is called: its name, or for a path the file's name without extension."""
    return Path(name_or_path).stem if _is_path(name_or_path) else str(name_or_path)


def list_styles() -> list[Style]:
    """The cards of all styles at hand, by name; the user's own hide shipped ones of the same name.

    Reads headers only. A file that is no style is skipped: it must not hide the others.
    """
    cards = {}
    for name, path in _at_hand().items():
        try:
            style = read_card(path)
        except RtstyleError:
            continue
        cards[name] = replace(style, name=name)  # the file's name is the one that loads it
    return [cards[name] for name in sorted(cards)]


def unusable_styles() -> list[str]:
    """A line on each of the user's own files that is no style, and why; or on why none can be looked at."""
    own, why = _own()
    return [why] if why else [why for path in own if (why := _why_unusable(path))]


def load_style(name_or_path: str | os.PathLike[str] = DEFAULT_STYLE) -> tuple[Style, Network]:
    """A style by name, or by the path of its file: its card and its network (see `read_style`).

    Raises RtstyleError in one line for an unknown name and for a file that cannot be used.
    """
    return read_style(find_style(name_or_path))


def find_style(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a style; RtstyleError where there is none."""
    text = str(name_or_path)
    if Path(text).suffix.lower() in _PICTURES:
        ways = "'rtstyle train' makes a style of one, 'rtstyle gatys' paints by one"
        raise RtstyleError(f"'{text}' is a picture, not a style; {ways}")
    if _is_path(name_or_path):
        path = Path(text).expanduser()
        if not path.is_file():
            raise RtstyleError(f"no style file at '{path}'")
        return path
    at_hand = _at_hand()
    if text in at_hand:
        return at_hand[text]
    names = [style.name for style in list_styles()]
    hint = likely(re.sub(r"[\s-]+", "_", text.lower()), names)
    there = f"there are: {', '.join(names)}" if names else "none is installed"
    if len(names) > _NAMED:
        there = f"'rtstyle styles' lists the {len(names)} there are"
    raise RtstyleError(f"no style named '{text}'; {' '.join(filter(None, (hint, there)))}")


def shipped_files() -> list[Path]:
    """The files of the styles that came with the package, by name."""
    return sorted(Path(str(files("rtstyle.models"))).glob(f"*{SUFFIX}"))


def _at_hand() -> dict[str, Path]:
    """Name -> file of every style file found, the user's own in place of shipped ones where usable."""
    found = {path.stem: path for path in shipped_files()}
    for path in _own()[0]:
        if path.stem not in found or not _why_unusable(path):
            found[path.stem] = path
    return found


def _own() -> tuple[list[Path], str]:
    """The user's own style files; of none, why they cannot be looked at, where that is so."""
    try:
        # A list of its own: `glob` says nothing of a folder that may not be read.
        folder = own_folder()
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return [file for file in files if file.suffix == SUFFIX], ""
    except (OSError, RuntimeError) as error:  # not to be searched, or nobody's home is known
        return [], f"your own styles, which cannot be read: {getattr(error, 'strerror', None) or error}"


def _why_unusable(path: Path) -> str:
    try:
        read_card(path)
    except RtstyleError as error:
        return str(error)
    return ""


def _is_path(name_or_path: str | os.PathLike[str]) -> bool:
    text = str(name_or_path)
    return not isinstance(name_or_path, str) or text.endswith(SUFFIX) or Path(text).name != text
