"""A video drawn and a tune played by formulas: something to restyle, test and measure without any file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.media.drawing.scene import Scene

_TUNE = (0, 4, 7, 12, 9, 7, 4, 2, -3, 0, 4, 9, 7, 4, 2, 7)  # semitones from middle C, four a second
_CHORDS = ((-12, -5, 4), (-15, -8, 0), (-19, -7, -3), (-17, -5, -1))  # C, A minor, F, G; one a second
_MIDDLE_C = 261.63  # Hz
_CLICK = 0.03  # seconds


class SyntheticSource(Source):
    """Frames of `rtstyle.media.drawing.scene`: the same ones for the same numbers.

    Args:
        width, height: pixels.
        rate: frames per second.
        seconds: length of the video; it holds ``round(seconds * rate)`` frames.
        seed: of the random parts, as textures, clouds and hills.

    Raises RtstyleError for a size, rate or length that is not positive.
    """

    def __init__(
        self,
        width: int = 640,
        height: int = 360,
        rate: Fraction = Fraction(30),
        seconds: float = 8,
        seed: int = 0,
    ) -> None:
        if width <= 0 or height <= 0 or rate <= 0 or seconds <= 0:
            asked = f"{width}x{height}, {rate} frames/s, {seconds} s"
            raise RtstyleError(f"a drawn video of {asked}: every number must be above 0")
        rate = Fraction(rate)
        self.info = VideoInfo(width, height, rate, max(1, round(seconds * rate)), time_base=1 / rate)
        self.seed = seed

    def __iter__(self) -> Iterator[Frame]:
        scene = Scene(self.info.width, self.info.height, self.seed)
        for number in range(self.info.length or 0):
            time = number / self.info.rate
            yield Frame(torch.from_numpy(scene.draw(float(time))), time)

    def close(self) -> None:
        """Nothing is held open."""


def synthetic_sound(seconds: float, rate: int = 48000) -> np.ndarray:
    """A plucked tune over slow chords, with a click at every whole second to check synchrony by.

    Returns int16 (2, N), left and right, N = ``round(seconds * rate)``.
    """
    length = round(seconds * rate)
    sound = np.zeros((2, length), np.float32)
    for number in range(int(np.ceil(4 * seconds))):
        note = _pluck(_TUNE[number % len(_TUNE)], 0.7, rate, decay=6)
        left = 0.5 + 0.3 * np.sin(number)  # each note from its own place
        _add(sound, note, round(number * rate / 4), (0.30 * left, 0.30 * (1 - left)))
    for second in range(int(np.ceil(seconds))):
        for semitone in _CHORDS[second % len(_CHORDS)]:
            _add(sound, _pluck(semitone, 1.6, rate, decay=2), second * rate, (0.05, 0.05))
        time = np.arange(round(_CLICK * rate)) / rate
        click = np.sin(2 * np.pi * 2000 * time + np.pi / 2) * np.exp(
            -time / 0.006
        )  # full on its first sample
        _add(sound, click, second * rate, (0.5, 0.5))
    return np.asarray(np.clip(sound, -1, 1) * 32767).round().astype(np.int16)


def _pluck(semitone: int, seconds: float, rate: int, decay: float) -> np.ndarray:
    """A string's sound: harmonics that fade the faster the higher they are, from and to silence."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = _MIDDLE_C * 2 ** (semitone / 12)
    tone = sum(np.sin(2 * np.pi * k * pitch * time) * np.exp(-k * decay * time) / k for k in (1, 2, 3, 4))
    edges = np.minimum(time / 0.004, 1) * np.minimum((seconds - time) / 0.05, 1)
    return np.asarray(tone * edges)


def _add(sound: np.ndarray, note: np.ndarray, start: int, gains: tuple[float, float]) -> None:
    """Mix a note (n,) into both channels from sample ``start``; what passes the end is cut."""
    note = note[: max(0, sound.shape[1] - start)]
    for channel, gain in zip(sound, gains, strict=True):
        channel[start : start + len(note)] += gain * note
