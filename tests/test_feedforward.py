"""The feed-forward stylizer: what it keeps of a frame, what strength does, mixes and travels between them."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
import torch

from rtstyle.engines import load_engine
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Stylizer, to_bytes, to_float
from rtstyle.media.synthetic import Scene
from rtstyle.mixing import interpolate
from rtstyle.stylizers import feedforward
from rtstyle.stylizers.feedforward import FeedForward
from tests.families import network

PRESENCE = feedforward.presence


@pytest.fixture(autouse=True)
def any_frame_is_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedforward, "presence", lambda image: 1.0)


class Inverse:
    """An engine anyone can check by hand."""

    device = torch.device("cpu")

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return (65535 - image.int()).to(image.dtype) if image.dtype == torch.uint16 else 255 - image


class Flat:
    """An engine of one weight, that paints every picture in that one value."""

    device = torch.device("cpu")

    def __init__(self, value: float) -> None:
        self.value = value
        self.loads = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, round(self.value))

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        self.value = float(state["value"])
        self.loads += 1


STATES = {name: {"value": torch.tensor(value)} for name, value in {"a": 0.0, "b": 200.0, "c": 100.0}.items()}


def frame(value: int, dtype: torch.dtype = torch.uint8, time: Fraction = Fraction(1001, 30000)) -> Frame:
    return Frame(torch.full((3, 4, 5), value, dtype=dtype), time)


def palette(**more: object) -> FeedForward:
    return FeedForward(Flat(0), states=STATES, **more)  # type: ignore[arg-type]


def shown(stylizer: Stylizer, seconds: float | Fraction = 0, value: int = 7) -> int:
    """The one value of the picture restyled at that time."""
    image = stylizer(frame(value, time=Fraction(seconds))).image
    assert image.min() == image.max()
    return int(image.max())


def test_it_is_a_stylizer_and_keeps_the_time() -> None:
    stylizer = FeedForward(Inverse())
    assert isinstance(stylizer, Stylizer)
    stylizer.reset()
    result = stylizer(frame(10))
    assert result.time == Fraction(1001, 30000)
    assert torch.equal(result.image, frame(245).image)


@pytest.mark.parametrize("dtype, value, mixed", [(torch.uint8, 55, 91), (torch.uint16, 5535, 19151)])
def test_strength_mixes_with_the_input(dtype: torch.dtype, value: int, mixed: int) -> None:
    """A quarter of the way from 55 to 200 is 91.25; from 5535 to 60000, 19151.25."""
    result = FeedForward(Inverse(), strength=0.25)(frame(value, dtype)).image
    assert result.dtype == dtype
    assert torch.equal(result, frame(mixed, dtype).image)


def test_strength_zero_gives_the_very_frame_and_runs_nothing() -> None:
    given = frame(7)
    assert FeedForward(None, strength=0)(given) is given  # type: ignore[arg-type]


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(RtstyleError, match="allowed is 0"):
        FeedForward(Inverse(), strength)
    stylizer = FeedForward(Inverse())
    with pytest.raises(RtstyleError, match="allowed is 0"):
        stylizer.strength = strength
    assert stylizer.strength == 1


def test_strength_is_that_of_the_pictures_without_one() -> None:
    stylizer = palette(strength=0.5)
    stylizer.mix = {"b": 1}
    assert shown(stylizer, value=50) == 125


def test_the_mix_holds_from_the_next_frame_on() -> None:
    stylizer = palette()
    assert (stylizer.styles, stylizer.mix, stylizer.name) == (("a", "b", "c"), {"a": 1.0}, "a")
    assert shown(stylizer) == 0
    stylizer.mix = {"a": 1, "b": 3}
    assert stylizer.mix == {"a": 0.25, "b": 0.75}
    assert stylizer.name == "a:0.25+b:0.75"
    assert shown(stylizer) == 150


def test_the_engine_is_loaded_only_for_a_change() -> None:
    stylizer = palette()
    for _ in range(3):
        shown(stylizer)
    assert stylizer.engine.loads == 0  # type: ignore[attr-defined]
    stylizer.mix = {"b": 1}
    for _ in range(3):
        shown(stylizer)
    assert stylizer.engine.loads == 1  # type: ignore[attr-defined]


def test_a_wrong_mix_is_refused_and_changes_nothing() -> None:
    stylizer = palette(mix={"b": 1})
    with pytest.raises(RtstyleError, match="no style 'd' in this palette; it has: a, b, c"):
        stylizer.mix = {"a": 1, "d": 1}
    with pytest.raises(RtstyleError, match="no style 'd'"):
        stylizer.travel({"d": 1}, 3)
    with pytest.raises(RtstyleError, match="above 0"):
        stylizer.mix = {"a": -1}
    with pytest.raises(RtstyleError, match="none but its own"):
        FeedForward(Inverse()).mix = {"a": 1}
    assert stylizer.mix == {"b": 1.0}


def test_a_real_network_follows_its_mix() -> None:
    """The same picture, bit for bit, as that of an engine made of the mixed network."""
    states = {name: network(seed).state_dict() for seed, name in enumerate("ab")}
    stylizer = FeedForward(load_engine(network(0), device="cpu"), states=states)
    expected = network(0)
    expected.load_state_dict(interpolate(list(states.values()), [0.25, 0.75]))
    image = torch.randint(0, 256, (3, 24, 40), dtype=torch.uint8)
    before = stylizer(Frame(image)).image
    stylizer.mix = {"a": 1, "b": 3}
    assert torch.equal(stylizer(Frame(image)).image, load_engine(expected, device="cpu")(image))
    stylizer.mix = {"a": 1}
    assert torch.equal(stylizer(Frame(image)).image, before)


def test_a_travel_follows_frame_times() -> None:
    """From 0 to 200 in 4 s, beginning at 10 s: a quarter of the way is eased to 0.15625 of it."""
    stylizer = palette()
    stylizer.travel({"b": 1}, 4)
    times = [10, 11, 12, 13, 14, 99]
    assert [shown(stylizer, time) for time in times] == [0, 31, 100, 169, 200, 200]
    stylizer.travel({"b": 1, "c": 1}, Fraction(1, 3))
    assert shown(stylizer, Fraction(100)) == 200
    assert shown(stylizer, Fraction(601, 6)) == 175
    assert stylizer.mix == {"b": 0.75, "c": 0.25}
    assert shown(stylizer, Fraction(301, 3)) == 150


def test_a_travel_is_the_same_with_any_frames_between() -> None:
    one, other = palette(), palette()
    one.travel({"b": 1}, 2)
    other.travel({"b": 1}, 2)
    for number in range(31):
        here = shown(one, Fraction(number, 30))
    shown(other, 0)
    assert shown(other, 1) == here == 100
    assert one.mix == other.mix == {"a": 0.5, "b": 0.5}


def test_a_travel_can_turn_on_the_way() -> None:
    stylizer = palette()
    stylizer.travel({"b": 1}, 2)
    shown(stylizer, 0)
    shown(stylizer, 1)
    stylizer.travel({"a": 1}, 2)
    assert [shown(stylizer, time) for time in (2, 3, 4)] == [100, 50, 0]


def test_a_mix_set_or_a_reset_ends_a_travel() -> None:
    stylizer = palette()
    stylizer.travel({"b": 1}, 2)
    stylizer.reset()
    assert shown(stylizer, 0) == 0, "not begun: it begins with the new video"
    assert shown(stylizer, 1) == 100
    stylizer.mix = {"c": 1}
    assert shown(stylizer, Fraction(3, 2)) == 100
    stylizer.travel({"b": 1}, 2)
    shown(stylizer, 2)
    stylizer.reset()
    assert shown(stylizer, 0) == 200


def test_a_travel_of_no_time_is_a_jump() -> None:
    stylizer = palette()
    stylizer.travel({"b": 1}, 0)
    assert shown(stylizer) == 200
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(RtstyleError, match="allowed are numbers from 0 up"):
            stylizer.travel({"a": 1}, wrong)


def test_time_passes_at_strength_zero() -> None:
    stylizer = palette(strength=0)
    stylizer.travel({"b": 1}, 2)
    assert shown(stylizer, 0) == 7
    stylizer.strength = 1
    assert shown(stylizer, 1) == 100


def test_how_much_of_a_picture_there_is() -> None:
    scene = torch.from_numpy(Scene(96, 64).draw(0))
    flat = torch.full_like(scene, 16)
    colour = torch.tensor([200, 30, 90], dtype=torch.uint8)[:, None, None].expand_as(scene)
    assert PRESENCE(scene) == 1
    assert PRESENCE(flat) == PRESENCE(colour) == 0
    stripes = flat.clone()
    stripes[:, :, ::2] += 11  # a deviation of 5.5
    part = (5.5 / 255 - 0.005) / 0.035
    assert PRESENCE(stripes) == pytest.approx(part * part * (3 - 2 * part), abs=1e-5)
    deep = scene.to(torch.uint16) * 257
    assert PRESENCE(deep) == 1
    assert PRESENCE(scene[:, :, :1]) > 0
    assert PRESENCE(scene[:, :1, :1]) == 0


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (1920, 1080)])
@pytest.mark.parametrize("period", [2, 3, 5, 8, 10, 11, 16, 20, 30])
def test_a_regular_pattern_is_a_picture(width: int, height: int, period: int) -> None:
    across, down = (
        (torch.arange(side) % period * 2 < period).to(torch.uint8) * 255 for side in (width, height)
    )
    assert PRESENCE(across.expand(3, height, width)) == 1
    assert PRESENCE(down[:, None].expand(3, height, width)) == 1


def test_a_fade_to_black_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedforward, "presence", PRESENCE)
    stylizer = FeedForward(load_engine(network(0), device="cpu"))
    scene = torch.from_numpy(Scene(96, 64).draw(0)).float()
    for light in (0.2, 0.1, 0.05, 0.02, 0.0):
        image = (scene * light).to(torch.uint8)
        styled = stylizer(Frame(image)).image
        part = PRESENCE(image)
        alone = stylizer.engine(image)
        wanted = to_bytes(torch.lerp(to_float(image), to_float(alone), part)) if 0 < part < 1 else image
        assert torch.equal(styled, wanted if part < 1 else alone)
    assert torch.equal(styled, image)


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        (np.zeros((4, 5, 3), np.uint8), RtstyleError, r"got ndarray; .*permute\(2, 0, 1\)"),
        (torch.zeros(4, 5, 3, dtype=torch.uint8), RtstyleError, "channels last"),
        (torch.zeros(1, 3, 4, 5, dtype=torch.uint8), RtstyleError, r"got \(1, 3, 4, 5\)"),
        (torch.zeros(3, 4, 5), RtstyleError, "float32; allowed are uint8 and uint16"),
    ],
)
def test_what_is_no_image_is_said(image: object, error: type[Exception], said: str) -> None:
    for strength in (0.0, 1.0):
        with pytest.raises(error, match=said):
            palette(strength=strength)(Frame(image))  # type: ignore[arg-type]
