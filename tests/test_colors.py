"""Colours moved between pictures: moments, ranks and luma by number."""

import pytest
import torch
from torch import Tensor

from rtstyle.perception.colors import luma, match_covariance, match_histogram, with_colors_of


def picture(seed: int, height: int = 24, width: int = 30) -> Tensor:
    """Correlated colours (3, H, W) around the middle of the range, far from both ends."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(3, 3, generator=generator)
    return 0.5 + 0.05 * torch.tensordot(mix, torch.rand(3, height, width, generator=generator) - 0.5, 1)


def moments(image: Tensor) -> tuple[Tensor, Tensor]:
    rows = image.flatten(1).double()
    return rows.mean(1), torch.cov(rows, correction=0)


def test_luma_by_hand() -> None:
    image = torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)
    torch.testing.assert_close(luma(image), torch.tensor([[[0.2126 + 0.3576 + 0.01805]]]))


def test_match_covariance_gives_the_photos_moments() -> None:
    painting, photo = picture(0), picture(1, 10, 50)
    found = match_covariance(painting, photo)
    assert found.shape == painting.shape
    for moved, wanted in zip(moments(found), moments(photo), strict=True):
        torch.testing.assert_close(moved, wanted, rtol=1e-3, atol=1e-6)


def test_match_covariance_of_independent_channels_scales_each() -> None:
    steps = torch.tensor([[-1.0, -1, 1, 1], [-1, 1, -1, 1], [1, -1, -1, 1]])[:, None]
    deviation = torch.tensor([0.1, 0.2, 0.05]).view(3, 1, 1)
    wanted = torch.tensor([0.05, 0.1, 0.2]).view(3, 1, 1)
    found = match_covariance(0.3 + steps * deviation, 0.6 + steps * wanted)
    torch.testing.assert_close(found, 0.6 + steps * wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("match", [match_covariance, match_histogram])
def test_a_picture_matched_to_itself_stays(match) -> None:
    torch.testing.assert_close(match(picture(0), picture(0)), picture(0), rtol=0, atol=1e-4)


@pytest.mark.parametrize("match", [match_covariance, match_histogram])
def test_a_gray_painting_and_a_gray_photo_give_finite_colours_in_range(match) -> None:
    gray = torch.linspace(0, 1, 600).view(1, 20, 30).expand(3, 20, 30)
    for painting, photo in ((gray, picture(0)), (picture(0), gray), (torch.zeros(3, 4, 4), picture(0))):
        found = match(painting, photo)
        assert found.isfinite().all() and found.min() >= 0 and found.max() <= 1
    assert (match(picture(0), gray).amax(0) - match(picture(0), gray).amin(0)).max() < 1e-3


def test_match_histogram_gives_the_photos_distribution_along_its_axes() -> None:
    painting, photo = picture(0) ** 2, picture(1)
    found = match_histogram(painting, photo)
    axes = torch.linalg.eigh(torch.cov(photo.flatten(1).double()))[1]
    moved, wanted = (axes.T @ image.flatten(1).double() for image in (found, photo))
    torch.testing.assert_close(moved.sort(1).values, wanted.sort(1).values, rtol=0, atol=5e-4)


def test_match_histogram_stretches_to_a_photo_of_another_size() -> None:
    """One painting pixel stands for two photo pixels: between its lower and its upper one."""
    ramp = torch.linspace(0.2, 0.4, 100).view(1, 10, 10).expand(3, 10, 10)
    longer = torch.linspace(0.3, 0.9, 200).view(1, 10, 20).expand(3, 10, 20) ** 2
    pairs = longer[0].flatten().view(100, 2).mean(1)
    torch.testing.assert_close(match_histogram(ramp, longer)[0].flatten(), pairs, rtol=0, atol=1e-4)


def test_match_histogram_keeps_a_flat_area_flat() -> None:
    painting, photo = picture(0), picture(1)
    painting[:, 5:15, 5:25] = 0.5
    flat = match_histogram(painting, photo)[:, 5:15, 5:25]
    assert (flat.amax((1, 2)) - flat.amin((1, 2))).max() < 1e-6


def test_with_colors_of_keeps_luma_exactly_and_chroma_where_it_fits() -> None:
    result, photo = torch.rand(3, 20, 20) ** 2, 0.5 + 5 * (picture(0, 20, 20) - 0.5)
    found = with_colors_of(result, photo)
    torch.testing.assert_close(luma(found), luma(result), rtol=0, atol=1e-6)
    chroma = photo - luma(photo)
    fits = ((luma(result) + chroma >= 0) & (luma(result) + chroma <= 1)).all(0)
    assert 0.5 < fits.float().mean() < 1
    torch.testing.assert_close((found - luma(found))[:, fits], chroma[:, fits], rtol=0, atol=1e-6)


def test_with_colors_of_pales_a_colour_that_does_not_fit() -> None:
    blue = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)  # luma 0.0722
    found = with_colors_of(torch.full((3, 1, 1), 0.9), blue).flatten()
    # room for blue: 0.1 of the 0.9278 it stands above its luma
    expected = 0.9 + torch.tensor([-0.0722, -0.0722, 0.9278]) * (0.1 / 0.9278)
    torch.testing.assert_close(found, expected)


def test_with_colors_of_fits_a_photo_of_another_size() -> None:
    photo = torch.tensor([0.6, 0.5, 0.4]).view(3, 1, 1).expand(3, 9, 7)
    found = with_colors_of(torch.full((3, 4, 5), 0.5), photo)
    torch.testing.assert_close(found, with_colors_of(torch.full((3, 4, 5), 0.5), photo[:, :4, :5]))
