"""What a viewer may say: one small JSON object a message, read with distrust."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from rtstyle.errors import RtstyleError

LONGEST = 16 << 10  # characters of one message
DIGITS = 15  # of a whole number; longer ones are read as floats


def read_message(text: str) -> dict[str, Any]:
    """A JSON object; the value of each key is null, true, false, a number, a string, or an object of those.

    Raises RtstyleError for all else, NaN and Infinity among it.
    """
    if len(text) > LONGEST:
        raise RtstyleError(f"a message of {len(text)} characters; allowed are up to {LONGEST}")
    try:
        message = json.loads(text, parse_constant=_refuse, parse_int=_whole)
    except (ValueError, RecursionError):
        raise RtstyleError("a message is no JSON") from None
    if not isinstance(message, dict):
        raise RtstyleError('a message is no JSON object; send {"do": ACTION, ...}')
    for key, value in message.items():
        inner = value.values() if isinstance(value, dict) else [value]
        if any(isinstance(each, dict | list) for each in inner):
            raise RtstyleError(f"{short(key)} of a message is nested too deep")
    return message


def short(value: object) -> str:
    """A stranger's value, fit for one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS else float(digits)
