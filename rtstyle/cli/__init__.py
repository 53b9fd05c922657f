"""The ``rtstyle`` command. Each command lives in a file of its own and is imported when it is called.

Results go to stdout or files, progress and notes to stderr. Exit codes: 0 done, 1 an error in one
line, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Collection, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from rtstyle import __version__
from rtstyle.cli.allocator import keep_freed_memory
from rtstyle.cli.options import checked
from rtstyle.errors import RtstyleError, likely

# Command, and what it does in a line; its module in rtstyle.cli has add_arguments and run.
COMMANDS = {
    "video": "restyle a video file, or a folder of them",
    "image": "restyle pictures, or folders of them",
    "live": "restyle a camera, live",
    "gatys": "paint a picture or a video by optimising its pixels: slow, any painting, no training",
    "dream": "dream on a picture or a video (DeepDream)",
    "reconstruct": "show what each layer of a network keeps of a picture's content and style",
    "train": "train a style from one picture and a folder of photos",
    "train-backbone": "train a network on your own pictures, to dream of them",
    "evaluate": "measure a style: nearness to painting and photo, steadiness in video",
    "quantise": "measure a style in 8 bits, and let it run so where it is as good",
    "styles": "list, show and import styles",
    "benchmark": "measure speed, latency and memory, stage by stage",
    "doctor": "show what this machine can do",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # some launchers close it
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    verbose = False
    try:
        options = _parser(arguments).parse(arguments)
        verbose = options.verbose
        signal.signal(signal.SIGTERM, _interrupt)  # a polite kill leaves the same playable partial as Ctrl-C
        keep_freed_memory()
        return _module(options.command).run(options)
    except RtstyleError as error:
        if verbose:
            raise
        return _fail(str(error))
    except KeyboardInterrupt:
        print("rtstyle: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `rtstyle styles | head` does
        sys.stderr.close()
        return 1
    except OSError as error:
        if verbose:
            raise
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if verbose:
            raise
        return _fail(f"{type(error).__name__}: {error} (--verbose shows where)")


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and what was meant."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        # argparse would say "invalid int value".
        self.register("type", int, partial(checked, kind=int, meaning="a whole number"))
        self.register("type", float, partial(checked, kind=float, meaning="a number"))

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """As `parse_args`; what is none of a command's options is named before what it put out of place."""
        asked = next((each for each in arguments if not each.startswith("-")), None)
        if asked is not None and asked not in COMMANDS:
            if Path(asked).exists():
                self.error(
                    f"'{asked}' is no command; files come after one: rtstyle video IN OUT, image IN OUT"
                )
            self.error(_no("command", asked, COMMANDS))
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            command: _Parser = options.parser
            strange = next((each.partition("=")[0] for each in unknown if each.startswith("-")), None)
            if strange is None:
                command.error(f"too much: {' '.join(unknown)}")
            others = [name for name in COMMANDS if name != options.command and strange in _options_of(name)]
            if others:
                command.error(f"'{strange}' is an option of {', '.join(others)}, not of {options.command}")
            command.error(_no("option", strange, command._option_string_actions))
        return options

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rtstyle: {message}; '{self.prog} --help' shows what there is\n")


def _no(kind: str, name: str, known: Collection[str]) -> str:
    hint = likely(name, known)
    return f"no {kind} '{name}', {hint}" if hint else f"no {kind} '{name}'"


def _parser(arguments: Sequence[str]) -> _Parser:
    parser = _Parser(
        prog="rtstyle",
        description="Real-time neural style for video.",
        epilog="'rtstyle COMMAND --help' shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"rtstyle {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        command.add_argument("--verbose", action="store_true", help="show a traceback on errors")
        command.set_defaults(parser=command)
        if name in arguments:  # only the command in use is imported
            _module(name).add_arguments(command)
    return parser


def _options_of(command: str) -> Collection[str]:
    parser = argparse.ArgumentParser()
    _module(command).add_arguments(parser)
    return parser._option_string_actions


def _module(command: str) -> ModuleType:
    return import_module(f"rtstyle.cli.{command.replace('-', '_')}")


def _fail(message: str) -> int:
    print(f"rtstyle: {' '.join(message.split())}", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
