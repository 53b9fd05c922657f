"""Training on drawn pictures and a tiny random loss network: learns, resumes exactly, survives bad input."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rtstyle.errors import RtstyleError
from rtstyle.networks import build
from rtstyle.perception.backbones import TORCHVISION_DEVIATION, TORCHVISION_MEAN, Vgg
from rtstyle.styles import load_style
from rtstyle.training.__main__ import main
from rtstyle.training.data import Photos, read_picture
from rtstyle.training.objective import Objective
from rtstyle.training.recipe import Recipe
from rtstyle.training.train import LOST_STEPS, Step, train

RECIPE = Recipe(
    config={"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1},
    steps=6,
    batch=2,
    crop=32,
    style_layers={"relu1_1": 1.0, "relu2_1": 1.0},
    content_layers={"relu2_1": 1.0},
    bfloat16=False,
)


def tiny_backbone(layers: tuple[str, ...] = ("relu1_1", "relu2_1")) -> Vgg:
    random = torch.Generator().manual_seed(3)
    shapes = {0: (3, 6), 2: (6, 6), 5: (6, 8)}
    weights = {}
    for index, (channels_in, channels_out) in shapes.items():
        weights[f"features.{index}.weight"] = (
            torch.randn(channels_out, channels_in, 3, 3, generator=random) / 3
        )
        weights[f"features.{index}.bias"] = torch.zeros(channels_out)
    return Vgg("vgg19", layers, weights, TORCHVISION_MEAN, TORCHVISION_DEVIATION)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos: disks on gradients, of several sizes."""
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for number, size in enumerate([(48, 40), (40, 64), (33, 36), (20, 24), (50, 50)]):
        ramp = np.linspace(0, 255, size[1])[None, :, None] * random.random(3)
        picture = np.broadcast_to(ramp, (*size, 3)).astype(np.uint8).copy()
        cv2.circle(picture, (size[1] // 2, size[0] // 2), 8, random.integers(0, 255, 3).tolist(), -1)
        cv2.imwrite(str(photos / f"{number}.png"), picture)
    return photos


@pytest.fixture
def painting() -> torch.Tensor:
    """Diagonal yellow and blue stripes, (3, 40, 56)."""
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(56), indexing="ij")
    stripe = ((rows + columns) // 4 % 2).float()
    return torch.stack([stripe, stripe, 1 - stripe])


Run = Callable[..., torch.nn.Module]


@pytest.fixture
def run(folder: Path, painting: torch.Tensor) -> Run:
    def go(recipe: Recipe = RECIPE, **options: object) -> torch.nn.Module:
        photos = Photos(folder, crop=recipe.crop, batch=recipe.batch, seed=recipe.seed)
        backbones = tiny_backbone(), tiny_backbone(("relu2_1",))
        return train(recipe, photos, painting, *backbones, **options)  # type: ignore[arg-type]

    return go


def test_a_few_steps_lower_the_objective(run: Run) -> None:
    heard: list[Step] = []
    run(replace(RECIPE, steps=60, learning_rate=1e-2, input_noise=0.0), listener=heard.append)
    totals = [sum(step.terms.values()) for step in heard]
    assert np.mean(totals[-5:]) < 0.75 * np.mean(totals[:5])


def test_each_step_is_heard_with_its_named_terms(run: Run) -> None:
    heard: list[Step] = []
    run(listener=heard.append)
    assert [step.number for step in heard] == list(range(1, 7))
    names = {"content relu2_1", "style relu1_1", "style relu2_1", "variation", "temporal"}
    assert all(set(step.terms) == names and not step.skipped for step in heard)


def test_objective_is_its_weighted_terms(painting: torch.Tensor) -> None:
    backbone = tiny_backbone()

    def terms(weight: float) -> dict[str, torch.Tensor]:
        style, content = {"relu1_1": weight}, {"relu2_1": weight}
        objective = Objective(backbone, backbone, painting, style=style, content=content, variation=weight)
        torch.manual_seed(0)
        return objective(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))

    for name, value in terms(3.0).items():
        torch.testing.assert_close(value, 3 * terms(1.0)[name])


def test_the_painting_itself_has_no_style_error_and_a_photo_no_content_error(painting: torch.Tensor) -> None:
    backbone = tiny_backbone()
    layers = {"relu1_1": 1.0, "relu2_1": 1.0}
    terms = Objective(backbone, backbone, painting, style=layers, content=layers, variation=0.0)(
        painting[None], painting[None]
    )
    assert all(value < 1e-9 for value in terms.values())


def test_a_resumed_run_ends_with_the_same_weights(run: Run, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop_at_four(step: Step) -> None:
        if step.number == 4:
            raise Stopped

    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Stopped):
        run(checkpoint=checkpoint, save_every=2, listener=stop_at_four)
    heard: list[Step] = []
    resumed = run(checkpoint=checkpoint, save_every=2, listener=heard.append)
    assert [step.number for step in heard] == [3, 4, 5, 6]
    whole = run()
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    run(checkpoint=checkpoint)
    with pytest.raises(RtstyleError, match=r"another run \(style_weight was 3.0, is 5.0\)"):
        run(replace(RECIPE, style_weight=5.0), checkpoint=checkpoint)


def test_training_goes_on_from_a_network(run: Run) -> None:
    first = run()
    still = run(replace(RECIPE, steps=1, learning_rate=1e-8), start=first)
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(still.state_dict()[name], weight, atol=1e-6, rtol=0)


def test_steps_that_are_not_finite_teach_nothing_and_then_end_the_run(
    run: Run, painting: torch.Tensor
) -> None:
    heard: list[Step] = []
    with pytest.raises(RtstyleError, match=rf"not finite for {LOST_STEPS} steps up to step {LOST_STEPS};"):
        run(replace(RECIPE, steps=50, style_weight=float("inf")), listener=heard.append)
    assert len(heard) == LOST_STEPS - 1 and all(step.skipped for step in heard)


def test_a_corrupt_photo_is_skipped_and_reported_once(folder: Path) -> None:
    bad = folder / "2.png"
    bad.write_bytes(bad.read_bytes()[:20])
    skipped: list[Path] = []
    photos = Photos(folder, crop=32, batch=4, seed=0, on_skip=skipped.append)
    for step in range(6):
        assert photos[step].shape == (4, 3, 32, 32)
    assert skipped == [bad]


def test_photos_are_the_same_again_and_all_are_seen(folder: Path) -> None:
    photos, again = (Photos(folder, crop=32, batch=5, seed=7) for _ in range(2))
    other = Photos(folder, crop=32, batch=5, seed=8)
    assert torch.equal(photos[3], again[3])
    assert not torch.equal(photos[3], other[3])
    assert {photos._path(place) for place in range(5, 10)} == set(photos.paths)
    assert photos[0].min() >= 0 and photos[0].max() <= 1


def test_a_folder_without_readable_photos_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RtstyleError, match="no pictures there"):
        Photos(tmp_path, crop=32, batch=1, seed=0)
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(RtstyleError, match="none of the 1 photos is readable"):
        Photos(tmp_path, crop=32, batch=1, seed=0)[0]


def test_the_painting_is_read_in_rgb_at_its_size(tmp_path: Path) -> None:
    picture = np.zeros((30, 60, 3), np.uint8)
    picture[..., 0] = 255  # blue, in OpenCV's order
    cv2.imwrite(str(tmp_path / "blue.png"), picture)
    read = read_picture(tmp_path / "blue.png", 15)
    assert read.shape == (3, 15, 30)
    torch.testing.assert_close(read.mean((1, 2)), torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    "number", [{"steps": 0}, {"crop": 8}, {"learning_rate": 0.0}, {"style_weight": -1.0}]
)
def test_a_number_that_cannot_work_is_named(number: dict[str, float]) -> None:
    with pytest.raises(RtstyleError, match=next(iter(number))):
        replace(RECIPE, **number)  # type: ignore[arg-type]


def test_the_exact_recipe_asks_for_one_network_only() -> None:
    recipe = Recipe().exact()
    layers = [*recipe.style_layers, *recipe.content_layers]
    assert len(layers) == len(Recipe().style_layers) + len(Recipe().content_layers)
    assert all(layer.startswith("vgg19.") for layer in layers)


def test_a_start_of_another_shape_is_one_clear_line(run: Run) -> None:
    other = build("swift", {"half": 4})
    with pytest.raises(RtstyleError, match=r"cannot go on from a swift of .*'quarter': 32"):
        run(start=other)


def test_the_command_writes_a_style_that_loads(
    folder: Path, painting: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(5)
    weights, channels = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 16):  # to relu3_4
        weights[f"features.{index}.weight"] = torch.randn(4, channels, 3, 3, generator=random)
        weights[f"features.{index}.bias"] = torch.zeros(4)
        channels = 4
    save_file(weights, tmp_path / "vgg.safetensors")
    picture, out = tmp_path / "stripes.png", tmp_path / "stripes.safetensors"
    cv2.imwrite(str(picture), (painting.permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    arguments = [
        *("training", str(picture), "--content", str(folder), "--out", str(out), "--title", "Stripes"),
        *("--half", "--steps", "2", "--batch", "1", "--crop", "32"),
        *("--style-size", "40", "--config", json.dumps(RECIPE.config)),
        *("--style-layers", '{"vgg19.relu1_1": 1}', "--content-layers", '{"small_vgg19.relu2_1": 1}'),
        *("--backbone-weights", f"vgg19={tmp_path / 'vgg.safetensors'}"),
    ]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    style, network = load_style(out)
    assert (style.name, style.title, style.network) == ("stripes", "Stripes", "swift")
    assert style.recipe["steps"] == 2
    # Without a file of the small network, VGG19 itself measured its layers.
    assert style.recipe["content_layers"] == {"vgg19.relu2_1": 1}
    assert network(torch.rand(1, 3, 20, 20)).shape == (1, 3, 20, 20)
