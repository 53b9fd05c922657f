"""A method for stills on video: carried along, held to, begun anew at cuts, and kept from drifting."""

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from rtstyle.frame import Frame, to_float
from rtstyle.media.drawing.scene import Scene
from rtstyle.stylizers.carried import Carried, Steady

WIDTH, HEIGHT = 160, 120


class Method:
    """Paints a new scene in other colours, or not; then gives back where it was told to start, `change`d."""

    def __init__(self, change: float = 0.0, paint: bool = False) -> None:
        self.change, self.paint = change, paint
        self.told: list[tuple[Tensor, Tensor, Steady | None]] = []

    def __call__(self, photo: Tensor, start: Tensor, steady: Steady | None) -> Tensor:
        self.told.append((photo, start, steady))
        return photo.flip(0) if self.paint and steady is None else start * (1 + self.change)


def moving(count: int) -> list[Frame]:
    """A camera that moves over the drawn scene."""
    big = torch.from_numpy(Scene(2 * WIDTH, HEIGHT, seed=3).draw(0))
    return [Frame(big[:, :, 2 * n : 2 * n + WIDTH].contiguous(), Fraction(n, 30)) for n in range(count)]


def test_the_last_result_is_moved_along() -> None:
    method = Method(paint=True)
    carried = Carried(method)
    first, second = moving(2)
    carried(first)
    assert method.told[0][2] is None
    carried(second)
    photo, start, steady = method.told[1]
    assert steady is not None
    assert steady.weight.mean() > 0.8
    known = steady.weight[0] == 1
    assert (start[:, known] - steady.picture[:, known]).abs().max() == 0
    assert (steady.picture - photo.flip(0)).abs()[:, known].mean() < 0.02
    unmoved = to_float(first.image).flip(0)
    assert (unmoved - photo.flip(0)).abs()[:, known].mean() > 0.04


def test_what_was_not_seen_starts_as_the_photo() -> None:
    method = Method(paint=True)
    carried = Carried(method)
    for frame in moving(2):
        carried(frame)
    photo, start, steady = method.told[1]
    assert steady is not None
    unknown = steady.weight[0] == 0
    assert unknown.any()
    assert torch.equal(start[:, unknown], photo[:, unknown])
    assert unknown[:, -1].float().mean() > 0.9, "the edge that came into sight"


def test_a_cut_begins_anew() -> None:
    method = Method()
    carried = Carried(method)
    other = Frame(torch.from_numpy(Scene(WIDTH, HEIGHT, seed=9).draw(7)).flip(2).flip(1).contiguous())
    for frame in [*moving(3), other, *moving(1)]:
        carried(frame)
    assert [steady is None for *_, steady in method.told] == [True, False, False, True, True]
    assert carried.cuts == 2


def test_another_size_begins_anew() -> None:
    method = Method()
    carried = Carried(method)
    (frame,) = moving(1)
    carried(frame)
    carried(Frame(frame.image[:, ::2, ::2].contiguous()))
    assert method.told[-1][2] is None


@pytest.mark.parametrize("change", [0.01, -0.01])
def test_small_changes_do_not_add_up(change: float) -> None:
    carried = Carried(Method(change))
    (frame,) = moving(1)
    results = [to_float(carried(frame).image).mean() for _ in range(60)]
    assert abs(results[-1] / results[0] - 1) < 0.03, "1 % a frame is 80 % over 60"


def test_blur_does_not_add_up() -> None:
    carried = Carried(Method())
    deviations = [float(to_float(carried(frame).image).std()) for frame in moving(40)]
    photos = [float(to_float(frame.image).std()) for frame in moving(40)]
    assert deviations[-1] / photos[-1] > 0.95


def test_what_is_finished_is_shown_not_carried() -> None:
    first, second = moving(2)
    method = Method(paint=True)
    carried = Carried(method, finish=lambda photo, result: photo)
    assert torch.equal(carried(first).image, first.image)
    assert torch.equal(carried(second).image, second.image)
    photo, start, _ = method.told[1]
    assert (start - photo).abs().mean() > 0.1, "still the other colours"


def test_bytes_and_sixteen_bits_stay_what_they_are() -> None:
    carried = Carried(Method())
    (frame,) = moving(1)
    for image in (frame.image, (frame.image.to(torch.int32) * 257).to(torch.uint16)):
        assert carried(Frame(image)).image.dtype == image.dtype
