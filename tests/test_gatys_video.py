"""Video by optimisation: the temporal term by its formula, and what it does to moving frames."""

from fractions import Fraction

import torch
from torch import Tensor

from rtstyle.frame import Frame, to_float
from rtstyle.media.drawing.scene import Scene
from rtstyle.perception.flow import dis_flow_and_visible, warp
from rtstyle.stylizers.carried import Carried, Steady
from rtstyle.stylizers.descent import Objective
from rtstyle.stylizers.gatys_video import GatysFrames, held_to

WIDTH, HEIGHT = 128, 96


def frames(count: int) -> list[Frame]:
    big = torch.from_numpy(Scene(2 * WIDTH, HEIGHT, seed=3).draw(0))
    return [Frame(big[:, :, 2 * n : 2 * n + WIDTH].contiguous(), Fraction(n, 30)) for n in range(count)]


def grainy(photo: Tensor) -> Objective:
    """An objective with a texture that is tied to the screen: what swims when the picture moves."""
    random = torch.Generator().manual_seed(int(1e4 * photo.mean()))  # another one for each frame
    grain = torch.rand(photo.shape, generator=random)[None]
    return lambda image: {"grain": (image - grain).square().mean(), "photo": (image - photo).square().mean()}


def painted(photo: Tensor) -> Tensor:
    terms = GatysFrames(lambda each: each, grainy, 12)
    nothing = Steady(photo, torch.zeros(1, *photo.shape[1:]))
    return terms(photo, photo, nothing)


def warped_error(results: list[Tensor], shown: list[Frame]) -> float:
    """Mean square difference of each result to the one before, moved along."""
    total = 0.0
    for number in range(1, len(shown)):
        new, old = (to_float(frame.image) for frame in (shown[number], shown[number - 1]))
        flow, seen = dis_flow_and_visible(new, old)
        off = (results[number] - warp(results[number - 1][None], flow)[0]).square().mean(0)
        total += float((off * seen[0, 0]).sum() / seen.sum())
    return total / (len(shown) - 1)


def test_the_term_by_hand() -> None:
    image = torch.full((1, 3, 2, 2), 0.5)
    weight = torch.tensor([[[1.0, 0.5], [0.0, 0.0]]])
    held = held_to(lambda _: {"rest": torch.tensor(2.0)}, Steady(torch.full((3, 2, 2), 0.1), weight), 10.0)
    terms = held(image)
    assert terms["rest"] == 2
    assert torch.isclose(terms["temporal"], torch.tensor(10 * 0.16 * 1.5 / 4))


def test_a_scene_begins_whole_and_goes_on_from_the_last() -> None:
    whole: list[Tensor] = []
    method = Carried(GatysFrames(lambda photo: whole.append(photo) or photo.flip(0), grainy, 3))  # type: ignore[func-returns-value]
    for frame in frames(3):
        method(frame)
    assert len(whole) == 1


def test_carried_frames_flicker_less_than_half() -> None:
    shown = frames(5)
    method = Carried(GatysFrames(painted, grainy, 12))
    carried = [to_float(method(frame).image) for frame in shown]
    alone = [painted(to_float(frame.image)).clamp(0, 1) for frame in shown]
    assert warped_error(carried, shown) < 0.5 * warped_error(alone, shown)
