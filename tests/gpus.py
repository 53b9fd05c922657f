"""Tests that need an NVIDIA GPU: skipped where there is none, failing there under RTSTYLE_REQUIRE_CUDA=1.

And what can be tested of kernels for one without it.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

_ABSENT = not torch.cuda.is_available() and os.environ.get("RTSTYLE_REQUIRE_CUDA") != "1"
_SKIPPED = pytest.mark.skipif(_ABSENT, reason="no NVIDIA GPU")

GPU = (pytest.mark.cuda, _SKIPPED)  # marks of a parameter


def needs_gpu(test):
    """Marks a test."""
    return pytest.mark.cuda(_SKIPPED(test))


needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")


def interpreted(module: str, expression: str) -> str:
    """What an expression prints as, of the names of a test's module, in Triton's interpreter.

    In a process of its own: the interpreter is chosen when Triton's functions are defined.
    """
    code = f"from {module} import *; print({expression})"
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if "only 0-dimensional arrays can be converted" in done.stderr:
        pytest.skip("this Triton's interpreter does not know this NumPy")
    assert done.returncode == 0, done.stderr
    return done.stdout
