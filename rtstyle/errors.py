"""The one error a user caused or can mend: its message is one clear line."""

from collections.abc import Collection
from difflib import get_close_matches


class RtstyleError(Exception):
    """Bad input, said in one line: what came, what is allowed, the likely slip."""


def one_line(error: BaseException) -> str:
    """The first line of a message, short enough to stand inside another."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def likely(name: str, known: Collection[str]) -> str:
    """What was meant by a name that is unknown, as a question; "" where none is near."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def why_unread(error: Exception) -> str:
    """Why a checkpoint cannot be read, in the user's words; PyTorch's go on for a page."""
    if "Unsupported global" in str(error):
        return "it holds objects that need code to load; save the network's state_dict alone"
    if isinstance(error, OSError):
        return one_line(error)
    return "it is no .pth, .model or .safetensors, or is damaged"
