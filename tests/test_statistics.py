"""Statistics of a layer's features against closed forms, and their gradients against differences."""

import pytest
import torch
from torch import Tensor

from rtstyle.perception.covariances import barycenter, fidelity
from rtstyle.perception.losses import gram, style_error
from rtstyle.perception.statistics import STATISTICS, Gaussian, Gram, Target

BOTH = pytest.mark.parametrize("name", sorted(STATISTICS))


def features(channels: int, places: int = 40, seed: int = 0, size: int = 1) -> Tensor:
    """ReLU-like float64 features (size, channels, 4, places / 4), correlated."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    rows = torch.randn(size, channels, places, generator=generator, dtype=torch.float64)
    return (mix @ rows + 0.3).relu().view(size, channels, 4, places // 4)


def covariance(channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(1, channels, 3 * channels, generator=generator, dtype=torch.float64)
    return rows @ rows.transpose(1, 2) / (3 * channels)


def root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.transpose(1, 2)


def gaussian(means: list[float], deviations: list[float]) -> Target:
    return torch.tensor([means]).double(), torch.tensor(deviations).double().diag()[None]


def test_gram_is_that_of_the_losses() -> None:
    found, wanted = features(3), features(3, seed=1)
    statistic = Gram()
    torch.testing.assert_close(statistic.measure(wanted)[0], gram(wanted))
    torch.testing.assert_close(
        statistic.error(found, statistic.measure(wanted)), style_error(found, gram(wanted))
    )


def test_guided_gram_by_hand() -> None:
    row = torch.tensor([[[[1.0, 2.0, 5.0]], [[0.0, 1.0, 7.0]]]])
    mask = torch.tensor([[[[1.0, 0.5, 0.0]]]])
    # (1 · [1, 0][1, 0]ᵀ + 0.5 · [2, 1][2, 1]ᵀ) / 1.5
    torch.testing.assert_close(Gram().measure(row, mask)[0], torch.tensor([[[3.0, 1.0], [1.0, 0.5]]]) / 1.5)


def test_wasserstein_of_one_channel_by_hand() -> None:
    row = torch.tensor([[[[1.0, 3.0]]]])  # mean 2, deviation 1
    # (|2 − 5|² + (1 − 4)²) / (5² + 4²)
    torch.testing.assert_close(
        Gaussian().error(row.double(), gaussian([5], [4])), torch.tensor(18 / 41).double()
    )


def test_wasserstein_of_independent_channels_by_hand() -> None:
    rows = torch.tensor([[[[0.0, 4.0, 0.0, 4.0]], [[1.0, 1.0, 3.0, 3.0]]]]).double()  # deviations 2 and 1
    # means (2, 2) against (1, 0), deviations (2, 1) against (5, 0)
    expected = torch.tensor((1 + 4 + 9 + 1) / (1 + 25)).double()
    torch.testing.assert_close(Gaussian().error(rows, gaussian([1, 0], [5, 0])), expected)


def test_fidelity_of_commuting_covariances() -> None:
    turn = torch.linalg.qr(covariance(5, 0)[0])[0]
    one, two = torch.tensor([4.0, 1, 1, 0, 9]).double(), torch.tensor([1.0, 16, 0, 4, 4]).double()
    found = fidelity((turn * one @ turn.T)[None], (turn * two.sqrt() @ turn.T)[None])
    torch.testing.assert_close(found, (one * two).sqrt().sum()[None])


def test_fidelity_is_the_nuclear_norm_of_the_roots_product() -> None:
    one, two = covariance(6, 0), covariance(6, 1)
    expected = torch.linalg.svdvals(root(one) @ root(two)).sum()[None]
    torch.testing.assert_close(fidelity(one, root(two)), expected)


@BOTH
@pytest.mark.parametrize("channels", [3, 12])  # 12: more channels than the 8 places
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name: str, channels: int, masked: bool) -> None:
    statistic = STATISTICS[name]
    target = statistic.measure(features(channels, 64, seed=1))
    found = features(channels, 8).sub_(0.1).requires_grad_()
    mask = torch.linspace(0, 1, 8).double().view(1, 1, 4, 2) if masked else None
    assert torch.autograd.gradcheck(lambda x: statistic.error(x, target, mask), found)


def test_gradient_where_the_target_is_flat_too() -> None:
    """Both covariances of low rank, with equal and zero eigenvalues."""
    target = gaussian([1, 1, 1, 1, 1, 1], [2, 2, 1, 1, 0, 0])
    found = features(6, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Gaussian().error(x, target), found)


@BOTH
def test_a_gray_picture_has_a_finite_gradient_and_an_error_of_about_one(name: str) -> None:
    statistic = STATISTICS[name]
    gray = torch.full((1, 5, 4, 4), 1e-3, requires_grad=True)
    error = statistic.error(gray, statistic.measure(features(5).float()))
    error.backward()
    assert 0.99 < error < 1 and gray.grad is not None and gray.grad.isfinite().all()


@BOTH
def test_error_is_zero_at_a_match_whatever_the_places(name: str) -> None:
    statistic, found = STATISTICS[name], features(6)
    shuffled = found.flatten(2)[..., torch.randperm(40)].view(1, 6, 8, 5)
    assert statistic.error(shuffled, statistic.measure(found)).abs() < 1e-12
    assert statistic.error(found.float(), statistic.measure(found.float())).abs() < 1e-5
    assert statistic.error(features(6, seed=1), statistic.measure(found)) > 0.01


@BOTH
def test_error_does_not_depend_on_the_scale_of_a_layer(name: str) -> None:
    statistic, found, wanted = STATISTICS[name], features(4), features(4, seed=1)
    scaled = statistic.error(100 * found, statistic.measure(100 * wanted))
    torch.testing.assert_close(scaled, statistic.error(found, statistic.measure(wanted)))


@BOTH
def test_a_batch_is_the_mean_of_its_pictures(name: str) -> None:
    statistic, batch = STATISTICS[name], features(4, size=3)
    target = statistic.measure(features(4, seed=1))
    each = torch.stack([statistic.error(one[None], target) for one in batch])
    torch.testing.assert_close(statistic.error(batch, target), each.mean())


@BOTH
def test_a_hard_mask_is_a_crop(name: str) -> None:
    statistic, whole = STATISTICS[name], features(4)
    mask = torch.zeros(1, 1, 4, 10).double()
    mask[..., 1:3, 2:9] = 1
    crop = whole[..., 1:3, 2:9]
    for masked, cropped in zip(statistic.measure(whole, mask), statistic.measure(crop), strict=True):
        torch.testing.assert_close(masked, cropped)
    target = statistic.measure(features(4, seed=1))
    torch.testing.assert_close(statistic.error(whole, target, mask), statistic.error(crop, target))


@BOTH
def test_a_mask_counts_by_its_shape_not_by_its_sum(name: str) -> None:
    statistic, whole = STATISTICS[name], features(4)
    mask = torch.rand(1, 1, 4, 10).double()
    for full, faint in zip(statistic.measure(whole, mask), statistic.measure(whole, mask / 9), strict=True):
        torch.testing.assert_close(full, faint)


@BOTH
def test_places_outside_the_mask_get_no_gradient(name: str) -> None:
    statistic = STATISTICS[name]
    whole = features(4).requires_grad_()
    mask = (torch.arange(10) < 4).double().expand(1, 1, 4, 10)
    statistic.error(whole, statistic.measure(features(4, seed=1)), mask).backward()
    assert whole.grad is not None
    assert whole.grad[..., 4:].abs().max() == 0 and whole.grad[..., :4].abs().max() > 0


@BOTH
def test_a_mix_of_all_of_one_style_is_that_style(name: str) -> None:
    statistic = STATISTICS[name]
    one, two = statistic.measure(features(4)), statistic.measure(features(4, seed=1))
    for weights, targets in (((3, 0), (one, two)), ((0, 1), (two, one)), ((2, 5), (one, one))):
        for found, wanted in zip(statistic.mix(targets, weights), one, strict=True):
            torch.testing.assert_close(found, wanted)


def test_mixed_grams_by_hand() -> None:
    one, two = torch.tensor([[[4.0]]]), torch.tensor([[[8.0]]])
    torch.testing.assert_close(Gram().mix([(one,), (two,)], [3, 1])[0], torch.tensor([[[5.0]]]))


def test_mixed_gaussians_of_independent_channels_average_their_deviations() -> None:
    found = Gaussian().mix([gaussian([0, 4], [1, 6]), gaussian([4, 0], [5, 0])], [3, 1])
    for part, expected in zip(found, gaussian([1, 3], [2, 4.5]), strict=True):
        torch.testing.assert_close(part, expected)


def test_barycenter_of_two_lies_on_the_line_between_them() -> None:
    """McCann's interpolation: the optimal map T from S1 to S2 gives ((1−t) I + t T) S1 ((1−t) I + t T)."""
    one, two = covariance(5, 0), covariance(5, 1)
    half = root(one)
    map_ = half.inverse() @ root(half @ two @ half) @ half.inverse()
    step = 0.7 * torch.eye(5).double() + 0.3 * map_
    torch.testing.assert_close(barycenter([one, two], [0.7, 0.3]), step @ one @ step, rtol=1e-5, atol=1e-6)


def test_barycenter_of_three_solves_its_equation() -> None:
    parts, weights = [covariance(4, seed) for seed in range(3)], [0.5, 0.3, 0.2]
    middle = barycenter(parts, weights)
    half = root(middle)
    again = sum(weight * root(half @ part @ half) for part, weight in zip(parts, weights, strict=True))
    torch.testing.assert_close(again, middle, rtol=1e-5, atol=1e-6)


def test_barycenter_of_flat_covariances_stays_finite() -> None:
    """Where one style has no energy at all along a direction, half of the other's deviation is left."""
    parts = [torch.diag(torch.tensor(line)).double()[None] for line in ([4.0, 0, 0], [4.0, 16, 0])]
    expected = torch.diag(torch.tensor([4.0, 4, 0])).double()[None]
    torch.testing.assert_close(barycenter(parts, [0.5, 0.5]), expected, rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_summaries_of_strips_join_to_that_of_the_whole(name: str, masked: bool) -> None:
    statistic, whole = STATISTICS[name], features(3)
    mask = torch.rand(1, 1, 4, 10, generator=torch.Generator().manual_seed(4)).double() if masked else None
    rows = (slice(0, 1), slice(1, 4))
    strips = [None if mask is None else mask[:, :, row] for row in rows]
    shares = [
        torch.tensor((row.stop - row.start) / 4) if mask is None else mask[:, :, row].sum() / mask.sum()
        for row in rows
    ]
    parts = [statistic.summary(whole[:, :, row], strip) for row, strip in zip(rows, strips, strict=True)]
    for found, wanted in zip(statistic.joined(parts, shares), statistic.summary(whole, mask), strict=True):
        torch.testing.assert_close(found, wanted)
