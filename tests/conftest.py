"""What many tests share."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rtstyle import threads
from rtstyle.live import fan, keeping


@pytest.fixture(autouse=True)
def gpu_for_marked_tests_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test shows is the same with a GPU and without, but for those marked ``cuda``."""
    if request.node.get_closest_marker("cuda") is None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture
def assets() -> Path:
    """The folder of real photos, clips and weights; tests without it are skipped and say so."""
    folder = os.environ.get("RTSTYLE_ASSETS")
    if not folder:
        pytest.skip("RTSTYLE_ASSETS names no folder of real photos, clips and weights")
    return Path(folder)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For networks of a few channels: two threads wait for each other longer than one works."""
    computing = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(computing)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For live sessions: no thread is left; a busy machine may take its time."""
    for module, name in (
        (fan, "_PATIENCE"),
        (fan, "PATIENCE"),
        (keeping, "PATIENCE"),
        (threads, "_LIVE_PATIENCE"),
    ):
        monkeypatch.setattr(module, name, 60.0)
    computing = torch.get_num_threads()
    torch.set_num_threads(1)
    before = threading.active_count()
    yield
    torch.set_num_threads(computing)
    assert threading.active_count() == before, threading.enumerate()
