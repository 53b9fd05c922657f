"""Keeps the stack on which this thread takes signals, through libraries that put another one in its place."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kept_signal_stack"]


class _Stack(ctypes.Structure):
    """`stack_t` of sigaltstack(2), as Linux lays it out."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """What runs inside may set this thread's alternate signal stack; afterwards it is as it was.

    Python takes SIGINT on that stack where there is one, so that one freed later and never taken back ends
    the process at the next Ctrl-C. Does nothing on systems other than Linux.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    libc, before = ctypes.CDLL(None), _Stack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
