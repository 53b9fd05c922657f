"""Reading backbone weights: safetensors files, checkpoints of training programs, torchvision's hub."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rtstyle.errors import RtstyleError, why_unread


def read_weights(file: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (float32) and metadata of a ``.safetensors`` file or a ``.pth`` (``.pth.tar``, ``.pt``).

    A checkpoint is loaded without running code of its own; its ``state_dict`` is taken where it has
    one, and the ``module`` that training on several GPUs puts into names is dropped (within them too, as in
    AlexNet's ``features.module.0``), so that Places365 networks of CSAILVision load as published. Raises
    RtstyleError for an unreadable file.
    """
    if Path(file).suffix == ".safetensors":
        return _read_safetensors(file)
    if Path(file).suffix not in (".pth", ".pt", ".tar"):
        raise RtstyleError(f"{file}: weights are .safetensors, .pth, .pth.tar or .pt files")
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises half a dozen unrelated types on what is no checkpoint
        raise RtstyleError(f"{file}: not readable as a checkpoint of weights ({why_unread(error)})") from None
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    held = held if isinstance(held, dict) else {}
    tensors = {
        _plain_name(str(key)): value.float() for key, value in held.items() if isinstance(value, Tensor)
    }
    if not tensors:
        raise RtstyleError(f"{file}: holds no named weights; a state_dict is needed, not a whole model")
    return tensors, {}


def _plain_name(key: str) -> str:
    return ".".join(part for part in key.split(".") if part != "module")


def _read_safetensors(file: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(file, "pt") as opened:
            return {key: opened.get_tensor(key).float() for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RtstyleError(f"{file}: not readable as .safetensors weights ({reason})") from None


def write_weights(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A ``.safetensors`` file, complete or not at all. Raises RtstyleError where it cannot be written."""
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        temporary.write_bytes(save({key: held.contiguous() for key, held in tensors.items()}, dict(metadata)))
        temporary.replace(file)
    except OSError as error:
        raise RtstyleError(f"{file}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def fetch_weights(name: str) -> dict[str, Tensor]:
    """torchvision's first ImageNet weights of a network, fetched once through its hub.

    Raises RtstyleError where they cannot be fetched.
    """
    from torchvision import models

    return fetch(name, models.get_model_weights(name)["IMAGENET1K_V1"].url)


def fetch(name: str, url: str) -> dict[str, Tensor]:
    """The state_dict at a ``url`` whose file name holds its hash, kept in torch's hub folder."""
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:  # no network; a file cut short
        raise RtstyleError(
            f"could not fetch the weights of {name} ({error}); give a weights file instead"
        ) from error
