"""``rtstyle styles [list | show NAME | import FILE]``: what styles there are."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rtstyle.cli.options import print_json
from rtstyle.errors import RtstyleError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action="list", json=False)
    actions = parser.add_subparsers(dest="action", metavar="list|show|import")
    listing = actions.add_parser("list", help="one line a style: name, network, family, title (the default)")
    listing.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="all cards as one object"
    )
    show = actions.add_parser("show", help="the card of one style")
    show.add_argument("style", metavar="NAME|FILE|MIX")
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="the card as one object")
    bring = actions.add_parser(
        "import", help="make a style of a checkpoint of the pytorch/examples fast-neural-style family"
    )
    bring.add_argument("file", type=Path, help="a .pth, .model or .safetensors checkpoint")
    bring.add_argument("--name", help="the style's name (the file's own)")
    bring.add_argument("--out", type=Path, help="write to this file instead of the folder of your styles")
    bring.add_argument("--overwrite", action="store_true", help="replace an existing style")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "import": _import}[options.action or "list"](options)


def _list(options: argparse.Namespace) -> int:
    from rtstyle.styles import list_styles, unusable_styles

    cards = list_styles()
    for line in unusable_styles():
        print(f"rtstyle: left out: {line}", file=sys.stderr)
    if options.json:
        print_json({"styles": [asdict(card) for card in cards]})
        return 0
    rows = [(card.name, card.network, card.family or "-", card.title) for card in cards]
    name, network, family = (max((len(row[i]) for row in rows), default=0) for i in range(3))
    for row in rows:
        print(f"{row[0]:<{name}}  {row[1]:<{network}}  {row[2]:<{family}}  {row[3]}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from rtstyle.mixing import load_mix

    card, _ = load_mix(options.style)
    if options.json:
        print_json(asdict(card))
        return 0
    _print_entries(asdict(card))
    return 0


def _print_entries(entries: dict[str, Any], margin: str = "") -> None:
    """Nested ones below their key; without what is empty and what is for the program alone."""
    for key, value in entries.items():
        if value in ({}, [], (), "") or key == "ranges":
            continue
        if isinstance(value, dict):
            print(f"{margin}{key}:")
            _print_entries(value, margin + "  ")
        else:
            several = isinstance(value, list | tuple)
            print(f"{margin}{key}: {', '.join(map(str, value)) if several else value}")


def _import(options: argparse.Namespace) -> int:
    from rtstyle.importers import import_checkpoint
    from rtstyle.media.output import check_output
    from rtstyle.style_file import save_style
    from rtstyle.styles import list_styles, own_folder

    card, network = import_checkpoint(options.file, name=options.name)
    path = options.out or own_folder() / f"{card.name}.safetensors"
    check_output(path, overwrite=options.overwrite, inputs=(options.file,))
    hidden = card.name in {each.name for each in list_styles()} and not path.exists()
    if options.out is None and hidden and not options.overwrite:
        raise RtstyleError(
            f"a style named '{card.name}' is shipped, which this one would hide; give it another --name, or "
            "--overwrite"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_style(path, network, card)
    print(f"{card.name}  {path}")
    return 0
