"""The one error a user caused or can mend: its message is one clear line."""


class RtstyleError(Exception):
    """Bad input, said in one line: what came, what is allowed, the likely slip."""


def one_line(error: BaseException) -> str:
    """The first line of a message, short enough to stand inside another."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
