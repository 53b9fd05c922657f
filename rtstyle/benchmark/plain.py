"""The classic network as it is usually written and run: what to be faster than.

The architecture of pytorch/examples' fast_neural_style, by its definition: a reflection padding layer
before each convolution, instance norm as such, a ReLU that makes a new tensor, float32 planes (NCHW), one
frame at a time. Weight names are the family's, so `johnson`'s weights load as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.frame import Frame, to_bytes, to_float
from rtstyle.styles import load_style

STYLE = "starry_night_johnson"  # whose weights it is run with
BYTES_PER_PIXEL = 1600  # working memory at its peak, measured and rounded up


class PlainConv(nn.Module):
    """Reflection padding, then a convolution; nearest-neighbour enlargement before, where asked."""

    def __init__(
        self, channels_in: int, channels_out: int, size: int, stride: int = 1, enlarge: int = 1
    ) -> None:
        super().__init__()
        self.enlarge = enlarge
        self.reflection_pad = nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(channels_in, channels_out, size, stride)

    def forward(self, features: Tensor) -> Tensor:
        if self.enlarge > 1:
            features = F.interpolate(features, mode="nearest", scale_factor=self.enlarge)
        return self.conv2d(self.reflection_pad(features))


class PlainBlock(nn.Module):
    """A residual block of 128 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PlainConv(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = PlainConv(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        inner = self.relu(self.in1(self.conv1(features)))
        return self.in2(self.conv2(inner)) + features


class PlainNetwork(nn.Module):
    """(B, 3, H, W) to the same, H and W made whole multiples of 4. Here in and out are [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = PlainConv(3, 32, 9), nn.InstanceNorm2d(32, affine=True)
        self.conv2, self.in2 = PlainConv(32, 64, 3, stride=2), nn.InstanceNorm2d(64, affine=True)
        self.conv3, self.in3 = PlainConv(64, 128, 3, stride=2), nn.InstanceNorm2d(128, affine=True)
        self.res1, self.res2, self.res3 = PlainBlock(128), PlainBlock(128), PlainBlock(128)
        self.res4, self.res5 = PlainBlock(128), PlainBlock(128)
        self.deconv1, self.in4 = PlainConv(128, 64, 3, enlarge=2), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = PlainConv(64, 32, 3, enlarge=2), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = PlainConv(32, 3, 9)
        self.relu = nn.ReLU()

    def forward(self, image: Tensor) -> Tensor:
        y = self.relu(self.in1(self.conv1(image)))
        y = self.relu(self.in2(self.conv2(y)))
        y = self.relu(self.in3(self.conv3(y)))
        y = self.res5(self.res4(self.res3(self.res2(self.res1(y)))))
        y = self.relu(self.in4(self.deconv1(y)))
        y = self.relu(self.in5(self.deconv2(y)))
        return self.deconv3(y)


class Plain:
    """A stylizer around it: one frame after another with all threads.

    Args:
        network: `PlainNetwork`, or the same compiled.
        device: where it is; frames are restyled there and given back where they lay.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._network = network
        self.device = device

    def __call__(self, frame: Frame) -> Frame:
        height, width = frame.image.shape[1:]
        with torch.no_grad():
            values = self._network(to_float(frame.image[None].to(self.device)))
        return replace(frame, image=to_bytes(values[0, :, :height, :width]).to(frame.image.device))

    def reset(self) -> None:
        """No frame depends on another."""


def load_plain(device: torch.device) -> PlainNetwork:
    """The plain network with the weights of a shipped style, ready to run."""
    network = PlainNetwork()
    network.load_state_dict(load_style(STYLE)[1].state_dict())
    return network.to(device).eval().requires_grad_(False)
