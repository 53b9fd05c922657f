"""A processor's own ways of a network's steps: the same values as PyTorch's operations give."""

import pytest
import torch

from rtstyle.engines import planes
from rtstyle.engines.eager import Eager
from rtstyle.networks import build
from rtstyle.networks.blocks import Downward, Outward, ReflectConv, Upward

SMALL = {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}


@pytest.mark.parametrize("band", [1, 30, 64, 100_000], ids="in bands of {} pixels".format)
@pytest.mark.parametrize(("height", "width"), [(16, 24), (50, 18), (4, 4)])
def test_downward_in_bands_is_that_of_the_whole_to_the_bit(
    band: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_BAND", band)
    images = torch.rand(2, 3, height, width)
    for own, plain in zip(planes.downward(images), Downward()(images), strict=True):
        assert torch.equal(own, plain)
        assert own.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [1, 3, 5], ids="a convolution of {}".format)
@pytest.mark.parametrize("others", [None, 4], ids="beside {}".format)
@pytest.mark.parametrize(("height", "width"), [(6, 9), (2, 2), (2, 7)])
def test_upward_is_bilinear_joined_and_reflected(
    height: int, width: int, others: int | None, size: int
) -> None:
    conv, features = ReflectConv(5, 1, size), torch.rand(2, 5, height, width)
    beside = None if others is None else torch.rand(2, others, 2 * height, 2 * width)
    own = planes.upward(features, beside, conv.padding)
    assert torch.allclose(own, Upward()(features, conv, beside), atol=1e-6)
    assert own.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("band", [1, 30, 64, 100_000], ids="in bands of {} pixels".format)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (25, 9), (2, 2)])
def test_outward_is_shuffled_and_smoothed_and_has_the_pictures_colours(
    height: int, width: int, layout: torch.memory_format, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_BAND", band)
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 3, 1, bias=False)
    features, images = torch.rand(2, 12, height, width), torch.rand(2, 3, 2 * height, 2 * width)
    with torch.no_grad():
        own = planes.outward(features, images, conv.weight.to(memory_format=layout))
        assert torch.allclose(own, Outward()(features, images, conv), atol=1e-6)


def test_they_are_the_processors_engines_and_leave_the_network_as_it_was() -> None:
    network = build("swift", SMALL)
    inner = Eager(network, torch.device("cpu")).network
    ways = {Downward: planes.downward, Upward: planes.upward, Outward: planes.outward}
    for kind, way in ways.items():
        assert [each.kernel for each in inner.modules() if isinstance(each, kind)] == [way]
        assert [each.kernel for each in network.modules() if isinstance(each, kind)] == [None]
