"""Reading backbone weights: safetensors files, checkpoints of training programs, what can be fetched."""

import hashlib
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rtstyle.errors import RtstyleError, why_unread

# The fifth encoder of Wang et al. 2020, where its authors keep it (MIT).
_SMALL_VGG19 = (
    "https://github.com/MingSun-Tse/Collaborative-Distillation/raw/"
    "75c1b81c1dbea11c96d3fb04e96f207dee16dcbb/trained_models/wct_se_16x_new/5SE.pth"
)
_SMALL_DIGEST = "b919508cb27b1acc4f8b55475c38f63f11bad68b5b0019ef08c1dba05ffba8aa"


def read_weights(file: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (float32) and metadata of a ``.safetensors`` file or a ``.pth`` (``.pth.tar``, ``.pt``).

    A checkpoint is loaded without running code of its own; its ``state_dict`` or ``model`` is taken where it
    has one, and the ``module`` that training on several GPUs puts into names is dropped (within them too, as
    in AlexNet's ``features.module.0``), so that Places365 networks of CSAILVision load as published. Raises
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
    tensors = _tensors(held)
    if not tensors:
        raise RtstyleError(f"{file}: holds no named weights; a state_dict is needed, not a whole model")
    return tensors, {}


def _tensors(held: object) -> dict[str, Tensor]:
    """What a checkpoint holds, in float32 and by plain names."""
    for part in ("state_dict", "model"):
        held = held.get(part, held) if isinstance(held, dict) else {}
    named = held.items() if isinstance(held, dict) else ()
    return {_plain_name(str(key)): value.float() for key, value in named if isinstance(value, Tensor)}


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


def fetch(name: str, url: str, kept_as: str | None = None) -> dict[str, Tensor]:
    """The state_dict at a ``url``, kept in torch's hub folder.

    ``kept_as``: the file's name there; None: that of the ``url``, which holds its hash.
    """
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=kept_as is None, file_name=kept_as, weights_only=True
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:  # no network; a file cut short
        raise RtstyleError(
            f"could not fetch the weights of {name} ({error}); "
            f"give a weights file instead (--backbone-weights {name}=FILE)"
        ) from error


def fetch_small_vgg19() -> dict[str, Tensor]:
    """The weights of "small_vgg19" by their own names (``conv11.weight``), kept in torch's hub folder.

    Raises RtstyleError where they cannot be fetched, or are others than the shipped styles were trained with.
    """
    kept = Path(torch.hub.get_dir(), "checkpoints", "small_vgg19-5SE.pth")
    try:
        weights = _tensors(fetch("small_vgg19", _SMALL_VGG19, kept_as=kept.name))
        digest = hashlib.sha256()
        for name in sorted(weights):
            digest.update(name.encode() + weights[name].contiguous().numpy().tobytes())
        if digest.hexdigest() != _SMALL_DIGEST:
            raise RtstyleError(
                f"{_SMALL_VGG19}: not the weights it had; give a file of small_vgg19's instead"
            )
    except RtstyleError:
        with suppress(OSError):
            kept.unlink()  # a login page in its place, say: it would be read again for ever
        raise
    return weights
