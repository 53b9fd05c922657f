"""Regions found in drawn masks, clean and as files spoil them."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from rtstyle.errors import RtstyleError
from rtstyle.perception.masks import at_layer, find_regions, inner

RED, GREEN, BLUE, PURPLE = (220, 30, 30), (30, 200, 60), (20, 30, 200), (120, 30, 115)


def stripes(*colors: tuple[int, int, int], height: int = 80, each: int = 40) -> Tensor:
    """Upright stripes of flat colour, uint8 (3, H, W)."""
    return torch.tensor(colors, dtype=torch.uint8).T[:, None].repeat_interleave(each, 2).repeat(1, height, 1)


def grays(*levels: int) -> Tensor:
    return stripes(*((level,) * 3 for level in levels))


def as_jpeg(picture: Tensor, quality: int = 60) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


def shrunk(picture: Tensor) -> Tensor:
    """Enlarged threefold with smooth edges, as a drawing program exports."""
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    image = image.resize((3 * image.width, 3 * image.height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_flat_colours_are_regions_from_dark_to_light() -> None:
    masks = find_regions(stripes(GREEN, BLUE, RED), (80, 120), softness=0)
    expected = torch.zeros(3, 1, 80, 120)
    expected[0, :, :, 40:80] = expected[1, :, :, 80:] = expected[2, :, :, :40] = 1  # blue, red, green
    torch.testing.assert_close(masks, expected)


@pytest.mark.parametrize("spoil", [as_jpeg, shrunk, lambda picture: as_jpeg(shrunk(picture))])
@pytest.mark.parametrize("colors", [(RED, BLUE), (RED, BLUE, PURPLE), (GREEN, RED, BLUE, PURPLE)])
def test_dirty_colours_and_smooth_edges_make_no_regions(spoil, colors) -> None:
    clean = find_regions(stripes(*colors), (80, 40 * len(colors)), softness=0)
    dirty = find_regions(spoil(stripes(*colors)), (80, 40 * len(colors)), softness=0)
    assert dirty.shape == clean.shape
    assert (dirty - clean).abs().mean() < 0.01


@pytest.mark.parametrize("softness", [0.0, 2.0, 30.0])
def test_masks_sum_to_one_everywhere(softness: float) -> None:
    for size in ((80, 120), (40, 60), (200, 300)):
        masks = find_regions(as_jpeg(stripes(RED, GREEN, BLUE)), size, softness)
        assert masks.shape == (3, 1, *size) and masks.min() >= 0
        torch.testing.assert_close(masks.sum(0), torch.ones(1, *size))


def test_edges_are_soft_by_the_deviation_asked_for() -> None:
    edge = find_regions(grays(0, 255), (80, 80), softness=3.0)[1, 0, 40]
    # A blurred step rises by the Gaussian itself; between pixels 39 and 40 lies its middle.
    rise, place = edge.diff(), torch.arange(79) - 39.0
    torch.testing.assert_close((rise * place).sum(), torch.tensor(0.0), rtol=0, atol=0.02)
    torch.testing.assert_close((rise * place**2).sum().sqrt(), torch.tensor(3.0), rtol=0.03, atol=0)


def test_a_gray_ramp_is_a_soft_background_and_foreground() -> None:
    ramp = torch.linspace(0, 255, 120).round().byte().expand(3, 80, 120)
    for picture in (ramp, as_jpeg(ramp, 90)):
        background, foreground = find_regions(picture, (80, 120))
        torch.testing.assert_close(
            foreground[0], torch.linspace(0, 1, 120).expand(80, 120), rtol=0, atol=0.02
        )
        torch.testing.assert_close(background + foreground, torch.ones(1, 80, 120))


def test_a_feathered_white_foreground_keeps_its_feather() -> None:
    place = (torch.arange(120) - 30).clamp(0, 60) / 60
    picture = (255 * place).round().byte().expand(3, 80, 120)
    found = find_regions(picture, (80, 120))
    torch.testing.assert_close(found[1, 0], place.expand(80, 120), rtol=0, atol=0.01)


def test_gray_levels_are_regions_too() -> None:
    for picture in (grays(255, 0, 128), as_jpeg(shrunk(grays(255, 0, 128)))):
        masks = find_regions(picture, (80, 120), softness=0)
        assert masks.shape[0] == 3
        assert masks[:, 0, 40, [60, 100, 20]].diag().min() > 0.99  # dark, middle, light


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (stripes(RED), "one colour only"),
        (stripes(*((r, g, 0) for r in (0, 128, 255) for g in (0, 128, 255)), each=10), "9 flat colours"),
    ],
)
def test_too_few_and_too_many_colours(picture: Tensor, complaint: str) -> None:
    size = (picture.shape[1], picture.shape[2])
    with pytest.raises(RtstyleError, match=f"sky.png has {complaint}") as caught:
        find_regions(picture, size, name="sky.png")
    assert "\n" not in str(caught.value)


def test_a_colourful_gradient_is_no_mask() -> None:
    across = torch.linspace(0, 255, 120).round().byte().expand(80, 120)
    down = torch.linspace(0, 255, 80).round().byte()[:, None].expand(80, 120)
    with pytest.raises(RtstyleError, match="is it a photo"):
        find_regions(torch.stack([across, down, 255 - across]), (80, 120))


def test_a_gray_photo_with_one_colour_in_it_is_no_soft_mask() -> None:
    picture = torch.linspace(0, 255, 120).round().byte().repeat(3, 80, 1)
    picture[:, 20:60, 20:60] = torch.tensor(RED, dtype=torch.uint8).view(3, 1, 1)
    with pytest.raises(RtstyleError, match="is it a photo"):
        find_regions(picture, (80, 120))


def test_a_real_photo_is_no_mask(assets) -> None:
    from rtstyle.media.image_file import read_image
    from rtstyle.media.image_formats import find_images

    for path in find_images(assets / "styles")[:6]:
        image = read_image(path).image
        with pytest.raises(RtstyleError, match="is it a photo"):
            find_regions(image, (image.shape[1], image.shape[2]))


def test_a_mask_of_another_shape_is_refused() -> None:
    complaint = (
        "the mask is 120x80, of another shape than the picture, 80x120; any size of that shape will do"
    )
    with pytest.raises(RtstyleError, match=re.escape(complaint)):
        find_regions(stripes(RED, GREEN, BLUE), (120, 80))


def test_a_layer_sees_the_mean_of_each_area() -> None:
    mask = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0]])[None, None]
    torch.testing.assert_close(at_layer(mask, (1, 2)), torch.tensor([[[[0.75, 0.0]]]]))
    torch.testing.assert_close(
        at_layer(torch.full((2, 1, 45, 61), 0.5), (11, 15)), torch.full((2, 1, 11, 15), 0.5)
    )


def test_inner_moves_edges_but_not_the_border_of_the_picture() -> None:
    mask = (torch.arange(20) < 10).float().expand(1, 1, 12, 20)
    expected = (torch.arange(20) < 7).float().expand(1, 1, 12, 20)
    torch.testing.assert_close(inner(torch.cat([mask, 1 - mask]), 3)[:1], expected)


def test_inner_leaves_something_of_a_small_region() -> None:
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 8:13, 8:13] = 1
    expected = torch.zeros(1, 1, 20, 20)
    expected[..., 9:12, 9:12] = 1  # a radius of 2 would leave 1 of 25
    torch.testing.assert_close(inner(mask, 6), expected)


def test_inner_keeps_what_lies_beyond_an_edge_out(assets) -> None:
    """A disc's statistic in VGG, inside two different surroundings against inside its own picture."""
    from rtstyle.media.image_file import read_image
    from rtstyle.perception.backbones import load_backbone
    from rtstyle.perception.statistics import STATISTICS

    def painting(name: str) -> Tensor:
        return read_image(assets / "styles" / name).image[None, :, :192, :192] / 255

    layer, file = "relu3_1", assets / "weights" / "vgg19_caffe_conv1_1_to_conv3_4_fp32.safetensors"
    backbone = load_backbone("vgg19", [layer], file)
    place = torch.arange(192) - 96
    disc = (place[:, None] ** 2 + place**2 < 40**2).float()[None, None]
    own, other = painting("starry_night.jpg"), painting("mondrian_tableau2.jpg")
    alone, among = backbone(own)[layer], backbone(torch.lerp(other, own, disc))[layer]
    mask = at_layer(disc, (alone.shape[2], alone.shape[3]))
    for statistic in STATISTICS.values():
        target = statistic.measure(alone, mask)
        assert statistic.error(among, target, inner(mask)) < 0.5 * statistic.error(among, target, mask)
