"""The one error a user caused or can mend: its message is one clear line."""


class RtstyleError(Exception):
    """Bad input, said in one line: what came, what is allowed, the likely slip."""
