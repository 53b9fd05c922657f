"""Losses against their formulas, written out by hand."""

import pytest
import torch
from torch.nn import functional as F

from rtstyle.perception.losses import content_error, gram, grid_error, style_error, total_variation


def test_content_error_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]]]])
    target = torch.tensor([[[[3.0, 4.0]]]])
    # mean((−2)², (−2)²) / mean(3², 4²)
    torch.testing.assert_close(content_error(features, target), torch.tensor(4 / 12.5))


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]]])
    # channel products summed over the four places, over four
    expected = torch.tensor([[[30.0, 6.0], [6.0, 2.0]]]) / 4
    torch.testing.assert_close(gram(features), expected)


def test_gram_forgets_places_and_size() -> None:
    features = torch.rand(2, 3, 4, 6)
    shuffled = features.flatten(2)[..., torch.randperm(24)].view(2, 3, 4, 6)
    torch.testing.assert_close(gram(shuffled), gram(features))
    torch.testing.assert_close(gram(F.interpolate(features, scale_factor=2.0)), gram(features))


def test_gradient_of_gram_is_right_whatever_reads_it() -> None:
    features = torch.rand(2, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    uneven = torch.rand(2, 3, 3, dtype=torch.float64)  # not symmetric, as a style error's gradient would be
    assert torch.autograd.gradcheck(lambda values: gram(values) * uneven, features)


def test_gradient_of_gram_in_bfloat16() -> None:
    features = torch.rand(1, 3, 8, 8)
    found = []
    for half in (False, True):
        leaf = features.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            gram(leaf).float().square().sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None and leaf.grad.dtype == torch.float32
        found.append(leaf.grad)
    torch.testing.assert_close(found[1], found[0], rtol=0.03, atol=0)


def test_style_error_by_hand() -> None:
    features = torch.tensor([[[[2.0, 0.0]], [[0.0, 2.0]]]])  # Gram [[2, 0], [0, 2]]
    target = torch.tensor([[[2.0, 1.0], [1.0, 0.0]]])
    # mean(0, 1, 1, 4) / mean(4, 1, 1, 0)
    torch.testing.assert_close(style_error(features, target), torch.tensor(1.0))


def test_style_error_serves_a_batch_with_one_target() -> None:
    features, target = torch.rand(3, 4, 5, 6), torch.rand(1, 4, 4)
    each = torch.stack([style_error(one[None], target) for one in features])
    torch.testing.assert_close(style_error(features, target), each.mean())


def test_errors_do_not_depend_on_the_scale_of_a_layer() -> None:
    features, target = torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5)
    torch.testing.assert_close(content_error(100 * features, 100 * target), content_error(features, target))
    scaled = style_error(100 * features, gram(100 * target))
    torch.testing.assert_close(scaled, style_error(features, gram(target)))


def test_a_black_target_gives_no_nan() -> None:
    black = torch.zeros(1, 2, 3, 3)
    assert content_error(black, black) == 0 and style_error(black, gram(black)) == 0


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0, 3.0], [0.0, 1.0, 1.0]]]])
    # across: 1, 4, 1, 0 over four; down: 0, 0, 4 over three
    torch.testing.assert_close(total_variation(image), torch.tensor(6 / 4 + 4 / 3))


@pytest.mark.parametrize("period", (2, 4, 8))
def test_a_grid_of_the_networks_own_steps_is_found_and_nothing_else(period: int) -> None:
    """Rows of which one in ``period`` is brighter, on a picture whose sides are no multiples of 8."""
    rows = torch.zeros(1, 3, 70, 83)
    rows[..., ::period, :] = 0.1
    share = 1 / period
    torch.testing.assert_close(grid_error(rows), torch.tensor(0.01 * share * (1 - share)))
    assert grid_error(rows[:, :, :1].expand(-1, -1, 70, -1)) < 1e-12, "a plain picture"
    other = torch.zeros(1, 3, 70, 84)
    other[..., ::7, :] = 0.1
    assert grid_error(other) < 0.05 * grid_error(rows)
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(1, 3, 256, 256)
    assert grid_error(noise) < 0.002 * noise.square().mean()


def test_the_grid_is_that_of_each_picture() -> None:
    """So that processes that share a batch learn what one would."""
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    shares = [grid_error(part) for part in pictures.split(2)]
    torch.testing.assert_close(grid_error(pictures), torch.stack(shares).mean())
