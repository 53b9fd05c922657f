"""A processor's own ways of a network's steps: the same values as PyTorch's operations give."""

import pytest
import torch

from rtstyle.engines import planes
from rtstyle.engines.eager import Eager
from rtstyle.networks import build
from rtstyle.networks.blocks import Enlarge, Halves, Recolor

SMALL = {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}


@pytest.mark.parametrize("band", [1, 30, 64, 100_000], ids="in a band of {} pixels".format)
@pytest.mark.parametrize(("height", "width"), [(16, 24), (50, 18), (4, 4)])
def test_halves_in_bands_are_those_of_the_whole_to_the_bit(
    band: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "_BAND", band)
    images = torch.rand(2, 3, height, width)
    for own, plain in zip(planes.halves(images), Halves()(images), strict=True):
        assert torch.equal(own, plain)
        assert own.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("height", "width"), [(6, 9), (1, 1), (2, 1), (1, 3)])
def test_enlarged_is_bilinear(height: int, width: int) -> None:
    features = torch.rand(2, 5, height, width)
    own = planes.enlarge(features)
    assert torch.allclose(own, Enlarge()(features), atol=1e-6)
    assert own.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_recoloured_is_a_convolution_of_size_1(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    plain = Recolor(3)
    images = torch.rand(2, 3, 7, 5)
    weight = plain.weight.detach().to(memory_format=layout)
    with torch.no_grad():
        assert torch.allclose(planes.recolor(images, weight), plain(images), atol=1e-6)


def test_they_are_the_processors_engines_and_leave_the_network_as_it_was() -> None:
    network = build("swift", SMALL)
    inner = Eager(network, torch.device("cpu")).network
    ways = {Halves: planes.halves, Enlarge: planes.enlarge, Recolor: planes.recolor}
    for kind, way in ways.items():
        assert [each.kernel for each in inner.modules() if isinstance(each, kind)] == [way]
        assert [each.kernel for each in network.modules() if isinstance(each, kind)] == [None]
