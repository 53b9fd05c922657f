"""Colours of still pictures: any mode and ICC profile to RGB, and to sRGB where a profile can't be kept."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from rtstyle.frame import to_packed


def to_srgb(image: Tensor, icc: bytes) -> Tensor:
    """uint8 samples (3, H, W) of an RGB profile as sRGB; a damaged profile counts as none."""
    converted = np.array(picture_to_srgb(Image.fromarray(to_packed(image)), icc))
    return torch.from_numpy(converted).permute(2, 0, 1)


def to_rgb(file: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, list[str]]:
    """Any 8-bit picture as RGB or RGBA, with its profile if that still describes it."""
    if file.mode in ("F", "I"):
        raise ValueError(f"samples of 32 bits ({file.mode}); 8 and 16 are read")
    if file.mode.startswith("I;16"):
        deep = np.asarray(file).astype(np.uint16)
        file = Image.fromarray((deep >> 8).astype(np.uint8))
    alpha = file.convert("RGBA").getchannel("A") if file.has_transparency_data else None
    space = icc[16:20] if icc else b""
    notes: list[str] = []
    gray = space == b"GRAY" and file.mode in ("1", "L", "LA", "P")
    if icc and (gray or (space == b"CMYK" and file.mode == "CMYK")):
        base = file.convert("L") if gray else file
        rgb, icc = picture_to_srgb(base, icc), None
    else:
        if file.mode == "CMYK":
            notes.append("CMYK without its colour profile: colours are approximate")
        rgb = file.convert("RGBA").convert("RGB") if alpha else file.convert("RGB")
        icc, profile_notes = rgb_profile(icc)
        notes += profile_notes
    if alpha:
        rgb.putalpha(alpha)
    return rgb, icc, notes


def rgb_profile(icc: bytes | None) -> tuple[bytes | None, list[str]]:
    """The profile if it can describe RGB samples, else None and why."""
    if not icc:
        return None, []
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return None, ["the colour profile is damaged and was left out"]
    return (icc, []) if space == "RGB" else (None, [f"the colour profile is for {space} and was left out"])


def picture_to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """Gray, CMYK, RGB or RGBA through its profile to sRGB; alpha stays. A damaged profile counts as none."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    base = picture.convert("RGB") if alpha else picture
    try:
        rgb = ImageCms.profileToProfile(
            base, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except ImageCms.PyCMSError:
        rgb = base.convert("RGB")
    assert rgb is not None  # only an in-place conversion returns None
    if alpha:
        rgb.putalpha(alpha)
    return rgb
