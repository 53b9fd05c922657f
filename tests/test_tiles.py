"""Pictures too large for memory: tiles without seams, with the whole picture's own statistics."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rtstyle.engines import eager, load_engine
from rtstyle.engines.tiles import in_tiles
from rtstyle.networks import Network, build
from rtstyle.networks.blocks import InstanceNorm

SHAPES = {
    "swift": ("swift", {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}),
    "deep swift": ("swift", {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 2, "eighth_blocks": 2}),
    "johnson": ("johnson", {"width": 4}),
}


@pytest.fixture(params=SHAPES)
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    name, config = SHAPES[request.param]
    return build(name, config).eval()


def scene(height: int, width: int) -> Tensor:
    """Bytes (3, H, W): coarse noise, lighter and calmer towards one corner: no tile is like another."""
    torch.manual_seed(1)
    noise = torch.nn.functional.interpolate(torch.rand(1, 3, height // 4, width // 4), (height, width))[0]
    slope = torch.linspace(0, 1, width) * torch.linspace(0.3, 1, height)[:, None]
    return (noise * (1 - 0.8 * slope) * 120 + slope * 135).to(torch.uint8)


def runs(network: Network) -> Callable[[Tensor], Tensor]:
    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return (network(images.float() / 255) * 255 + 0.5).clamp(0, 255).to(torch.uint8)

    return run


def decibels(found: Tensor, expected: Tensor) -> float:
    error = (found.float() - expected.float()).square().mean()
    return float(10 * torch.log10(255**2 / error.clamp(min=1e-9)))


def test_reach_is_what_a_pixel_depends_on(network: Network) -> None:
    for part in network.modules():
        if isinstance(part, InstanceNorm):
            part.kernel = lambda features, *_: features  # no statistics: they reach everywhere
        elif isinstance(part, torch.nn.Conv2d):
            part.weight.data.abs_().add_(0.01)  # nothing cancels, no ReLU closes
    distance = 0
    for place in range(160, 168):  # wherever a pixel lies in the coarsest cell
        image = torch.rand(1, 3, 328, 328, requires_grad=True)
        (gradient,) = torch.autograd.grad(network(image)[0, :, place, place].sum(), image)
        touched = gradient[0].abs().sum(0).nonzero() - place
        distance = max(distance, int(touched.abs().max()))
    assert distance == network.reach


def test_tiles_meet_without_a_seam(network: Network) -> None:
    image = scene(236, 370)
    run, kept = runs(network), []

    def once(images: Tensor) -> Tensor:
        kept.append(images.shape)
        return run(images)

    tiles = in_tiles(network, image, once, 250.0 * network.bytes_per_pixel)  # the least that works
    crops, *rest = kept
    assert len(rest) >= 6 and crops[0] == 1
    # One crop is all of this small picture, so that nothing is estimated: any difference is a seam.
    assert crops[2:] == image.shape[1:]
    assert (tiles.int() - run(image[None])[0].int()).abs().max() <= 1


def test_statistics_come_from_all_over_the_picture(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstyle.engines.tiles._CROP", 96)
    image = scene(480, 640)
    whole = runs(network)(image[None])[0]
    tiles = in_tiles(network, image, runs(network), 160_000.0 * network.bytes_per_pixel)
    alone = torch.cat([runs(network)(image[None, :, :, x : x + 160])[0] for x in range(0, 640, 160)], dim=2)
    assert decibels(tiles, whole) > 30
    assert decibels(tiles, whole) > decibels(alone, whole) + 6


@pytest.mark.parametrize("height, width", [(4000, 20), (20, 4000), (2000, 60), (700, 700)])
def test_no_more_is_looked_at_than_there_is_room_for(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.engines.tiles._CROP", 64)
    network = build(*SHAPES["swift"]).eval()
    sizes = []

    def run(images: Tensor) -> Tensor:
        sizes.append(images[:, 0].numel())
        return images

    image = scene(height, width)
    assert torch.equal(in_tiles(network, image, run, 100_000 * network.bytes_per_pixel), image)
    assert len(sizes) > 1 and max(sizes) <= 100_000


def test_an_engine_copied_meanwhile_looks_for_itself(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load_engine(network, "eager", "cpu")
    small = scene(64, 96)
    expected, copies = engine(small), []
    monkeypatch.setattr(eager, "LARGEST", 59_000 * network.bytes_per_pixel)
    forward = engine.network.forward  # type: ignore[attr-defined]

    def copying(images: Tensor) -> Tensor:
        copies.append(engine.copy())
        return forward(images)

    monkeypatch.setattr(engine.network, "forward", copying)  # type: ignore[attr-defined]
    engine(scene(300, 200))
    monkeypatch.undo()
    for copy in copies[1:]:
        del copy.network.forward  # type: ignore[attr-defined]
        assert torch.equal(copy(small), expected)


def test_the_norms_are_left_as_they_were(network: Network) -> None:
    def broken(images: Tensor) -> Tensor:
        raise MemoryError

    with pytest.raises(MemoryError):
        in_tiles(network, scene(64, 64), broken, 1e9)
    assert all(part.kernel is None for part in network.modules() if isinstance(part, InstanceNorm))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_the_engine_takes_tiles_where_a_picture_is_too_large(
    network: Network, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = scene(300, 200)
    image = image if dtype == torch.uint8 else (image.int() * 257).to(dtype)
    engine = load_engine(network, "eager", "cpu")
    whole = engine(image)
    sizes: list[int] = []
    forward = engine.network.forward  # type: ignore[attr-defined]
    monkeypatch.setattr(
        engine.network,  # type: ignore[attr-defined]
        "forward",
        lambda images: (sizes.append(images.shape[2] * images.shape[3]), forward(images))[1],
    )
    monkeypatch.setattr(eager, "LARGEST", 59_000 * network.bytes_per_pixel)
    tiled = engine(image)
    assert len(sizes) > 2
    assert (tiled.shape, tiled.dtype) == (image.shape, dtype)
    peak = 255 if dtype == torch.uint8 else 65535
    assert (tiled.int() - whole.int()).abs().max() <= 0.01 * peak
