"""Where a painting is, on disk: a run that was stopped goes on from it exactly."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.media.output import write_whole
from rtstyle.stylizers.gatys import Progress

Facts = Mapping[str, str]  # all that decides a result, by name: option -> value, picture -> digest


def write_state(path: Path, progress: Progress, facts: Facts) -> None:
    """Write a state, complete or not at all. Raises RtstyleError where it cannot be written."""
    held = io.BytesIO()
    parts = {item.name: getattr(progress, item.name) for item in fields(progress)}
    torch.save({"facts": dict(facts), "progress": parts}, held)
    try:
        write_whole(path, held.getvalue())
    except OSError as error:
        raise RtstyleError(f"{path}: cannot be written ({error.strerror})") from error


def read_state(path: Path, facts: Facts) -> Progress | None:
    """The state of this very painting; None where there is no file.

    Raises RtstyleError when the file is damaged or of another painting.
    """
    if not path.exists():
        return None
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
        if "recipe" in whole:
            raise RtstyleError(f"{path}: is the state of a run of rtstyle train; name another output")
        before, progress = whole["facts"], Progress(**whole["progress"])
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise RtstyleError(
            f"{path}: not a state of this version, or damaged ({type(error).__name__}); "
            "delete it to begin anew"
        ) from error
    names = dict.fromkeys([*facts, *before])
    changed = [name for name in names if before.get(name) != facts.get(name)]
    if changed:
        was, now = (held.get(changed[0], "not set") for held in (before, facts))
        raise RtstyleError(
            f"{path} is of another painting ({changed[0]} was {was}, is {now}); delete it to begin anew"
        )
    return progress


def digest(*images: Tensor) -> str:
    """Tells one list of pictures from another."""
    whole = hashlib.sha256()
    for image in images:
        whole.update(str(tuple(image.shape)).encode())
        whole.update(image.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]
