"""From the colours of a video stream to RGB bytes and back: matrix, range, primaries, transfer.

Numbers are the code points of ITU-T H.273 (the AVCOL_* values of FFmpeg). swscale does the
arithmetic, always with every parameter named: left alone it takes BT.601 for all untagged video.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter

from rtstyle.media.download import Download
from rtstyle.media.tonemap import BT2020, HLG, PQ, tone_map

UNSPECIFIED = 2
RGB, BT709, BT601 = 0, 1, 6  # matrix code points
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG

# Matrices swscale can apply, and its names for them. The rest (YCgCo, ICtCp, constant luminance) are
# read as the default.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
# Accurate rounding costs 1.3 ms at 1280x720 and halves the error (2.3 to 1.0 of 255 per patch).
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
_SCALED = Interpolation.BICUBIC | Interpolation.ACCURATE_RND


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How the samples of a stream stand for colours (H.273 code points)."""

    matrix: int
    range: int  # 1 limited (16..235), 2 full (0..255)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)

    @staticmethod
    def untagged(height: int) -> ColorTags:
        """The rule for untagged video: BT.709 from 720 lines up, else BT.601, limited range."""
        return ColorTags(BT709 if height >= 720 else BT601, LIMITED)


def tags_of(frame: av.VideoFrame) -> ColorTags:
    """The tags of a decoded frame, gaps filled by the rule for untagged video.

    Gray without a range tag is full range: that is what writers of gray (FFmpeg among them) store.
    """
    rule = ColorTags.untagged(frame.height)
    if frame.format.name.startswith("yuvj") or (_is_gray(frame) and not frame.color_range):
        rule = replace(rule, range=FULL)
    matrix, levels = int(frame.colorspace), int(frame.color_range)
    return ColorTags(
        matrix=RGB if _is_rgb(frame) else matrix if matrix in _SWSCALE else rule.matrix,
        range=levels if levels in (LIMITED, FULL) else rule.range,
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )


def tags_for_output(tags: ColorTags, height: int) -> ColorTags:
    """The tags of a restyled stream: the input's, but RGB is stored as YUV and HDR was made SDR."""
    if tags.is_hdr:
        return ColorTags(BT709, LIMITED, primaries=1, transfer=1)
    if tags.matrix == RGB:
        return replace(ColorTags.untagged(height), primaries=tags.primaries, transfer=tags.transfer)
    return tags


def unreadable_matrix(frame: av.VideoFrame) -> int | None:
    """The code point of a matrix that can't be applied (YCgCo, ICtCp ...), else None."""
    matrix = int(frame.colorspace)
    known = _is_rgb(frame) or matrix in _SWSCALE or matrix in (RGB, UNSPECIFIED, 3)
    return None if known else matrix


def has_alpha(frame: av.VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


class ToRgb:
    """Decoded frames to RGB images. One object a thread: it keeps swscale's tables.

    Args:
        size: (width, height) of every image, or None for each frame's own.

    Attributes:
        saw_alpha: some frame so far was partly transparent.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self._size = size
        self.saw_alpha = False
        self._swscale = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, tags: ColorTags) -> torch.Tensor:
        """Returns uint8 (3, H, W). HDR is tone-mapped; alpha is composited on black."""
        width, height = self._size or (frame.width, frame.height)
        alpha = has_alpha(frame)
        if tags.is_hdr:
            planar = self._planar(frame, tags, width, height, "gbrp16le")
            return tone_map(_to_tensor(planar), tags.transfer, wide=tags.primaries in (BT2020, UNSPECIFIED))
        image = _to_tensor(self._planar(frame, tags, width, height, "gbrap" if alpha else "gbrp"))
        if tags.range == LIMITED and _is_gray(frame):  # swscale takes all gray for full range
            image[:3] = ((image[:3].int() - 16) * 255 / 219).round_().clamp_(0, 255)
        if not alpha:
            return image
        color, opacity = image[:3].int(), image[3].int()
        if opacity.min() == 255:
            return image[:3]
        self.saw_alpha = True
        return ((color * opacity + 127) // 255).byte()

    def _planar(
        self, frame: av.VideoFrame, tags: ColorTags, width: int, height: int, layout: str
    ) -> av.VideoFrame:
        same_size = (width, height) == (frame.width, frame.height)
        if frame.colorspace not in _SWSCALE:
            frame.colorspace = UNSPECIFIED  # swscale refuses what it cannot apply, even for gray and RGB
        return self._swscale.reformat(
            frame,
            width=width,
            height=height,
            format=layout,
            src_colorspace=_SWSCALE.get(tags.matrix),
            src_color_range=tags.range if tags.matrix != RGB else FULL,
            dst_color_range=FULL,
            interpolation=_EXACT if same_size else _SCALED,
        )


class FromRgb:
    """RGB images to frames an encoder takes. One object a thread.

    Args:
        tags: matrix and range of the result; written on each frame.
        pixel_format: FFmpeg's name, for example ``yuv420p``.
    """

    def __init__(self, tags: ColorTags, pixel_format: str) -> None:
        self._tags = tags
        self._format = pixel_format
        self._swscale = VideoReformatter()
        self._download = Download(tags.matrix, tags.range == FULL)

    def __call__(self, image: torch.Tensor) -> av.VideoFrame:
        """uint8 (3, H, W) on any device to a frame of the same size; pts is left to the caller."""
        height, width = image.shape[1:]
        if image.is_cuda and self._format == "yuv420p" and height % 2 == 0 and width % 2 == 0:
            return self._tagged(self._download(image))
        red, green, blue = image.cpu().contiguous()
        planar = av.VideoFrame.from_dlpack((green, blue, red), format="gbrp")  # no copy
        if self._format == "gbrp":
            return planar
        converted = self._swscale.reformat(
            planar,
            format=self._format,
            dst_colorspace=_SWSCALE[self._tags.matrix],
            src_color_range=FULL,
            dst_color_range=self._tags.range,
            interpolation=_EXACT,
        )
        return self._tagged(converted)

    def _tagged(self, frame: av.VideoFrame) -> av.VideoFrame:
        frame.colorspace = self._tags.matrix
        frame.color_range = self._tags.range
        frame.color_primaries = self._tags.primaries
        frame.color_trc = self._tags.transfer
        return frame


def _is_gray(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith(("gray", "ya"))


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


def _to_tensor(frame: av.VideoFrame) -> torch.Tensor:
    """The planes of a gbrp, gbrap or gbrp16le frame, copied to one (C, H, W) tensor: R, G, B (, A)."""
    deep = frame.format.name.endswith("16le")
    sample = np.dtype("<u2") if deep else np.dtype(np.uint8)
    planes = [frame.planes[i] for i in ((2, 0, 1, 3)[: len(frame.planes)])]
    image = np.empty((len(planes), frame.height, frame.width), sample)
    for target, plane in zip(image, planes, strict=True):
        rows = np.frombuffer(memoryview(plane), sample).reshape(-1, plane.line_size // sample.itemsize)
        target[:] = rows[: frame.height, : frame.width]
    return torch.from_numpy(image)
