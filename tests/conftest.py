"""What many tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def assets() -> Path:
    """The folder of real photos, clips and weights; tests without it are skipped and say so."""
    folder = os.environ.get("RTSTYLE_ASSETS")
    if not folder:
        pytest.skip("RTSTYLE_ASSETS names no folder of real photos, clips and weights")
    return Path(folder)
