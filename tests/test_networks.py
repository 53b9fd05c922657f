"""Networks: any size back, memory layout without effect, names that load, one line for a wrong number."""

import pytest
import torch
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.networks import NETWORKS, Network, build
from rtstyle.networks.blocks import InstanceNorm, icnr_

SMALL = {
    "johnson": {"width": 4},
    "swift": {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1},
}


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    return build(request.param, SMALL[request.param]).eval()


@pytest.mark.parametrize("size", [(16, 16), (16, 17), (17, 16), (17, 33), (31, 64), (40, 23)])
def test_any_size_comes_back(network: Network, size: tuple[int, int]) -> None:
    with torch.no_grad():
        out = network(torch.rand(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()


def test_padding_is_a_reflection_cropped_away(network: Network) -> None:
    image = torch.rand(1, 3, 21, 30)
    side = network.multiple_of
    bottom, right = -21 % side, -30 % side
    by_hand = torch.cat([image, image[:, :, 20 - bottom : 20].flip(2)], 2)
    by_hand = torch.cat([by_hand, by_hand[..., 29 - right : 29].flip(3)], 3)
    with torch.no_grad():
        expected = network.restyle(by_hand)[..., :21, :30]
        torch.testing.assert_close(network(image), expected)


def test_each_picture_of_a_batch_is_alone(network: Network) -> None:
    images = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        together = network(images)
        torch.testing.assert_close(together[1:], network(images[1:]), atol=1e-4, rtol=1e-3)


def test_channels_last_changes_nothing(network: Network) -> None:
    # In double precision: norms over a few coarse pixels enlarge the rounding of sums in another order.
    network.double()
    image = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        plain = network(image)
        network.to(memory_format=torch.channels_last)
        laid_out = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, laid_out, atol=1e-5, rtol=1e-4)


def test_saved_and_rebuilt_from_its_config(network: Network) -> None:
    twin = build(network.name, network.config)
    twin.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 19, 20)
    with torch.no_grad():
        assert torch.equal(twin(image), network(image))


def test_config_fills_in_defaults() -> None:
    assert build("johnson", {}).config == {"width": 32}


def test_johnson_names_and_shapes_are_the_familys() -> None:
    shapes = {key: tuple(value.shape) for key, value in build("johnson", {}).state_dict().items()}
    expected: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, inside: int, size: int) -> None:
        expected[f"{name}.conv2d.weight"], expected[f"{name}.conv2d.bias"] = (out, inside, size, size), (out,)

    def norm(name: str, channels: int) -> None:
        expected[f"{name}.weight"] = expected[f"{name}.bias"] = (channels,)

    conv("conv1", 32, 3, 9), conv("conv2", 64, 32, 3), conv("conv3", 128, 64, 3)
    conv("deconv1", 64, 128, 3), conv("deconv2", 32, 64, 3), conv("deconv3", 3, 32, 9)
    for index, channels in enumerate((32, 64, 128, 64, 32), start=1):
        norm(f"in{index}", channels)
    for block in range(1, 6):
        for index in (1, 2):
            conv(f"res{block}.conv{index}", 128, 128, 3)
            norm(f"res{block}.in{index}", 128)
    assert shapes == expected


def test_swift_is_small() -> None:
    assert sum(p.numel() for p in build("swift", {}).parameters()) < 500_000


def test_instance_norm_by_hand() -> None:
    norm = InstanceNorm(3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    features = torch.randn(2, 3, 5, 7)
    mean = features.mean((2, 3), keepdim=True)
    deviation = (features.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    expected = (features - mean) / deviation * norm.weight.view(3, 1, 1) + norm.bias.view(3, 1, 1)
    torch.testing.assert_close(norm(features), expected, atol=1e-5, rtol=1e-4)


def test_icnr_shuffle_starts_as_nearest_enlargement() -> None:
    conv = torch.nn.Conv2d(5, 12, 3, bias=False)
    icnr_(conv.weight, 2)
    small = conv(torch.rand(1, 5, 8, 8))
    torch.testing.assert_close(F.pixel_shuffle(small, 2), F.interpolate(small[:, ::4], scale_factor=2.0))


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("johnsen", {}, "no network named 'johnsen'; there are: johnson, swift"),
        ("johnson", {"widht": 32}, "network johnson has no number 'widht'; it has: width"),
        ("johnson", {"width": 0}, "network johnson: width is 0; allowed are whole numbers from 1 to 1024"),
        ("johnson", {"width": "32"}, "width is '32'"),
        ("swift", {"half": True}, "half is True"),
        ("swift", {"eighth_blocks": 10**9}, "eighth_blocks is 1000000000"),
    ],
)
def test_wrong_numbers_are_one_clear_line(name: str, config: dict, says: str) -> None:
    with pytest.raises(RtstyleError) as caught:
        build(name, config)
    assert says in str(caught.value) and "\n" not in str(caught.value)
