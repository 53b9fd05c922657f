"""DeepDream: a picture changed so that chosen layers of a network see more of what they know.

Mordvintsev, Olah and Tyka 2015, "Inceptionism: Going Deeper into Neural Networks".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.stylizers.activations import Activations
from rtstyle.stylizers.carried import Steady
from rtstyle.stylizers.defaults import DREAM_RATE, DREAM_STEPS, OCTAVE_RATIO, OCTAVES
from rtstyle.stylizers.octaves import Size, climb, pyramid, resized
from rtstyle.stylizers.panorama import around, steadied_at_poles
from rtstyle.stylizers.smoothing import smoothed

SHIFT = 32  # pixels at most, each way
# Deviations in pixels of the Gaussian at the first and the last step: fine first, then what is larger.
_SMOOTH = (0.5, 2.0)
# Pixels along the edges that follow those further in: a network sees an edge where the shifted picture's
# ends meet, and would draw it as a frame.
_BORDER = 4
# Steps of deep layers add up as if each went its own way at random: after n of them the root mean square
# of what was added is 0.9 to 1.05 of rate * sqrt(n) (Inception v3's Mixed_6b, ResNet-50 v2's layer3).
# Those of shallow layers all go one way, to pure colours; they are held to the same length.
_LENGTH = 1.1


@dataclass(frozen=True, slots=True)
class Step:
    """One step up, as a listener hears it."""

    octave: int  # from 0, the smallest
    octaves: int
    size: Size
    number: int  # from 1, at this octave
    steps: int
    activation: float  # mean over the chosen layers, before the step


Listener = Callable[[Step], None]


class DeepDream:
    """The method with its settings: a photo (3, H, W) in [0, 1] to a dream of the same size.

    At each octave of `pyramid` the picture takes ``steps`` steps up the gradient of `Activations`, which
    is smoothed by Gaussians that widen from step to step, freed from each colour's mean, and divided by its
    own deviation. What they add up to keeps a length, so that shallow layers do not end in pure colours.
    Before each the picture is shifted at random around its own edges, and back after: what a network does
    at the borders of its strides falls everywhere alike. Values stay in [0, 1], the range the networks saw.

    Args:
        activations: what is to rise.
        rate: length of a step.
        octaves, ratio: as in `pyramid`.
        panorama: the photo is equirectangular, 360 by 180 degrees; its left and right edge are one.
    """

    def __init__(
        self,
        activations: Activations,
        *,
        steps: int = DREAM_STEPS,
        rate: float = DREAM_RATE,
        octaves: int = OCTAVES,
        ratio: float = OCTAVE_RATIO,
        panorama: bool = False,
    ) -> None:
        self._activations, self.steps, self._rate = activations, steps, rate
        self._octaves, self._ratio, self._panorama = octaves, ratio, panorama

    def __call__(
        self,
        photo: Tensor,
        random: torch.Generator,
        *,
        steps: int | None = None,
        octaves: int | None = None,
        mask: Tensor | None = None,
        held: Steady | None = None,
        listener: Listener | None = None,
    ) -> Tensor:
        """The dream. ``random``: of the shifts, on the CPU; the same one gives the same dream.

        Args:
            steps, octaves: for this one picture, in place of the method's own.
            mask: (1, H, W) in [0, 1]; 0 where the photo stays.
            held: what the picture goes half the way back to after each step, where that is known.
            listener: called before each step's change is made.

        Raises RtstyleError for a photo that is too small for the layers.
        """
        steps = self.steps if steps is None else steps
        sizes = self.sizes((photo.shape[1], photo.shape[2]), octaves)

        def work(image: Tensor, base: Tensor, octave: int) -> Tensor:
            own = sizes[octave]
            where, pull, share = None, None, 1.0
            if mask is not None:
                where = resized(mask, own, self._panorama).clamp(0, 1)
                share = float(where.mean())
            if held is not None:
                picture, weight = (resized(each, own, self._panorama) for each in (held.picture, held.weight))
                pull = picture, weight.clamp(0, 1) / 2
            for number in range(1, steps + 1):
                begin, end = _SMOOTH
                deviation = begin + (end - begin) * number / steps
                activation, change, rate = self._change(image, deviation, random)
                if listener is not None:
                    listener(Step(octave, len(sizes), own, number, steps, activation))
                image = image.add(change if where is None else change.mul_(where), alpha=rate)
                if pull is not None:
                    image = torch.lerp(image, *pull)
                longest = _LENGTH * self._rate * math.sqrt(share * (octave * steps + number))
                image = _within(longest, image, base).clamp_(0, 1)
            return image

        made = climb(photo, sizes, work, wrap=self._panorama)
        return made if mask is None else torch.lerp(photo, made, mask)

    def sizes(self, size: Size, octaves: int | None = None) -> list[Size]:
        """Of the octaves, as many as the layers can see; raises RtstyleError where that is none."""
        return pyramid(size, octaves or self._octaves, self._ratio, self._activations.smallest)

    def _change(
        self, image: Tensor, deviation: float, random: torch.Generator
    ) -> tuple[float, Tensor, float]:
        """Mean activation, the smoothed gradient, and what it has to be multiplied by for a step."""
        height, width = image.shape[1:]
        down, across = (_drawn(min(SHIFT, side // 4), random) for side in (height, width))
        if self._panorama:
            # Any place may be the seam: there is none.
            activation, gradient = around(self._activations.rise, image, across * width // (2 * SHIFT))
            gradient = steadied_at_poles(gradient)
        else:
            activation, shifted = self._activations.rise(image.roll((down, across), (1, 2)))
            gradient = shifted.roll((-down, -across), (1, 2))
            edge = min(_BORDER, (min(height, width) - 1) // 3)
            _mirror_borders(gradient, edge)
        gradient = smoothed(gradient, deviation, wrap=self._panorama)
        gradient -= gradient.mean((1, 2), keepdim=True)  # a tint over all is nothing seen
        spread = gradient.std().clamp_min(torch.finfo(gradient.dtype).tiny)
        if not math.isfinite(activation) or not torch.isfinite(spread):
            raise RtstyleError(
                "what the layers see is no number any more; are the backbone's weights damaged?"
            )
        return activation, gradient, self._rate / float(spread)


def _mirror_borders(gradient: Tensor, edge: int) -> None:
    """Let the outermost ``edge`` rows and columns of (3, H, W) follow those further in."""
    for axis in (1, 2):
        begin, end = (gradient.narrow(axis, at, edge) for at in (0, gradient.shape[axis] - edge))
        begin.copy_(gradient.narrow(axis, edge + 1, edge).flip(axis))
        end.copy_(gradient.narrow(axis, gradient.shape[axis] - 2 * edge - 1, edge).flip(axis))


def _within(longest: float, image: Tensor, base: Tensor) -> Tensor:
    """The image, nearer to the base where their root mean square difference is too long."""
    length = float((image - base).square_().mean()) ** 0.5
    return image if length <= longest else torch.lerp(base, image, longest / length)


def _drawn(most: int, random: torch.Generator) -> int:
    return int(torch.randint(-most, most + 1, (), generator=random))
