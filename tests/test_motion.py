"""Two views of a still: the second is the first moved by the flow that is given, wherever it says visible."""

import pytest
import torch

from rtstyle.perception.flow import inside, warp
from rtstyle.training.motion import Views, temporal_error, two_views


def photos(count: int = 6) -> torch.Tensor:
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.interpolate(coarse, (64, 80), mode="bicubic").clamp(0, 1)


def views(noise: float = 0.0, exposure: float = 0.0, still: float = 0.0, seed: int = 0) -> Views:
    return two_views(photos(), noise, torch.Generator().manual_seed(seed), exposure=exposure, still=still)


def test_the_flow_leads_from_the_second_view_to_the_first() -> None:
    made = views()
    assert made.flow.abs().mean() > 1
    assert temporal_error(made.first, made.second, made) < 1e-4
    unmoved = Views(made.first, made.second, torch.zeros_like(made.flow), made.visible)
    assert temporal_error(made.first, made.second, unmoved) > 20 * temporal_error(
        made.first, made.second, made
    )


def test_what_a_nearer_layer_uncovers_is_hidden() -> None:
    """Where the near layer leaves, the flow of the far one lands on it: never part of the error."""
    hidden = torch.cat([~views(seed=seed).visible for seed in range(6)])
    assert 0.005 < hidden.float().mean() < 0.4
    made = [views(seed=seed) for seed in range(6)]
    within = [each.flow.abs().amax(1, keepdim=True) < 30 for each in made]
    assert all(mask.float().mean() > 0.95 for mask in within)


def test_what_is_hidden_is_what_the_near_layer_had_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A red square moves over blue: where it was, the warp still shows red, as no camera would."""
    layer = torch.zeros(8, 1, 64, 80)
    layer[..., 20:40, 30:50] = 1
    photo = torch.cat([layer, torch.zeros_like(layer), 1 - layer], dim=1)
    monkeypatch.setattr("rtstyle.training.motion._blob", lambda photo, random: layer)
    monkeypatch.setattr("rtstyle.training.motion._camera", lambda photo, random: torch.zeros(8, 2, 64, 80))
    made = two_views(photo, 0.0, torch.Generator().manual_seed(3), exposure=0.0, still=0.0)
    red = made.second[:, :1] > 0.5
    near = made.flow.abs().amax(1, keepdim=True) > 0
    hidden = ~made.visible & inside(made.flow)
    assert hidden.any() and red[hidden].all() and not near[hidden].any()
    moved = near.flatten(1).any(1)  # half of the pairs have a near layer
    assert moved.any()
    assert torch.equal((red & made.visible)[moved], (near & made.visible)[moved])


def test_still_pairs_do_not_move_and_differ_by_noise_alone() -> None:
    made = views(noise=0.05, still=1.0)
    assert not made.flow.any() and made.visible.all()
    difference = made.first - made.second
    assert 0.005 < difference.std() < 0.08
    assert difference.mean().abs() < 0.005


def test_exposure_changes_the_second_view_alone() -> None:
    made = views(exposure=0.2, still=1.0)
    torch.testing.assert_close(made.first, photos())
    ratio = made.second.mean((1, 2, 3)) / made.first.mean((1, 2, 3))
    assert (ratio - 1).abs().max() > 0.02
    assert (ratio - 1).abs().max() < 0.28


def test_the_same_dice_give_the_same_views() -> None:
    one, other, third = views(noise=0.02), views(noise=0.02), views(noise=0.02, seed=1)
    assert torch.equal(one.second, other.second)
    assert not torch.equal(one.second, third.second)


def test_the_error_is_the_mean_over_pictures_of_what_is_visible() -> None:
    first, second = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    second[0, :, 0, 0] = 1.0  # hidden
    second[1, :, :2] = 0.5
    visible = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    visible[0, 0, 0, 0] = False
    made = Views(first, second, torch.zeros(2, 2, 4, 4), visible)
    torch.testing.assert_close(temporal_error(first, second, made), torch.tensor(0.25 * 0.5 / 2))


def test_no_steadiness_is_asked_near_the_sides_of_either_view() -> None:
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0] = 4.0  # what lies at the right comes in
    made = Views(flow[:, :1], flow[:, :1], flow, torch.ones(1, 1, 64, 64, dtype=torch.bool))
    still = torch.zeros(1, 3, 64, 64)
    for column, counts in ((7, False), (8, True), (51, True), (52, False)):  # an eighth; 4 more at the right
        other = still.clone()
        other[..., 8:56, column] = 1
        assert (temporal_error(still, other, made) > 0) == counts
        assert temporal_error(still, other * (torch.arange(64) == 0)[:, None], made) == 0


def test_gradients_reach_both_views() -> None:
    made = views()
    first, second = made.first.clone().requires_grad_(), made.second.clone().requires_grad_()
    temporal_error(first + 0.1 * warp(first, made.flow), second, made).backward()
    assert first.grad is not None and second.grad is not None
    assert first.grad.abs().sum() > 0 and second.grad.abs().sum() > 0
