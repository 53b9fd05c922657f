"""Training on drawn pictures and a tiny random loss network: learns, resumes exactly, survives bad input."""

import os
import shutil
import socket
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
from rtstyle.stylizers import gatys_state
from rtstyle.stylizers.gatys import Progress
from rtstyle.training import checkpoint
from rtstyle.training.checkpoint import State, read_state, write_state
from rtstyle.training.data import Photos, read_picture
from rtstyle.training.distributed import Processes, joined
from rtstyle.training.health import FIRST_STEPS, FLAT_STEPS, LOST_STEPS, Health
from rtstyle.training.learner import Learner, Lesson
from rtstyle.training.loader import Batch, batches
from rtstyle.training.objective import Objective, load_backbones
from rtstyle.training.plot import COLOURS
from rtstyle.training.recipe import Recipe
from rtstyle.training.train import RETURNS, Step, train
from tests.gpus import needs_gpu

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(
    config={"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1},
    steps=6,
    batch=2,
    crop=32,
    style_layers={"relu1_1": 1.0, "relu2_1": 1.0},
    content_layers={"relu2_1": 1.0},
    style_weight=3.0,
    content_weight=2.0,
    temporal_weight=50.0,
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
    names = {"content relu2_1", "style relu1_1", "style relu2_1", "variation", "grid", "edge", "temporal"}
    assert all(set(step.terms) == names and not step.skipped for step in heard)
    assert list(heard[0].groups()) == list(COLOURS), "each has a curve of its own"


def test_objective_is_its_weighted_terms(painting: torch.Tensor) -> None:
    backbone = tiny_backbone()

    def terms(weight: float) -> dict[str, torch.Tensor]:
        style, content = {"relu1_1": weight}, {"relu2_1": weight}
        objective = Objective(
            backbone, backbone, painting, style=style, content=content, variation=weight, grid=weight
        )
        torch.manual_seed(0)
        return objective(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))

    for name, value in terms(3.0).items():
        torch.testing.assert_close(value, 3 * terms(1.0)[name])


def test_the_painting_itself_has_no_style_error_and_a_photo_no_content_error(painting: torch.Tensor) -> None:
    backbone = tiny_backbone()
    layers = {"relu1_1": 1.0, "relu2_1": 1.0}
    objective = Objective(backbone, backbone, painting, style=layers, content=layers, variation=0.0, grid=0.0)
    terms = objective(painting[None], painting[None])
    assert all(value < 1e-9 for value in terms.values())


def test_bfloat16_is_left_to_processors_that_have_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def style(half: bool, able: dict[str, bool]) -> float:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
        heard: list[Step] = []
        run(replace(RECIPE, steps=1, bfloat16=half), listener=heard.append)
        return heard[0].terms["style relu2_1"]

    exact = style(False, {"amx_bf16": True})
    assert style(True, {"avx2": True, "amx_bf16": False}) == exact
    assert style(True, {"amx_bf16": True}) != exact
    assert style(True, {"amx_bf16": True}) == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_a_resumed_run_has_the_losses_and_weights_of_one_never_stopped(
    way: str, run: Run, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    heard: list[Step] = []

    def killed_at_five(step: Step) -> None:
        if step.number == 5 and way == "killed":
            raise InterruptedError
        heard.append(step)

    with pytest.raises((InterruptedError, KeyboardInterrupt)):
        run(
            checkpoint=checkpoint,
            save_every=2 if way == "killed" else 100,
            listener=killed_at_five,
            stop=lambda: way == "stopped" and len(heard) == 3,
        )
    assert [step.number for step in heard] == [1, 2, 3, 4]
    past: list[tuple[int, dict[str, float]]] = []
    resumed = run(
        checkpoint=checkpoint,
        save_every=2,
        listener=heard.append,
        on_past=lambda number, groups: past.append((number, dict(groups))),
    )
    assert [step.number for step in heard] == [1, 2, 3, 4, 5, 6]
    assert past == [(step.number, step.groups()) for step in heard[:4]]
    steps: list[Step] = []
    whole = run(listener=steps.append)
    assert [step.terms for step in heard] == [step.terms for step in steps]
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_the_best_state_is_the_lowest_smoothed_objective(run: Run, tmp_path: Path) -> None:
    heard: list[Step] = []
    best: list[tuple[int, float]] = []
    run(
        replace(RECIPE, steps=12, learning_rate=1e-2),
        save_every=3,
        listener=heard.append,
        on_best=lambda network, step, objective: best.append((step, objective)),
    )
    smoothed, kept = None, []
    for step in heard:
        total = sum(step.terms.values())
        smoothed = total if smoothed is None else 0.98 * smoothed + 0.02 * total
        if step.number % 3 == 0 and (not kept or smoothed < kept[-1][1]):
            kept.append((step.number, smoothed))
    assert [step for step, _ in best] == [step for step, _ in kept]
    assert [objective for _, objective in best] == pytest.approx([objective for _, objective in kept])


def test_a_checkpoint_of_another_run_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    run(checkpoint=checkpoint)
    with pytest.raises(RtstyleError, match=r"another run \(style_weight was 3.0, is 5.0\)"):
        run(replace(RECIPE, style_weight=5.0), checkpoint=checkpoint)
    with pytest.raises(RtstyleError, match=r"another run \(not the same start\)"):
        run(checkpoint=checkpoint, start=build("swift", RECIPE.config))
    added = folder / "9.png"
    shutil.copy(folder / "0.png", added)
    with pytest.raises(RtstyleError, match=r"another run \(not the same photos\)"):
        run(checkpoint=checkpoint)
    added.unlink()
    run(checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(RtstyleError, match="damaged"):
        run(checkpoint=checkpoint)
    torch.save({"recipe": ["another"], "origin": {}}, checkpoint)
    with pytest.raises(RtstyleError, match="not a checkpoint of this version"):
        run(checkpoint=checkpoint)


def test_a_checkpoint_that_cannot_be_written_is_said_and_the_run_goes_on(run: Run, tmp_path: Path) -> None:
    heard: list[Step] = []
    run(checkpoint=tmp_path / "gone" / "run.checkpoint", save_every=4, listener=heard.append)
    assert [step.number for step in heard if "cannot be written" in step.note] == [1, 4, 6]


def test_training_goes_on_from_a_network(run: Run) -> None:
    first = run()
    still = run(replace(RECIPE, steps=1, learning_rate=1e-8), start=first)
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(still.state_dict()[name], weight, atol=1e-6, rtol=0)


def test_an_objective_that_stays_not_finite_goes_back_and_then_ends_the_run(run: Run) -> None:
    heard: list[Step] = []
    said = rf"mostly not finite up to step {LOST_STEPS}, .* back {RETURNS} times"
    with pytest.raises(RtstyleError, match=said):
        run(replace(RECIPE, steps=50, style_weight=1e300), listener=heard.append)
    assert all(step.skipped for step in heard)
    notes = [step.note for step in heard if step.note]
    assert len(notes) == RETURNS and all("back to step 0, with half the learning rate" in n for n in notes)
    first = [step.learning_rate for step in heard if step.number == 1]
    assert first == pytest.approx([first[0] / 2**turn for turn in range(RETURNS + 1)])


def test_a_run_that_learned_nothing_gives_no_style(run: Run) -> None:
    with pytest.raises(RtstyleError, match="never finite up to step 3; try a lower learning_rate"):
        run(replace(RECIPE, steps=3, style_weight=1e300))


def test_an_objective_that_is_seldom_finite_is_a_fault_too() -> None:
    def faults(wrong: int, of: int) -> int:
        health = Health()
        steps = [health.judge(number, number % of >= wrong, 0.2, 0.2) for number in range(1, 400)]
        return sum(map(bool, steps))

    assert faults(2, 3) and not faults(1, 3)


def test_a_network_gone_gray_goes_back_to_the_last_good_state_and_ends_well(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.training.health.FIRST_STEPS", 4)
    monkeypatch.setattr("rtstyle.training.health.FLAT_STEPS", 3)
    heard: list[Step] = []

    def paint_gray_once(step: Step) -> None:
        heard.append(step)
        if step.number == 10 and not any(step.note for step in heard):
            with torch.no_grad():
                for weight in step.network.parameters():
                    weight.zero_()

    recipe = replace(RECIPE, steps=16, learning_rate=1e-5)
    run(recipe, save_every=4, listener=paint_gray_once)
    assert [step.number for step in heard] == [*range(1, 14), *range(9, 17)]
    (told,) = [step for step in heard if step.note]
    assert told.number == 13
    assert (
        told.note
        == "the output was gray, black or white for 3 steps; back to step 8, with half the learning rate"
    )
    assert heard[13].learning_rate == pytest.approx(heard[8].learning_rate / 2)


def test_only_output_that_stays_flat_is_a_fault() -> None:
    health = Health()
    late = FIRST_STEPS + 1
    assert all(not health.judge(1, True, 0.0, 0.2) for _ in range(100)), "fresh weights may paint gray"
    for _ in range(3):
        assert all(not health.judge(late, True, 0.01, 0.2) for _ in range(FLAT_STEPS - 1))
        assert not health.good
        assert not health.judge(late, True, 0.1, 0.2)
        assert health.good
    assert all(not health.judge(late, True, 0.004, 0.02) for _ in range(100)), "a pale painting is no fault"
    found = [health.judge(late, True, 0.001, 0.2) for _ in range(FLAT_STEPS)]
    assert [bool(each) for each in found] == [False] * (FLAT_STEPS - 1) + [True]


def test_photos_that_cannot_be_used_are_skipped_and_named(folder: Path) -> None:
    truncated, tiny = folder / "2.png", folder / "3.png"
    truncated.write_bytes(truncated.read_bytes()[:200])
    photos = Photos(folder, crop=32, batch=4, seed=0)
    for step in range(6):
        assert photos[step].shape == (4, 3, 32, 32)
    assert set(photos.skipped) == {truncated, tiny}
    assert "truncated" in photos.skipped[truncated] and "24x20 pixels" in photos.skipped[tiny]


def test_the_last_steps_see_a_quarter_of_the_photos_at_twice_the_side() -> None:
    recipe = replace(RECIPE, steps=10, batch=8, crop=40, large=0.3)
    assert [recipe.shape(done) for done in range(10)] == [(8, 40)] * 7 + [(2, 80)] * 3
    assert replace(recipe, large=0.0).shape(9) == (8, 40)
    assert replace(recipe, batch=2, large=1.0).shape(0) == (1, 80)


def test_the_large_crops_of_a_run_are_learned_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    learn = Learner.learn

    def watched(self: Learner, batch: Batch, rate: float, stopping: bool) -> Lesson:
        seen.append(tuple(batch.photo.shape))
        return learn(self, batch, rate, stopping)

    monkeypatch.setattr(Learner, "learn", watched)
    run(replace(RECIPE, batch=4, steps=4, large=0.5))
    assert seen == [(4, 3, 32, 32)] * 2 + [(1, 3, 64, 64)] * 2


def test_a_batch_whose_quarter_cannot_be_shared_is_refused_before_any_work(run: Run) -> None:
    with pytest.raises(RtstyleError, match=r"a batch of 1 .* among 2 processes .* batch is 8 or a multiple"):
        run(replace(RECIPE, batch=4), processes=Processes(count=2))


def test_a_batch_is_the_same_from_any_threads_and_in_any_split(folder: Path) -> None:
    def prepared(share: slice, threads: int) -> list[Batch]:
        photos = Photos(folder, crop=32, batch=4, seed=0)
        sizes = {2: (4, 32), 3: (4, 32), 4: (2, 64), 5: (2, 64)}

        def own(count: int) -> range:
            return range(share.start * count // 4, share.stop * count // 4)

        steps = range(2, 6)
        return list(
            batches(photos, 0.02, steps, threads=threads, pin=False, shape=sizes.__getitem__, share=own)
        )

    whole = prepared(slice(0, 4), 1)
    assert [tuple(batch.photo.shape) for batch in whole] == [(4, 3, 32, 32)] * 2 + [(2, 3, 64, 64)] * 2
    for threads in (1, 3):
        for batch, low, high in zip(
            whole, prepared(slice(0, 2), threads), prepared(slice(2, 4), threads), strict=True
        ):
            assert torch.equal(batch.photo, torch.cat([low.photo, high.photo]))
            for part in ("first", "second", "flow", "visible"):
                halves = [getattr(half.views, part) for half in (low, high)]
                assert torch.equal(getattr(batch.views, part), torch.cat(halves)), part


def test_an_error_in_a_loading_thread_reaches_the_caller(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    photos = Photos(tmp_path, crop=32, batch=1, seed=0)
    with pytest.raises(RtstyleError, match=r"none of the 1 photos can be used; the first: .*a\.jpg"):
        next(batches(photos, 0.0, range(3), threads=2, pin=False))


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
    with pytest.raises(RtstyleError, match="no such folder"):
        Photos(tmp_path / "absent", crop=32, batch=1, seed=0)
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(RtstyleError, match="is a file, not a folder"):
        Photos(tmp_path / "a.jpg", crop=32, batch=1, seed=0)
    with pytest.raises(RtstyleError, match="holds 1 pictures, fewer than the 2 of a batch"):
        Photos(tmp_path, crop=32, batch=2, seed=0)


def test_the_painting_is_read_in_rgb_at_its_size(tmp_path: Path) -> None:
    picture = np.zeros((30, 60, 3), np.uint8)
    picture[..., 0] = 255  # blue, in OpenCV's order
    cv2.imwrite(str(tmp_path / "blue.png"), picture)
    read = read_picture(tmp_path / "blue.png", 15)
    assert read.shape == (3, 15, 30)
    torch.testing.assert_close(read.mean((1, 2)), torch.tensor([0.0, 0.0, 1.0]))


def test_what_is_transparent_is_learned_from_as_white(tmp_path: Path) -> None:
    """Below it a file often holds black, or what was cut away."""
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :20] = 30, 60, 90, 255
    pixels[:, 20:, 3] = np.linspace(255, 0, 20).round()
    cv2.imwrite(str(tmp_path / "cut.png"), pixels)
    photos = Photos(tmp_path, crop=32, batch=1, seed=0)
    for read in (read_picture(tmp_path / "cut.png"), photos.picture_at(0)):
        assert torch.allclose(read[:, :, 0], torch.tensor([[90], [60], [30]]) / 255)
        assert torch.allclose(read[:, 5, 20:], torch.linspace(0, 1, 20), atol=1 / 255)


@pytest.mark.parametrize(
    "number",
    [
        {"steps": 0},
        {"crop": 8},
        {"learning_rate": 0.0},
        {"style_weight": -1.0},
        {"large": 1.5},
        {"large": -0.1},
    ],
)
def test_a_number_that_cannot_work_is_named(number: dict[str, float]) -> None:
    with pytest.raises(RtstyleError, match=next(iter(number))):
        replace(RECIPE, **number)  # type: ignore[arg-type]


def test_one_loss_network_may_do_the_part_of_others() -> None:
    recipe = Recipe().measured_by({"small_vgg19": "vgg19"})
    layers = [*recipe.style_layers, *recipe.content_layers]
    assert len(layers) == len(Recipe().style_layers) + len(Recipe().content_layers)
    assert all(layer.startswith("vgg19.") for layer in layers)
    deep = replace(Recipe(), style_layers={"vgg19.relu3_3": 1.0, "vgg19.relu3_4": 2.0})
    assert deep.measured_by({"vgg19": "vgg16"}).style_layers == {"vgg16.relu3_3": 3.0}


def test_a_weights_file_too_short_or_missing_is_named_before_any_work(tmp_path: Path) -> None:
    shallow = tmp_path / "shallow.safetensors"
    weights = {"features.0.weight": torch.rand(4, 3, 3, 3), "features.0.bias": torch.zeros(4)}
    save_file(weights, shallow)
    with pytest.raises(RtstyleError, match=r"relu2_1 was asked for, .* relu1_1 .*shallow\.safetensors"):
        load_backbones(["vgg19.relu1_1", "vgg19.relu2_1"], {"vgg19": str(shallow)})
    with pytest.raises(RtstyleError, match=r"vgg19: no weights file at '.*gone'"):
        load_backbones(["vgg19.relu1_1"], {"vgg19": str(tmp_path / "gone")})
    with pytest.raises(RtstyleError, match=r"named backbone.layer, such as vgg19.relu1_1"):
        load_backbones(["relu1_1"], {})


def test_a_start_of_another_shape_is_one_clear_line(run: Run) -> None:
    other = build("swift", {"half": 4})
    with pytest.raises(RtstyleError, match=r"cannot go on from a swift of .*'quarter': 32"):
        run(start=other)


def _train_in_one_of_two(rank: int, folder: Path, painting: torch.Tensor, port: int, out: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    heard: list[Step] = []
    with joined(torch.device("cpu")) as processes:
        photos = Photos(folder, crop=SPLIT.crop, batch=SPLIT.batch, seed=SPLIT.seed)
        backbones = tiny_backbone(), tiny_backbone(("relu2_1",))
        network = train(
            SPLIT, photos, painting, *backbones, processes=processes, listener=heard.append,
            checkpoint=out.with_name(f"{rank}.checkpoint"),
        )  # fmt: skip
    torch.save({"weights": network.state_dict(), "terms": [step.terms for step in heard]}, out / f"{rank}")


# Adam divides a gradient by its size, so that rounding of one near 0 shows as far as the rate goes.
SPLIT = replace(RECIPE, batch=8, steps=4, learning_rate=1e-3, large=0.5)


def test_two_processes_learn_what_one_learns_from_the_whole_batch(
    run: Run, folder: Path, painting: torch.Tensor, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    for path in list(folder.iterdir()):
        shutil.copy(path, path.with_name(f"again_{path.name}"))
    out = tmp_path / "out"
    out.mkdir()
    torch.multiprocessing.spawn(_train_in_one_of_two, (folder, painting, port, out), nprocs=2)
    low, high = (torch.load(out / f"{rank}") for rank in range(2))
    heard: list[Step] = []
    alone = run(SPLIT, listener=heard.append)
    assert high["terms"] == [], "only the first process speaks"
    assert [path.name for path in tmp_path.glob("*.checkpoint")] == ["0.checkpoint"]
    for step, terms in zip(heard, low["terms"], strict=True):
        assert terms == pytest.approx(step.terms, rel=1e-4)
    for name, weight in alone.state_dict().items():
        assert torch.equal(low["weights"][name], high["weights"][name]), name
        torch.testing.assert_close(low["weights"][name], weight, atol=2e-4, rtol=1e-3)


@needs_gpu
@pytest.mark.parametrize(("half", "near"), [(False, 0.02), (True, 0.1)])
def test_a_gpu_learns_what_the_processor_learns(run: Run, half: bool, near: float) -> None:
    """``near`` allows for TF32's ten bits of mantissa, and bfloat16's seven."""
    heard: dict[str, list[Step]] = {"cpu": [], "cuda": []}
    run(listener=heard["cpu"].append)
    network = run(replace(RECIPE, bfloat16=half), device="cuda", listener=heard["cuda"].append)
    for there, here in zip(heard["cuda"], heard["cpu"], strict=True):
        assert there.terms == pytest.approx(here.terms, rel=near, abs=1e-4)
    assert {weight.device.type for weight in network.parameters()} == {"cuda"}


def test_a_batch_that_cannot_be_split_evenly_is_one_clear_line(run: Run) -> None:
    with pytest.raises(RtstyleError, match="a batch of 2 cannot be split among 3 processes"):
        run(processes=Processes(0, 3))


def test_a_network_flat_at_the_very_end_gives_its_last_good_state(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.training.health.FIRST_STEPS", 1)
    heard: list[Step] = []
    kept: dict[str, torch.Tensor] = {}

    def paint_gray_late(step: Step) -> None:
        heard.append(step)
        with torch.no_grad():
            for name, weight in step.network.named_parameters():
                if step.number == 4:
                    kept[name] = weight.clone()
                if step.number == 5:
                    weight.zero_()

    network = run(save_every=2, listener=paint_gray_late)
    assert heard[-1].note == "the output turned flat at the end; the state of step 4 is taken"
    for name, weight in network.named_parameters():
        assert torch.equal(weight, kept[name]), name


def test_the_state_of_other_work_is_named(tmp_path: Path) -> None:
    """Both may be NAME.checkpoint; "damaged, delete it" would cost hours."""
    gatys_state.write_state(tmp_path / "painted", Progress(0, 0, {}), {})
    with pytest.raises(RtstyleError, match="is the state of a painting by rtstyle gatys"):
        read_state(tmp_path / "painted", Recipe(), {})
    network = build("swift", {"half": 4, "quarter": 8, "eighth": 8, "eighth_blocks": 1})
    state = State.of(network, torch.optim.Adam(network.parameters()), checkpoint.Progress())
    assert write_state(tmp_path / "trained", state, Recipe(), {}) == ""
    with pytest.raises(RtstyleError, match="is the state of a run of rtstyle train"):
        gatys_state.read_state(tmp_path / "trained", {})
