"""DeepDream by formula where there is one: kernels, shifts, gradients, tiles; and that activations rise."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from rtstyle.errors import RtstyleError
from rtstyle.media.drawing.scene import Scene
from rtstyle.perception.backbones import Backbone, Joined, load_backbone
from rtstyle.stylizers import activations, deepdream
from rtstyle.stylizers.activations import Activations, Target, _tiles
from rtstyle.stylizers.carried import Steady
from rtstyle.stylizers.deepdream import DeepDream, Step
from rtstyle.stylizers.dream_layers import load_dreaming, parse_targets
from rtstyle.stylizers.dream_memory import PICTURES, estimate
from rtstyle.stylizers.gatys_memory import kept_bytes
from rtstyle.stylizers.panorama import around, extended, steadied_at_poles
from rtstyle.stylizers.smoothing import gaussian, smoothed
from tests.test_backbones import PREFIX, vgg_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG16 as far as relu3_2, with few channels and random weights."""
    file = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    save_file(vgg_weights(PREFIX), file)
    return file


@pytest.fixture(scope="module")
def backbone(weights: Path) -> Backbone:
    return load_backbone("vgg16", ["relu2_1", "relu3_1"], weights)


def photo(width: int = 96, height: int = 64) -> Tensor:
    return torch.from_numpy(Scene(width, height, seed=3).draw(0)) / 255


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("deviation", [0.25, 0.7, 1.3, 4.0])
def test_kernels_sum_to_one(deviation: float) -> None:
    kernel = gaussian(deviation)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(kernel, kernel.flip(0))
    assert len(kernel) % 2 == 1
    middle = len(kernel) // 2
    # The ratio of neighbours, from the formula of the Gaussian.
    assert (kernel[middle + 1] / kernel[middle]).item() == pytest.approx(
        float(torch.exp(torch.tensor(-0.5 / deviation**2))), rel=1e-4
    )


def test_smoothing_keeps_the_mean_and_has_the_variance_of_three_gaussians() -> None:
    point = torch.zeros(3, 81, 81)
    point[:, 40, 40] = 1
    spread = smoothed(point, 2.0)
    assert spread.sum((1, 2)) == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    steps = torch.arange(-40.0, 41.0)
    variance = (spread[0].sum(0) * steps.square()).sum()
    # Deviations 1, 2 and 4: (1 + 4 + 16) / 3; the kernels end at three deviations.
    assert variance.item() == pytest.approx(7, rel=0.04)
    flat = torch.full((3, 5, 4), 0.7)
    torch.testing.assert_close(smoothed(flat, 3.0), flat)


def test_smoothing_wraps_left_to_right_alone() -> None:
    point = torch.zeros(3, 31, 40)
    point[:, 0, 0] = 1
    assert smoothed(point, 2.0, wrap=True)[0, 0, -1] == pytest.approx(
        smoothed(point, 2.0, wrap=True)[0, 0, 1].item()
    )
    assert smoothed(point, 2.0)[0, :, -1].sum() == 0
    assert smoothed(point, 2.0, wrap=True)[0, -1].sum() == 0


def test_the_gradient_is_that_of_the_mean_square(backbone: Backbone) -> None:
    image = photo(24, 20)
    value, gradient = Activations(backbone, [Target("relu2_1", 2)]).rise(image)
    picture = image[None].clone().requires_grad_()
    expected = backbone(picture)["relu2_1"][:, 2].square().mean()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-5)
    assert picture.grad is not None
    torch.testing.assert_close(gradient * value, picture.grad[0], msg="that of its logarithm")


def test_layers_are_balanced_by_their_weights(backbone: Backbone) -> None:
    image = photo(24, 20)
    targets = [Target("relu2_1", weight=3), Target("relu3_1")]
    _, gradient = Activations(backbone, targets).rise(image)
    picture = image[None].clone().requires_grad_()
    found = backbone(picture)
    total = 3 * found["relu2_1"].square().mean().log() + found["relu3_1"].square().mean().log()
    total.backward()
    assert picture.grad is not None
    torch.testing.assert_close(gradient, picture.grad[0])


def test_a_guide_is_met_where_it_is_most_alike(backbone: Backbone) -> None:
    image, guide = photo(24, 20), photo(16, 16).flip(2)
    value, _ = Activations(backbone, [Target("relu2_1")], guide).rise(image)
    places = backbone(image[None])["relu2_1"][0].flatten(1)
    others = backbone(guide[None])["relu2_1"][0].flatten(1)
    assert value == pytest.approx((places.T @ others).amax(1).sum().item() / places.numel(), rel=1e-5)


@pytest.mark.parametrize("targets", [("relu3_1",), ("relu2_1", "relu3_1")])
def test_tiles_see_what_the_whole_sees(
    backbone: Backbone, targets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "HALO", 32)  # relu3_1 sees no further
    image = photo(352, 300)
    chosen = [Target(layer) for layer in targets]
    value, gradient = Activations(backbone, chosen).rise(image)
    tiled_value, tiled = Activations(backbone, chosen, tile=96).rise(image)
    assert tiled_value == pytest.approx(value, rel=1e-4)
    torch.testing.assert_close(tiled / tiled.std(), gradient / gradient.std(), rtol=0, atol=1e-3)


def test_tiles_are_a_partition() -> None:
    owned = torch.zeros(300, 352)
    for (rows, columns), (own_rows, own_columns) in _tiles((300, 352), 96):
        owned[own_rows, own_columns] += 1
        assert rows.start % 32 == columns.start % 32 == 0
        assert rows.start <= own_rows.start < own_rows.stop <= rows.stop
        assert columns.start <= own_columns.start < own_columns.stop <= columns.stop
    assert torch.equal(owned, torch.ones(300, 352))


class Still:
    """Activations whose way up is the picture it is shown: a shift that was not undone would show."""

    smallest = 1

    def rise(self, image: Tensor) -> tuple[float, Tensor]:
        return 0.0, image


@pytest.mark.parametrize("panorama", [False, True])
def test_shifts_are_undone_exactly(panorama: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    back: list[Tensor] = []
    monkeypatch.setattr(
        deepdream, "smoothed", lambda gradient, *_, **__: back.append(gradient.clone()) or gradient
    )
    monkeypatch.setattr(deepdream, "steadied_at_poles", lambda gradient: gradient)
    image = photo()
    dream = DeepDream(Still(), panorama=panorama)  # type: ignore[arg-type]
    for seed in range(5):
        dream._change(image, 1.0, seeded(seed))
        assert torch.equal(back[-1][:, 4:-4, 4:-4], image[:, 4:-4, 4:-4])


def test_activations_rise_at_every_octave(backbone: Backbone) -> None:
    heard: list[Step] = []
    dream = DeepDream(Activations(backbone, [Target("relu3_1")]), steps=6, octaves=3)
    made = dream(photo(), seeded(), listener=heard.append)
    assert made.shape == (3, 64, 96)
    assert made.min() >= 0
    assert made.max() <= 1
    assert [(step.octave, step.number) for step in heard] == [(o, n) for o in range(3) for n in range(1, 7)]
    assert heard[0].size == (20, 30)
    for octave in range(3):
        first, *_, last = (step.activation for step in heard if step.octave == octave)
        assert last > 1.2 * first


class OneWay:
    """Always the same gradient: what shallow layers are like."""

    smallest = 1

    def rise(self, image: Tensor) -> tuple[float, Tensor]:
        blocks = torch.ones_like(image)
        blocks[:, : image.shape[1] // 2] = 3  # a mean of 2 is taken out
        return 0.0, blocks


@pytest.mark.parametrize("masked", [False, True])
def test_steps_all_one_way_are_held_to_the_length_of_a_walk(masked: bool) -> None:
    image = torch.full((3, 40, 60), 0.5)
    mask = torch.zeros(1, 40, 60)
    mask[:, :, 30:] = 1
    dream = DeepDream(OneWay(), steps=8, octaves=2, rate=0.01)  # type: ignore[arg-type]
    added = dream(image, seeded(), mask=mask if masked else None) - image
    part = added[:, :, 30:] if masked else added
    torch.testing.assert_close(
        part.square().mean().sqrt(), torch.tensor(1.1 * 0.01 * 16**0.5), rtol=0.05, atol=0
    )
    assert not masked or added[:, :, :28].abs().max() < 1e-6


def test_a_tile_takes_less_memory() -> None:
    whole, tiled = (estimate(3000.0, (3000, 4000), tile) for tile in (None, 512))
    assert whole == pytest.approx(3000 * 12e6 + PICTURES * 12 * 12e6)
    assert tiled == pytest.approx(3000 * (768 + 384) ** 2 + PICTURES * 12 * 12e6)


class Picky(Backbone):
    """Sees nothing in less than 100 pixels."""

    layers = ("all",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 1, 1))

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        return {"all": functional.avg_pool2d(image * self.weight, 100)}


def test_memory_is_foreseen_also_of_networks_that_need_large_pictures() -> None:
    for network in (Picky(), Joined(one=Picky())):
        assert network.smallest == 100
        # A picture of three floats for the weight's gradient, one for the pool's.
        assert 12 <= kept_bytes(network) <= 36


def test_the_seed_is_the_dream(backbone: Backbone) -> None:
    dream = DeepDream(Activations(backbone, [Target("relu2_1")]), steps=2, octaves=2)
    assert torch.equal(dream(photo(), seeded(4)), dream(photo(), seeded(4)))
    assert not torch.equal(dream(photo(), seeded(4)), dream(photo(), seeded(5)))


def test_the_photo_stays_where_the_mask_is_black(backbone: Backbone) -> None:
    mask = torch.zeros(1, 64, 96)
    mask[:, :, 48:] = 1
    dream = DeepDream(Activations(backbone, [Target("relu2_1")]), steps=2, octaves=2)
    made = dream(photo(), seeded(), mask=mask)
    assert (made - photo())[:, :, :40].abs().max() < 1e-6
    assert (made - photo())[:, :, 56:].abs().mean() > 0.01


def test_what_is_held_pulls_back(backbone: Backbone) -> None:
    dream = DeepDream(Activations(backbone, [Target("relu2_1")]), steps=4, octaves=2)
    weight = torch.zeros(1, 64, 96)
    weight[:, :, 48:] = 1
    made = (dream(photo(), seeded(), held=Steady(photo(), weight)) - photo()).abs()
    assert made[:, :, 56:].mean() < 0.6 * made[:, :, :40].mean()


def test_beyond_the_edges_of_a_panorama() -> None:
    image = torch.arange(24.0).view(1, 4, 6)
    wide = extended(image, 2)
    assert wide.shape == (1, 8, 10)
    assert torch.equal(wide[:, 2:6, 2:8], image)
    assert wide[0, 2, :2].tolist() == [4, 5]
    assert wide[0, 2, 8:].tolist() == [0, 1]
    assert wide[0, 1, 2:8].tolist() == [3, 4, 5, 0, 1, 2], "over the pole, half a turn away"
    assert wide[0, 6, 2:8].tolist() == [21, 22, 23, 18, 19, 20]


def test_a_turned_panorama_has_the_same_gradient(backbone: Backbone) -> None:
    seen = Activations(backbone, [Target("relu2_1")])
    image = photo(128, 64)
    (_, straight), (_, turned) = (around(seen.rise, image, turn) for turn in (0, 64))
    # What is seen twice, in the margins, is another part: the scale differs a little.
    straight, turned = straight / straight.std(), turned / turned.std()
    torch.testing.assert_close(straight, turned, rtol=0, atol=1e-3)


def test_poles_are_left_with_what_a_sphere_can_show() -> None:
    noise = torch.randn((3, 64, 128), generator=seeded())
    calm = steadied_at_poles(noise)
    spread = calm.std(dim=2).mean(0)
    assert spread[0] < 0.1 * spread[32]
    torch.testing.assert_close(calm[:, 32], noise[:, 32], rtol=0, atol=0.01)
    torch.testing.assert_close(calm.mean(2), noise.mean(2), rtol=0, atol=1e-5)


def test_no_seam_in_a_panorama(backbone: Backbone) -> None:
    """The difference across the seam is that of the same place with the seam elsewhere."""
    across = torch.linspace(0, 2 * torch.pi, 129)[:-1]
    rows = 0.5 + 0.3 * torch.sin(torch.stack([3 * across, 5 * across + 1, 2 * across]))
    image = rows[:, None].expand(3, 64, 128).contiguous()
    seams = {}
    for panorama in (True, False):
        dream = DeepDream(
            Activations(backbone, [Target("relu3_1")]), steps=4, octaves=2, rate=0.05, panorama=panorama
        )
        seam, inside = (
            (dream(image.roll(turn, 2), seeded()) - image.roll(turn, 2)).roll(-turn, 2) for turn in (0, 64)
        )
        seams[panorama] = float((seam[:, :, 0] - seam[:, :, -1]).abs().mean())
        seams[panorama] /= float((inside[:, :, 0] - inside[:, :, -1]).abs().mean())
    assert 0.8 < seams[True] < 1.25
    assert abs(seams[False] - 1) > 2 * abs(seams[True] - 1), f"{seams}"


def test_targets_are_parsed() -> None:
    assert parse_targets("relu4_3, Mixed_5d:17=0.5") == (Target("relu4_3"), Target("Mixed_5d", 17, 0.5))
    assert parse_targets("features.3=2") == (Target("features.3", None, 2.0),)
    for wrong in ("relu4_3:0.5", "relu4_3=0", "a:b", "", "relu4_3:"):
        with pytest.raises(RtstyleError, match="is not LAYER, LAYER:CHANNEL or LAYER=WEIGHT"):
            parse_targets(wrong)


def test_weights_that_end_early_dream_with_the_deepest_they_hold(weights: Path) -> None:
    backbone, targets, notes = load_dreaming("vgg16", weights)
    assert backbone.layers == ("relu3_2",)
    assert targets == (Target("relu3_2"),)
    assert notes == ["relu3_2 for relu4_3; the weights of vgg16 end with relu3_2"]
    with pytest.raises(RtstyleError, match=r"relu5_1 was asked for, but the weights hold only relu1_1"):
        load_dreaming("vgg16", weights, parse_targets("relu5_1"))
    with pytest.raises(RtstyleError, match=r"nowhere.pth: not readable"):
        load_dreaming("vgg16", Path("nowhere.pth"))


def test_a_channel_that_is_not_there(backbone: Backbone) -> None:
    with pytest.raises(RtstyleError, match=r"relu2_1:6: relu2_1 has channels 0 to 5"):
        Activations(backbone, [Target("relu2_1", 6)])
