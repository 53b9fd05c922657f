"""Pictures painted by optimisation, with a tiny random backbone: terms, descent, scales, masks, resuming."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import TORCHVISION_DEVIATION, TORCHVISION_MEAN, Joined, Vgg
from rtstyle.perception.losses import content_error, gram, style_error, total_variation
from rtstyle.perception.strips import visit_features
from rtstyle.stylizers.descent import GROWTH, Descent, Step, optimise
from rtstyle.stylizers.gatys import Plan, Progress, ScaleStep, fit, make_plan, paint
from rtstyle.stylizers.gatys_memory import check_memory, kept_bytes, make_estimate
from rtstyle.stylizers.gatys_objective import GatysObjective, Region, style_targets
from rtstyle.stylizers.gatys_regions import Style, make_objective, make_regions, style_size
from rtstyle.stylizers.gatys_state import read_state, write_state
from rtstyle.stylizers.optimizers import MOST_PAIRS, OPTIMIZERS, Lbfgs, pairs_kept

LAYERS = ("relu1_1", "relu2_1", "relu3_1")
BOTH = pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))


def tiny_vgg(layers: tuple[str, ...] = LAYERS, dtype: torch.dtype = torch.float32) -> Vgg:
    random = torch.Generator().manual_seed(3)
    weights, channels, index = {}, 3, 0
    for count in (2, 2, 1):
        for _ in range(count):
            weights[f"features.{index}.weight"] = torch.randn(6, channels, 3, 3, generator=random) / 4
            weights[f"features.{index}.bias"] = torch.zeros(6)
            channels, index = 6, index + 2
        index += 1
    return Vgg("vgg19", layers, weights, TORCHVISION_MEAN, TORCHVISION_DEVIATION).to(dtype)


def picture(seed: int, height: int = 40, width: int = 48, dtype: torch.dtype = torch.float32) -> Tensor:
    """Soft blobs, (3, H, W) in [0, 1]."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 7, generator=random, dtype=dtype)
    return F.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


def stripes(height: int = 40, width: int = 40) -> Tensor:
    """Yellow and blue, diagonal, (3, H, W)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    stripe = ((rows + columns) // 4 % 2).float()
    return torch.stack([stripe, stripe, 1 - stripe])


def objective(dtype: torch.dtype = torch.float32, size: int = 24, **options: object) -> GatysObjective:
    backbone = tiny_vgg(dtype=dtype)
    painting = stripes().to(dtype)[None]
    statistic = str(options.get("statistic", "gram"))
    region = Region(style_targets(backbone, painting, LAYERS, statistic))
    settings = {"content": {"relu3_1": 1.0}, "style": dict.fromkeys(LAYERS, 2.0), "variation": 0.5}
    return GatysObjective(backbone, picture(0, size, size, dtype)[None], [region], **{**settings, **options})  # type: ignore[arg-type]


def painted(plan: Plan, progress: Progress | None = None, **options: object) -> Tensor:
    settings = {"content": {"relu3_1": 1.0}, "style": dict.fromkeys(LAYERS, 5.0)}
    return paint(
        picture(0), [Style([stripes()])], tiny_vgg(), plan, progress=progress, **{**settings, **options}
    )  # type: ignore[arg-type]


def test_terms_are_the_weighted_errors_of_the_layers() -> None:
    terms_of, image = objective(size=64), picture(5, 64, 64)[None] * 1.5 - 0.2
    found = terms_of(image)
    backbone, photo = tiny_vgg(), picture(0, 64, 64)[None]
    features, wanted = backbone(image), backbone(photo)
    target = style_targets(backbone, stripes()[None], LAYERS)
    torch.testing.assert_close(
        target["relu2_1"][0], gram(backbone(stripes()[None])["relu2_1"][:, :, 1:-1, 1:-1])
    )
    torch.testing.assert_close(
        found["content relu3_1"], content_error(features["relu3_1"], wanted["relu3_1"])
    )
    for layer in LAYERS:
        # The outermost place on each side is left out.
        expected = 2 * style_error(features[layer][:, :, 1:-1, 1:-1], *target[layer])
        torch.testing.assert_close(found[f"style {layer}"], expected)
    torch.testing.assert_close(found["variation"], 0.5 * total_variation(image))


@pytest.mark.parametrize("statistic", ["gram", "gaussian"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_are_those_of_the_terms(statistic: str, masked: bool) -> None:
    mask = torch.linspace(0, 1, 8, dtype=torch.float64).expand(1, 1, 8, 8).contiguous() if masked else None
    terms_of = objective(torch.float64, 8, statistic=statistic, content_mask=mask)
    image = picture(5, 8, 8, torch.float64)[None].requires_grad_()

    def ordered(at: Tensor) -> list[Tensor]:
        return list(terms_of(at).values())

    # Along random directions, each small enough to cross no ReLU.
    assert torch.autograd.gradcheck(ordered, image, eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("statistic", ["gram", "gaussian"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_strips_give_the_same_terms_and_gradients(statistic: str, pooling: str) -> None:
    vgg = tiny_vgg(dtype=torch.float64)
    vgg.pooling = pooling
    backbone = Joined(vgg19=vgg)
    photo, image = (picture(seed, 37, 30, torch.float64)[None] for seed in (0, 1))
    mask = torch.linspace(0, 1, 37, dtype=torch.float64)[:, None].expand(1, 1, 37, 30).contiguous()
    names = [f"vgg19.{layer}" for layer in LAYERS]
    found = []
    for strip in (None, 30 * 8):
        painting = stripes().double()[None]
        regions = [Region(style_targets(backbone, painting, names, statistic, strip), mask)]
        terms_of = GatysObjective(
            backbone, photo, regions, content={names[2]: 1.0}, style=dict.fromkeys(names, 1.0),
            statistic=statistic, content_mask=mask, strip=strip,
        )  # fmt: skip
        leaf = image.clone().requires_grad_()
        terms = terms_of(leaf)
        (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), leaf)
        found.append((torch.stack(list(terms.values())).detach(), gradient))
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-9)


def test_strips_visit_every_row_once() -> None:
    image = picture(0, 37, 30)[None]
    whole = tiny_vgg()(image)
    with torch.no_grad():
        parts = visit_features(
            tiny_vgg(), image, lambda layer, features, top, height: (top, features), 30 * 8
        )
    for layer, features in whole.items():
        assert [top for top, _ in parts[layer]] == sorted(top for top, _ in parts[layer])
        torch.testing.assert_close(torch.cat([part for _, part in parts[layer]], dim=2), features)
    assert len(parts["relu1_1"]) == 5


@BOTH
def test_a_descent_lowers_the_total_and_is_the_same_twice(optimizer: str) -> None:
    heard: list[Step] = []
    start = picture(0, 24, 24)[None]
    first = optimise(start, objective(), 40, optimizer=optimizer, listener=heard.append)
    assert [step.number for step in heard] == list(range(1, 41))
    assert heard[-1].total < 0.6 * heard[0].total
    assert torch.equal(start, picture(0, 24, 24)[None]), "where it began is left as it was"
    assert torch.equal(first, optimise(start, objective(), 40, optimizer=optimizer))
    assert first.min() >= 0 and first.max() <= 1


@BOTH
def test_a_descent_goes_on_from_its_state_exactly(optimizer: str) -> None:
    start = picture(0, 24, 24)[None]
    whole = optimise(start, objective(), 20, optimizer=optimizer)
    first = Descent(start, objective(), optimizer)
    for number in range(8):
        first.step(number / 20)
    second = Descent(start, objective(), optimizer)
    second.restore(first.state())
    assert torch.equal(optimise(start, objective(), 20, descent=second), whole)


def test_a_state_from_before_totals_were_kept_is_gone_on_from() -> None:
    start = picture(0, 24, 24)[None]
    first = Descent(start, objective())
    first.step()
    state = {name: value for name, value in first.state().items() if name != "totals"}
    second = Descent(start, objective())
    second.restore(state)
    assert not second.settled(0.5) and second.done == 1


def test_lbfgs_solves_a_quadratic() -> None:
    goal = picture(2, 8, 8, torch.float64)[None]
    scale = torch.linspace(1, 20, goal.numel(), dtype=torch.float64).view_as(goal)

    def terms(image: Tensor) -> dict[str, Tensor]:
        return {"all": (scale * (image - goal).square()).sum()}

    found = optimise(torch.zeros_like(goal), terms, 150)
    torch.testing.assert_close(found, goal, atol=1e-3, rtol=0)


def test_a_leap_is_taken_back() -> None:
    calls = []

    def leaps(image: Tensor) -> dict[str, Tensor]:
        calls.append(1)
        return {"all": image.square().mean() * (GROWTH * 100 if len(calls) == 5 else 1)}

    heard: list[Step] = []
    optimise(picture(0)[None], leaps, 12, listener=heard.append)
    totals = [step.total for step in heard]
    assert totals[5] == pytest.approx(totals[3]), "the sixth evaluation is of the fourth's image"
    assert totals[-1] < totals[3]


def test_moves_grow_shorter_until_they_stay_before_a_wall() -> None:
    def terms(image: Tensor) -> dict[str, Tensor]:
        wall = 1e4 * (image - 0.5).clamp_min(0).square()
        return {"all": (wall + 1 - image + 0.01 * image.square()).mean()}

    # On the way there the curvature knows of no wall: every full step leaps over it.
    found = optimise(torch.zeros(1, 3, 8, 8), terms, 40)
    torch.testing.assert_close(found, torch.full_like(found, 0.5), atol=0.02, rtol=0)


def test_an_objective_without_a_number_is_refused() -> None:
    with pytest.raises(RtstyleError, match="no number for the first image"):
        optimise(picture(0)[None], lambda image: {"all": image.sum() * math.nan}, 5)
    with pytest.raises(RtstyleError, match="no optimizer named 'sgd'; there are: lbfgs, adam"):
        Descent(picture(0)[None], lambda image: {}, "sgd")


def test_it_stops_when_time_is_up_when_settled_and_when_asked() -> None:
    start = picture(0, 24, 24)[None]
    heard: list[Step] = []
    optimise(start, objective(), 500, seconds=0.0, listener=heard.append)
    assert heard == []
    optimise(start, objective(), 500, tolerance=0.2, listener=heard.append)
    assert 11 <= len(heard) < 200
    count = len(heard)
    optimise(start, objective(), 500, stop=lambda: True, listener=heard.append)
    assert len(heard) == count + 1


def test_what_counts_as_settled_goes_on_too() -> None:
    start = picture(0, 24, 24)[None]
    heard: list[Step] = []
    optimise(start, objective(), 500, tolerance=0.2, listener=heard.append)
    first = Descent(start, objective())
    optimise(start, objective(), 500, descent=first, stop=lambda: first.done == len(heard) - 3)
    second = Descent(start, objective())
    second.restore(first.state())
    optimise(start, objective(), 500, tolerance=0.2, descent=second)
    assert second.done == len(heard)


def test_the_history_is_bounded() -> None:
    optimizer = Lbfgs()
    image = picture(0, 8, 8)[None].clone()
    for number in range(80):
        optimizer.move(image, torch.sin(image * 9 + number / 20), 0.0)
    assert 10 < len(optimizer.state()["pairs"]) <= MOST_PAIRS
    assert pairs_kept(3 * 512 * 512) == 50 and pairs_kept(3 * 2048 * 2048) == 10


def test_a_plan_doubles_up_to_the_size_and_shares_the_steps() -> None:
    plan = make_plan((768, 1024), 300)
    assert plan.sizes == ((192, 256), (384, 512), (768, 1024)) and plan.steps == (100, 100, 100)
    assert plan.shares[2] == pytest.approx(16 / 21)
    assert make_plan((768, 1024), 100, []).sizes == ((768, 1024),)
    assert make_plan((768, 1024), 101, [300, 5000]).steps == (51, 50)
    assert fit((50, 100), 64) == (32, 64)


def test_a_painting_is_never_enlarged() -> None:
    painting = torch.zeros(3, 100, 400)
    assert style_size(painting, (60, 60), 1.0) == (32, 128), "its shorter side has to be measurable"
    assert style_size(painting, (100, 100), 1.0) == (50, 200)
    assert style_size(painting, (100, 100), 0.8) == (40, 160)
    assert style_size(painting, (1000, 1000), 2.0) == (100, 400)


def test_painting_goes_through_the_scales_and_ends_in_range() -> None:
    heard: list[ScaleStep] = []
    plan = make_plan((64, 80), 12, [40])
    result = painted(plan, listener=heard.append)
    assert result.shape == (3, 64, 80) and result.min() >= 0 and result.max() <= 1
    assert [step.number for step in heard] == list(range(1, 13)) and {step.of for step in heard} == {12}
    assert [step.size for step in heard] == [(32, 40)] * 6 + [(64, 80)] * 6
    assert torch.equal(result, painted(plan))


def test_a_stopped_painting_goes_on_to_the_same_picture(tmp_path: Path) -> None:
    plan = make_plan((64, 80), 14, [40])
    whole = painted(plan)
    for stop_at in (3, 10):
        progress, heard = Progress(), []
        painted(plan, progress, listener=heard.append, stop=lambda heard=heard, at=stop_at: len(heard) == at)
        write_state(tmp_path / "state", progress, {"--steps": "14"})
        again = read_state(tmp_path / "state", {"--steps": "14"})
        assert again is not None and len(again.terms) == stop_at
        assert torch.equal(painted(plan, again), whole)
        assert [number for number, _ in again.terms] == list(range(1, 15))


def test_the_state_of_another_painting_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert read_state(state, {}) is None
    write_state(state, Progress(), {"--steps": "14"})
    with pytest.raises(RtstyleError, match=r"of another painting \(--steps was 14, is 15\); delete it"):
        read_state(state, {"--steps": "15"})
    state.write_bytes(b"nothing")
    with pytest.raises(RtstyleError, match="not a state of this version, or damaged"):
        read_state(state, {})


def test_outside_a_region_the_style_does_not_arrive() -> None:
    left = torch.zeros(1, 1, 40, 80)
    left[..., :40] = 1
    photo = picture(0, 40, 80)
    settings = {"content": {"relu3_1": 1.0}, "style": dict.fromkeys(LAYERS, 5.0)}
    backbone = tiny_vgg()
    result = paint(photo, [Style([stripes()], mask=left)], backbone, make_plan((40, 80), 40), **settings)
    targets = style_targets(backbone, stripes()[None], LAYERS)

    def distance(columns: slice) -> float:
        """From the style, on features of a part of the result, over that of the photo's part."""
        found, before = (backbone(image[None, ..., columns]) for image in (result, photo))
        errors = [
            float(style_error(found[layer], *targets[layer]) / style_error(before[layer], *targets[layer]))
            for layer in LAYERS
        ]
        return sum(errors) / len(errors)

    # Eight pixels and more from the border: beyond what a layer sees.
    assert distance(slice(0, 32)) < 0.65
    assert distance(slice(48, 80)) > 0.8


def test_what_is_kept_is_the_photo_itself() -> None:
    kept = torch.zeros(1, 1, 40, 48)
    kept[..., 24:] = 1
    result = painted(make_plan((40, 48), 5), kept=kept)
    torch.testing.assert_close(result[..., 24:], picture(0)[..., 24:])
    assert (result[..., :24] - picture(0)[..., :24]).abs().max() > 0.05


def test_a_content_mask_frees_the_rest() -> None:
    free = torch.zeros(1, 1, 24, 24)
    free[..., :12] = 1
    masked, whole = objective(content_mask=free), objective()
    image = picture(0, 24, 24)[None].clone()
    image[..., 20:] = 0.9
    assert masked(image)["content relu3_1"] < 0.1 * whole(image)["content relu3_1"]


def test_several_paintings_are_mixed() -> None:
    other = picture(9, 40, 40)
    make = {"content": {"relu3_1": 1.0}, "style": {"relu2_1": 1.0}}
    results = [
        make_objective(
            picture(0),
            make_regions([Style(paintings, weights)], tiny_vgg(), (40, 40), list(make["style"])),
            tiny_vgg(),
            (40, 40),
            **make,
        )
        for paintings, weights in (([stripes(), other], (1.0, 0.0)), ([stripes()], (1.0,)))
    ]
    image = picture(4, 40, 40)[None]
    torch.testing.assert_close(results[0](image), results[1](image))


def test_too_small_is_refused() -> None:
    with pytest.raises(RtstyleError, match="48x16 is too small to paint; its sides need 32"):
        painted(make_plan((16, 48), 3))


def test_too_large_is_foreseen_with_the_size_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Joined(vgg19=tiny_vgg())
    # One picture of 6 channels kept twice (relu1_1, relu1_2), and a quarter of it, at 4 bytes: 48 at least.
    assert 48 <= kept_bytes(backbone) < 200
    estimate = make_estimate(backbone)
    monkeypatch.setattr("rtstyle.stylizers.gatys_memory.free_bytes", lambda device: estimate((300, 400)))
    check_memory(backbone, (200, 300), torch.device("cpu"))
    with pytest.raises(RtstyleError, match=r"600x450 needs about .* GB are free; --size (368|376|384) fits"):
        check_memory(backbone, (450, 600), torch.device("cpu"))
