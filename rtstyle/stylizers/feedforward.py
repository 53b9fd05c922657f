"""Restyling by one pass of a trained network (Johnson, Alahi, Fei-Fei 2016), in one style or a mix."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

import torch

from rtstyle.engines import Engine
from rtstyle.engines.eager import check_image
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, peak, to_bytes, to_float
from rtstyle.mixing import Mix, State, eased, interpolate, mix_name, normalised
from rtstyle.stylizers.canvas import check_canvas, on_canvas
from rtstyle.stylizers.strokes import check_strokes, paint, painted_size, strokes_for

# Standard deviation of a frame's samples, in [0, 1]: up to the first there is nothing to restyle, from the
# second on all of it. Dark night scenes have 0.1, a sensor's noise in the dark 0.01.
EMPTY, FULL = 0.005, 0.04
_LOOKED_AT = 4096  # pixels


def presence(image: torch.Tensor) -> float:
    """How much of a picture there is in (3, H, W) integers: 0 for one colour, 1 for any usual frame.

    Instance norm brings the faintest contrast to full strength, so that a fade to black would not fade and
    end in patterns made of rounding errors. A few thousand pixels are looked at, in the
    channel that varies most: every so many in reading order, a number without a factor in common with the
    width, or all of them could fall on the same place of a regular pattern.
    """
    return _presence_at(_spread(image))


def _spread(image: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the channel that varies most, in [0, 1]: a number on the image's device."""
    height, width = image.shape[1:]
    every = max(1, height * width // _LOOKED_AT)
    while math.gcd(every, width) > 1:
        every += 1
    picked = image.flatten(1)[:, ::every].float()
    return picked.std(dim=1, correction=0).max() / peak(image.dtype)


def _presence_at(spread: torch.Tensor) -> float:
    part = float((spread - EMPTY) / (FULL - EMPTY))
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)  # smoothstep: a fade begins and ends without a jerk


@dataclass(slots=True)
class _Travel:
    """From one mix to another over frame times. One that stays where it is takes no time."""

    start: Mix
    end: Mix
    seconds: Fraction = Fraction(0)
    begin: Fraction | None = None  # time of its first frame
    now: Mix = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = self.start

    def move(self, time: Fraction) -> Mix:
        self.begin = time if self.begin is None else self.begin
        part = (time - self.begin) / self.seconds if self.seconds else Fraction(1)
        self.now = eased(self.start, self.end, part)
        return self.now


class FeedForward:
    """Restyles each frame by itself: its time, size, sample type and device stay.

    It is a palette as well: given the weights of several styles of one family, it restyles with any
    mix of them. What is set, from any thread, holds from the next frame on.

    Args:
        engine: runs the network; holds the weights of `mix`.
        strength: see the property.
        states: the weights of each style, by name; none where the engine's style is never changed.
        mix: the first mix, style -> weight; the first style alone if None.
        strokes: how many times as broad the strokes are; as suits each frame's size if None (see
            `rtstyle.stylizers.strokes`).
        canvas: see the property.

    Raises RtstyleError for a strength or canvas outside 0 to 1, strokes that are too broad or fine, and a
    mix of styles that are not there.
    """

    def __init__(
        self,
        engine: Engine,
        strength: float = 1.0,
        states: Mapping[str, State] | None = None,
        mix: Mapping[str, float] | None = None,
        strokes: float | None = None,
        canvas: float = 0.0,
    ) -> None:
        self.engine = engine
        self.strength = strength
        self.canvas = canvas
        self._strokes = check_strokes(strokes)
        # On the device they are mixed for: copies there, for every frame of a travel, would hold a GPU up.
        self._states = {
            name: {key: value.to(engine.device) for key, value in state.items()}
            for name, state in (states or {}).items()
        }
        first = self._checked(mix) if mix is not None else dict.fromkeys(self.styles[:1], 1.0)
        self._travel = _Travel(first, first)
        # Engines no thread uses now, each with the mix of its weights; as many as ever ran at once.
        self._idle = [(engine, first)]

    @property
    def device(self) -> torch.device:
        """Where frames are restyled; one that lies elsewhere is taken there and back."""
        return self.engine.device

    @property
    def styles(self) -> tuple[str, ...]:
        """The names a mix may use."""
        return tuple(self._states)

    @property
    def name(self) -> str:
        """The present mix as ``a:0.6+b:0.4``; the name alone where it is one style."""
        return mix_name(self.mix)

    @property
    def strength(self) -> float:
        """How much style, 0 to 1: 0 gives back the very frame that came. Frames that fade take less of it.

        Between, the restyled picture is mixed into the original. A family's member that reproduces the
        photo, its weights mixed in, was tried in place of that: it cannot quite (23 dB; instance norm
        forgets a picture's own light), so that colours were off where little style is wanted.
        """
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise RtstyleError(f"strength is {strength}; allowed is 0 (the input) to 1 (the style)")
        self._strength = strength

    @property
    def canvas(self) -> float:
        """How much grain, 0 to 1, is under a frame for strokes to go by (see `rtstyle.stylizers.canvas`)."""
        return self._canvas

    @canvas.setter
    def canvas(self, canvas: float) -> None:
        self._canvas = check_canvas(canvas)

    @property
    def mix(self) -> Mix:
        """The present mix, style -> share, the shares summing to 1. Setting it ends a travel.

        Weights are set in any unit, from 0 up. Raises RtstyleError for others and for unknown styles.
        """
        return dict(self._travel.now)

    @mix.setter
    def mix(self, mix: Mapping[str, float]) -> None:
        there = self._checked(mix)
        self._travel = _Travel(there, there)

    def travel(self, to: Mapping[str, float], seconds: float | Fraction) -> None:
        """Ease (smoothstep) from the present mix to another, in `seconds` of frame time.

        It begins with the next frame and follows the frames' own times: the same frames give the same
        pictures, however fast they are made. `reset` ends a travel under way, at its destination.
        """
        if not 0 <= seconds < math.inf:
            raise RtstyleError(f"a travel of {seconds} seconds; allowed are numbers from 0 up")
        exact = seconds if isinstance(seconds, Fraction) else Fraction(float(seconds))
        exact = exact.limit_denominator(10**9)
        self._travel = _Travel(self.mix, self._checked(to), exact)

    def __call__(self, frame: Frame) -> Frame:
        return self.prepare(frame)()

    def prepare(self, frame: Frame) -> Callable[[], Frame]:
        """See `Divisible`: the settings are those of now, restyling may be done in any thread."""
        if not isinstance(frame, Frame):
            raise RtstyleError(f"a stylizer takes a Frame, got a {type(frame).__name__}: Frame(image)")
        check_image(frame.image)
        return partial(self._restyle, frame, self._travel.move(frame.time), self.strength, self.canvas)

    def at_once(self, width: int, height: int) -> int:
        return self.engine.at_once(*painted_size(width, height, self.strokes_at(width, height)))

    def strokes_at(self, width: int, height: int) -> float:
        """How many times as broad strokes are in frames of that size."""
        return strokes_for(width, height) if self._strokes is None else self._strokes

    def reset(self) -> None:
        """End a travel under way; no frame depends on another."""
        travel = self._travel
        if travel.begin is not None:
            self._travel = _Travel(travel.end, travel.end)

    def _restyle(self, frame: Frame, mix: Mix, strength: float, canvas: float) -> Frame:
        image = frame.image
        if strength == 0:
            return frame
        if image.is_cuda:
            # The network is started before the number is waited for, or the GPU would stand still meanwhile.
            spread = _spread(image).to("cpu", non_blocking=True)
            arrived = torch.cuda.current_stream(image.device).record_event()
            styled = self._run(image, mix, canvas)
            arrived.synchronize()
            strength *= _presence_at(spread)
        else:
            strength *= presence(image)
            styled = self._run(image, mix, canvas) if strength else image
        if strength == 0:
            return frame
        if strength < 1:
            blend = torch.lerp(to_float(image), to_float(styled), strength)
            styled = to_bytes(blend, image.dtype)
        return replace(frame, image=styled)

    def _run(self, image: torch.Tensor, mix: Mix, canvas: float) -> torch.Tensor:
        engine = self._lease(mix)
        strokes = self.strokes_at(image.shape[2], image.shape[1])
        try:
            return paint(lambda seen: engine(on_canvas(seen, canvas)), image, strokes)
        finally:
            self._idle.append((engine, mix))

    def _lease(self, mix: Mix) -> Engine:
        """An engine of this thread's own, holding the weights of this mix."""
        try:
            engine, loaded = self._idle.pop()
        except IndexError:
            engine, loaded = self.engine.copy(), {}
        if mix != loaded:
            engine.load(interpolate([self._states[name] for name in mix], list(mix.values())))
        return engine

    def _checked(self, mix: Mapping[str, float]) -> Mix:
        if not isinstance(mix, Mapping):
            raise RtstyleError(f"a mix is {mix!r}; it takes weights by style, as {{'a': 0.6, 'b': 0.4}}")
        if unknown := [name for name in mix if name not in self._states]:
            there = ", ".join(self._states) or "none but its own"
            raise RtstyleError(f"no style '{unknown[0]}' in this palette; it has: {there}")
        return normalised(mix)
