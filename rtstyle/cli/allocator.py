"""How this process treats memory that was freed."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # mallopt(3)
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have the C library reuse large blocks in place of giving them back; whether it could be told.

    Every layer of every frame allocates megabytes and frees them again. By default each time the pages go
    back to the system and return one by one, wiped: a fifth of a frame's time at 640x480 and more above,
    worst with a thread a core. Kept, memory stays at its peak, which the next frame needs anyway.
    Only glibc has this; a program of yours that imports rtstyle is left as it is.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, LARGEST))
