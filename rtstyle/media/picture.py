"""A still picture in memory, with what its file carried besides colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from rtstyle.frame import to_bytes, to_float
from rtstyle.media.image_colors import to_srgb


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A still picture, upright, with what its file carried."""

    image: Tensor  # uint8 or uint16 (3, H, W), RGB
    alpha: Tensor | None = None  # as image, (H, W); 0 is transparent; not multiplied into the image
    icc: bytes | None = None  # RGB colour profile; None: sRGB
    exif: Image.Exif | None = None  # without orientation
    mode: str = "RGB"  # Pillow's name of what the file held: "L" gray, "P" palette, "CMYK", ...
    notes: tuple[str, ...] = ()  # what reading had to change or leave out
    sphere: Mapping[str, str] | None = None  # directions of a picture that goes all around, see `spherical`

    def with_image(self, image: Tensor) -> Picture:
        """The same picture with other colours, (3, H, W) of the same sample type; alpha takes their size."""
        alpha, size = self.alpha, image.shape[1:]
        if alpha is not None and alpha.shape != size:
            fitted = F.interpolate(to_float(alpha)[None, None], size, mode="bicubic", antialias=True)
            alpha = to_bytes(fitted[0, 0], alpha.dtype)
        return replace(self, image=image, alpha=alpha)

    def on_white(self) -> Picture:
        """The same picture without alpha, as a viewer shows it; what lies below is often anything."""
        if self.alpha is None:
            return self
        laid = torch.lerp(torch.ones(()), to_float(self.image.cpu()), to_float(self.alpha.cpu()))
        return replace(self, image=to_bytes(laid, self.image.dtype), alpha=None)

    def as_seen(self) -> Picture:
        """The picture as a viewer shows it: without alpha, in sRGB; 8 bits where a profile is applied."""
        laid = self.on_white()
        if laid.icc is None:
            return laid
        return replace(laid, image=to_srgb(to_bytes(to_float(laid.image)), laid.icc), icc=None)
