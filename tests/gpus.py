"""Tests that need an NVIDIA GPU: skipped where there is none, failing there under RTSTYLE_REQUIRE_CUDA=1."""

import os

import pytest
import torch

_ABSENT = not torch.cuda.is_available() and os.environ.get("RTSTYLE_REQUIRE_CUDA") != "1"
_SKIPPED = pytest.mark.skipif(_ABSENT, reason="no NVIDIA GPU")

GPU = (pytest.mark.cuda, _SKIPPED)  # marks of a parameter


def needs_gpu(test):
    """Marks a test."""
    return pytest.mark.cuda(_SKIPPED(test))
