"""Sound made by a program, as the companion of a picture."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

_CHUNK = 1024  # samples: one AAC packet


class SoundTrack:
    """Samples encoded as AAC in step with the picture (Opus in WebM).

    Args:
        samples: (channels, N), int16, one or two channels.
        rate: samples a second.
    """

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        self._samples = np.ascontiguousarray(samples)
        self._rate = rate
        self._at = 0
        self.notes: list[str] = []

    def attach(self, output: OutputContainer, picture: Stream) -> None:
        codec = "libopus" if output.format.name == "webm" else "aac"
        layout = "mono" if len(self._samples) == 1 else "stereo"
        stream = output.add_stream(codec, rate=self._rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self._output, self._stream, self._layout = output, stream, layout

    def mux_until(self, time: Fraction | None) -> None:
        """Mux the sound before `time` (seconds), or all that is left."""
        total = self._samples.shape[1]
        while self._at < total and (time is None or Fraction(self._at, self._rate) < time):
            chunk = self._samples[:, self._at : self._at + _CHUNK]
            # Packed samples: channels take turns in one row.
            frame = av.AudioFrame.from_ndarray(chunk.T.reshape(1, -1), format="s16", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._at, Fraction(1, self._rate)
            self._output.mux(self._stream.encode(frame))
            self._at += chunk.shape[1]
        if time is None:
            self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        """Nothing to release."""
