"""Octaves: sizes by the formula, and the photo's own details at the end."""

import pytest
import torch
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.stylizers.octaves import climb, pyramid, resized


def test_sizes_by_the_formula() -> None:
    # 480 / 1.8 = 266.67, / 3.24 = 148.15, / 5.832 = 82.30; 640: 355.56, 197.53, 109.74
    assert pyramid((480, 640), 4, 1.8) == [(82, 110), (148, 198), (267, 356), (480, 640)]


def test_sizes_the_layers_do_not_take_are_left_out() -> None:
    assert pyramid((480, 640), 4, 1.8, smallest=148) == [(148, 198), (267, 356), (480, 640)]
    assert pyramid((480, 640), 9, 2.0, smallest=480) == [(480, 640)]
    assert pyramid((2, 3), 3, 4.0) == [(2, 3)], "no side of 0 pixels"


def test_what_cannot_be_a_pyramid_is_refused() -> None:
    with pytest.raises(RtstyleError, match=r"60x40 is too small: these layers take 75 pixels"):
        pyramid((40, 60), 4, 1.8, smallest=75)
    with pytest.raises(RtstyleError, match="0 octaves"):
        pyramid((40, 60), 0, 1.8)
    with pytest.raises(RtstyleError, match=r"ratio of 1 does not shrink"):
        pyramid((40, 60), 2, 1.0)
    assert pyramid((40, 60), 1, 1.0) == [(40, 60)], "one octave has no ratio"


def test_details_lost_at_small_sizes_come_back() -> None:
    photo = torch.rand((3, 48, 64), generator=torch.Generator().manual_seed(1))
    sizes = pyramid((48, 64), 4, 1.8)
    seen: list[tuple[int, ...]] = []

    def nothing(image: Tensor, base: Tensor, index: int) -> Tensor:
        seen.append((index, *image.shape[1:]))
        return image

    assert torch.equal(climb(photo, sizes, nothing), photo)
    assert seen == [(index, *size) for index, size in enumerate(sizes)]


def test_what_is_added_to_a_small_size_lies_over_the_details() -> None:
    photo = 0.3 + 0.2 * torch.rand((3, 32, 32), generator=torch.Generator().manual_seed(1))
    made = climb(photo, [(16, 16), (32, 32)], lambda image, base, index: image + 0.25 * (index == 0))
    torch.testing.assert_close(made, photo + 0.25)


def test_the_same_size_is_the_same_picture() -> None:
    image = torch.rand(3, 5, 7)
    assert resized(image, (5, 7)) is image
    torch.testing.assert_close(resized(torch.full((3, 8, 8), 0.4), (5, 3)), torch.full((3, 5, 3), 0.4))


def test_a_panorama_is_resized_all_around() -> None:
    image = torch.rand((1, 6, 20), generator=torch.Generator().manual_seed(1))
    for size in ((3, 10), (12, 40)):
        turned = resized(image.roll(10, 2), size, wrap=True)
        torch.testing.assert_close(turned, resized(image, size, wrap=True).roll(size[1] // 2, 2))
        assert not torch.allclose(turned, resized(image.roll(10, 2), size))
