"""Ctrl-C heard between two steps: what is done is kept, and the command ends in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stopping(hasty: bool = True) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a polite kill has come; a second Ctrl-C waits for no step to end, where ``hasty``."""
    asked: list[int] = []

    def hear(number: int, frame: Any) -> None:
        if asked and number == signal.SIGINT and hasty:
            raise KeyboardInterrupt
        asked.append(number)  # nothing is printed here: it could interrupt another print

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
