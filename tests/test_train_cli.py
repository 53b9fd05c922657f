"""``rtstyle train``: from a picture or a recipe file to a style, with a tiny network and loss network."""

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import rtstyle.cli.train_report
import rtstyle.training
import rtstyle.training.plan
from rtstyle.cli import main
from rtstyle.cli.train_report import Report
from rtstyle.errors import RtstyleError
from rtstyle.media.output import Claim
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.networks import build
from rtstyle.perception.backbones.vgg import PLANS
from rtstyle.style_file import Style, save_style
from rtstyle.styles import load_style
from rtstyle.training.plot import LossPlot
from rtstyle.training.recipe import Recipe
from rtstyle.training.recipe_file import make_recipe, read_recipe_file
from rtstyle.training.train import Step
from tests.test_backbones import vgg_weights

TINY = {"half": 4, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1}
NUMBERS = ["--steps", "3", "--batch", "2", "--crop", "32", "--style-size", "40", "--quiet"]
FIT = ["picture.png", "--content", "photos", "--backbone-weights", "vgg19=vgg.safetensors"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: picture.png, photos/, a loss network vgg.safetensors, styles to begin from."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for path in (*(f"photos/{number}.png" for number in range(4)), "picture.png"):
        coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / path), cv2.resize(coarse, (60, 50), interpolation=cv2.INTER_CUBIC))
    dice = torch.Generator().manual_seed(0)
    weights, channels, index = {}, 3, 0
    for count in (2, 2, 4, 4, 1):  # the convolutions of VGG19's blocks, to relu5_1
        for _ in range(count):
            weights[f"features.{index}.weight"] = torch.randn(4, channels, 3, 3, generator=dice) / 3
            weights[f"features.{index}.bias"] = torch.zeros(4)
            channels, index = 4, index + 2
        index += 1
    save_file(weights, tmp_path / "vgg.safetensors")
    torch.manual_seed(0)
    for name, family in (("moon", "night"), ("noon", "day"), ("plain_strokes", "night")):
        card = Style(name, family=family)
        save_style(tmp_path / "styles" / f"{name}.safetensors", build("swift", TINY), card)
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "styles"))
    shipped = sorted((tmp_path / "styles").iterdir())
    monkeypatch.setattr(rtstyle.training.plan, "shipped_files", lambda: shipped)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*arguments: str) -> int:
    return main(["train", *arguments])


def fit(*arguments: str) -> int:
    return train(*FIT, *NUMBERS, *arguments)


def test_clips_teach_steadiness_too(place: Path) -> None:
    source = SyntheticSource(96, 64, seconds=1)
    (place / "clips").mkdir()
    with source, VideoFileSink(place / "clips" / "scene.mp4", source.info) as sink:
        for frame in source:
            sink.write(frame)
    assert fit("--out", "with.safetensors", "--clips", "clips") == 0
    assert fit("--out", "without.safetensors") == 0
    states = [load_style(place / f"{name}.safetensors")[1].state_dict() for name in ("with", "without")]
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_picture_becomes_a_style_of_its_starts_family(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "photos" / "broken.jpg").write_bytes(b"nothing")
    assert fit("--out", "new/mine.safetensors", "--half", "--json") == 0
    card, network = load_style(place / "new" / "mine.safetensors")
    assert (card.name, card.network, card.family) == ("mine", "swift", "night")
    assert (card.recipe["steps"], card.recipe["start"]) == (3, {"mix": {"moon": 0.5, "plain_strokes": 0.5}})
    assert card.recipe["style_weight"] == Recipe().style_weight
    # Without a file of the small network, VGG19 itself measured its layers.
    assert all(name.startswith("vgg19.") for name in card.recipe["content_layers"])
    assert card.loss_network == "vgg19 (vgg.safetensors)"
    moon, plain = (load_style(name)[1].state_dict() for name in ("moon", "plain_strokes"))
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, (moon[name] + plain[name]) / 2, atol=0.01, rtol=0)
    assert network.state_dict()["skip.weight"].abs().max() > 0, "it was 0 before training"
    left = sorted(path.name for path in (place / "new").iterdir())
    assert left == ["mine.plot.png", "mine.preview.png", "mine.safetensors"]
    assert cv2.imread(str(place / "new" / "mine.preview.png")).std() > 10
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == 3 and told["images_per_second"] > 0 and 0 <= told["waiting_for_data"] <= 1
    assert len(told["left_out"]) == 1 and "broken.jpg" in told["left_out"][0]


def test_a_recipe_file_says_all(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place / "recipes"
    folder.mkdir()
    (folder / "waves.toml").write_text(
        """
        picture = "../picture.png"
        content = "../photos"
        title = "Waves"
        licence = "CC0"
        sources = ["painted here"]
        full = true
        network = "johnson"
        steps = 1
        batch = 1
        crop = 32
        style_size = 40
        style_weight = 5
        [config]
        width = 2
        [style_layers]
        "vgg19.relu2_1" = 1.0
        [content_layers]
        "vgg19.relu3_4" = 1
        [backbone_weights]
        vgg19 = "../vgg.safetensors"
        """
    )
    assert train("recipes/waves.toml", "--steps", "2", "--loss-network", "vgg19", "--quiet") == 0
    card, _ = load_style(place / "waves.safetensors")
    assert (card.title, card.licence, card.sources) == ("Waves", "CC0", ("painted here",))
    assert (card.network, card.config) == ("johnson", {"width": 2})
    assert (card.recipe["steps"], card.recipe["style_weight"]) == (2, 5.0)
    assert card.recipe["content_layers"] == {"vgg19.relu3_4": 1.0}
    assert card.family.startswith("waves-") and "start" not in card.recipe


def test_vgg16_may_measure(place: Path) -> None:
    sixteen = vgg_weights({index: (4 if index else 3, 4) for index in PLANS["vgg16"].values()})
    save_file(sixteen, place / "vgg16.safetensors")
    arguments = ["--loss-network", "vgg16", "--backbone-weights", "vgg16=vgg16.safetensors"]
    text = (
        'picture = "picture.png"\ncontent = "photos"\n[style_layers]\n"vgg19.relu2_1" = 1.0\n'
        '[content_layers]\n"small_vgg19.relu3_3" = 1.0\n'
    )
    (place / "r.toml").write_text(text)
    assert train("r.toml", *arguments, *NUMBERS) == 0
    (place / "said.toml").write_text(
        f'loss_network = "vgg16"\n{text}[backbone_weights]\nvgg16 = "vgg16.safetensors"\n'
    )
    assert train("said.toml", *NUMBERS) == 0
    cards = [load_style(place / f"{name}.safetensors")[0] for name in ("r", "said")]
    assert cards[0].recipe == cards[1].recipe
    assert [card.loss_network for card in cards] == ["vgg16 (vgg16.safetensors)"] * 2
    recipe = cards[0].recipe
    assert (*recipe["style_layers"], *recipe["content_layers"]) == ("vgg16.relu2_1", "vgg16.relu3_3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stlye_weight = 1.0", "unknown key 'stlye_weight'; did you mean 'style_weight'?"),
        ("steps = 1.5", "steps is 1.5; it must be a whole number"),
        ('style_layers = {"vgg19.relu1_1" = "1"}', "style_layers.vgg19.relu1_1 is '1'; it must be a number"),
        ("steps =", "is no TOML"),
        ('picture = "p.png"', "the folder of training photos is not given (--content DIR)"),
        ('full = true\nstart = "a"\npicture = "p"\ncontent = "c"', "yet start is 'a'; drop one"),
        (
            'network = "fast"\npicture = "p"\ncontent = "c"',
            "no network named 'fast'; there are: johnson, swift",
        ),
        ("style_weight = inf", "style_weight is inf; it takes a finite number"),
        ('style_layers = {"vgg19.relu1_1" = -1}', "vgg19.relu1_1 is -1.0; allowed are numbers from 0 up"),
        ("style_layers = {}", "style_layers has no layer above 0"),
        ('loss_network = "vgg11"\npicture = "p"\ncontent = "c"', "allowed are vgg19 and vgg16"),
        ("seed = -1", "seed is -1; allowed are whole numbers from 0"),
        ('style_layers = {"relu1_1" = 1}', "a layer is named backbone.layer, such as vgg19.relu1_1"),
        ('style_layers = {"vgg19.relu9_1" = 1}', "vgg19 has no layer 'relu9_1'; did you mean"),
    ],
)
def test_a_recipe_file_that_cannot_work_is_one_clear_line(
    text: str, said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "_layers" in text or "_weight =" in text or "seed" in text:
        text = f'{text}\npicture = "picture.png"\ncontent = "photos"\n'
    (place / "r.toml").write_text(text, encoding="utf-8-sig")  # as Windows' editor writes it
    assert train("r.toml", "--backbone-weights", "vgg19=vgg.safetensors") == 1
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--content", "absent"], "absent: no such folder"),
        (["--content", "styles"], "styles: no pictures there"),
        (["--batch", "5"], "holds 4 pictures, fewer than the 5 of a batch"),
        (["--backbone-weights", "vgg19=gone.safetensors"], "vgg19: no weights file at 'gone.safetensors'"),
        (["--backbone-weights", "small_vgg19=vgg.safetensors"], "weights of vgg19, not of small_vgg19"),
        (["--out", "old.safetensors"], "exists already; use --overwrite"),
        (["--out", "new.safetensors"], "new.best.safetensors: exists already; use --overwrite"),
        (["--plot", "mine.png"], "mine.png: exists already; use --overwrite"),
        (["--preview", "mine.png"], "mine.png: exists already; use --overwrite"),
        (["--preview", "picture.png", "--overwrite"], "picture.png: is the input itself"),
        (
            ["--start", "styles/a.best.safetensors", "--out", "styles/a.safetensors", "--overwrite"],
            "a.best.safetensors: is the input itself",
        ),
        (["--plot", "curves.svg"], "--plot curves.svg: a figure is a picture"),
        (["--backbone-weights", "vgg16=vgg.safetensors"], "the backbone is vgg19; add --loss-network vgg16"),
        (["--out", "picture.png/x.safetensors"], "picture.png: cannot make this folder"),
        (["--out", "mine.pth"], "a style is saved as NAME.safetensors"),
        (["--start", "plain_stroke"], "did you mean 'plain_strokes'?"),
        (["--network", "johnson", "--start", "plain_strokes"], "is a swift, network says johnson"),
        (["--network", "johnson"], "no shipped style of network 'johnson' is there to go on from"),
        (["--steps", "0"], "steps is 0; the least allowed is 1"),
        (["--clips", "absent"], "absent: no such folder"),
        (["--plot", "one.png", "--preview", "one.png"], "--plot and --preview are both one.png"),
    ],
)
def test_what_cannot_work_is_one_clear_line_before_any_work(
    arguments: list[str], said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [place / name for name in ("old.safetensors", "new.best.safetensors", "mine.png")]
    for path in kept:
        path.write_bytes(b"old")
    shutil.copy(place / "styles" / "plain_strokes.safetensors", place / "styles" / "a.best.safetensors")
    assert fit(*arguments) == 1
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
    assert [path.read_bytes() for path in kept] == [b"old"] * 3
    assert not list(place.glob("*.p*ng.p*")) and not list(place.glob("*.checkpoint"))


def test_a_picture_that_cannot_be_read_is_one_clear_line(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("absent.jpg", "--content", "photos") == 1
    assert "cannot read picture 'absent.jpg'" in capsys.readouterr().err
    (place / "bad.jpg").write_bytes(b"nothing")
    assert train("bad.jpg", "--content", "photos") == 1
    assert "cannot read picture 'bad.jpg'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((30, 60), "is 60x30 pixels; a style needs 32 or more a side"),
        ((40, 800), "is 800x40 pixels, over 16 times as long as wide; cut a part out"),
        ((40, 60), "is of one colour; there is no style to learn"),
    ],
)
def test_a_picture_without_a_style_is_one_clear_line(
    size: tuple[int, int], said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(place / "picture.png"), np.full((*size, 3), 90, np.uint8))
    assert fit("--out", "mine.safetensors") == 1
    assert said in capsys.readouterr().err
    assert not list(place.glob("mine*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_does(
    number: int, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[int] = []
    drawn: list[int] = []

    def listen(plot: LossPlot, step: Step) -> None:
        heard.append(step.number)
        if heard == [1]:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(LossPlot, "__call__", listen)
    monkeypatch.setattr(LossPlot, "add", lambda plot, step, groups: drawn.append(step))
    arguments = *FIT, *NUMBERS[:-1], "--preview", "sheet.png"
    monkeypatch.setattr(rtstyle.cli.train_report, "EVERY", 1)
    assert train(*arguments) == 130
    error = capsys.readouterr().err
    assert "the state is kept in picture.checkpoint; the same command goes on from there" in error
    assert heard == [1, 2] and not (place / "picture.safetensors").exists()
    assert (place / "sheet.png").exists(), "of the run that goes on, which may replace it"
    assert train(*arguments) == 0
    error = capsys.readouterr().err
    assert heard == [1, 2, 3] and "going on from step 2" in error
    assert drawn == [1, 2], "the curves begin where the run did"
    assert "4 photos are few; with some hundreds a style suits more pictures" in error
    assert "step 3/3  content" in error and "images/s" in error and "waiting for data" in error
    assert not (place / "picture.checkpoint").exists()


def test_a_style_that_could_not_be_written_is_written_by_the_same_command(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = rtstyle.training.plan.save_trained

    def full(path: Path, *rest: object) -> None:
        if path.name == "picture.safetensors":
            raise RtstyleError(f"{path}: cannot be written (No space left on device)")
        save(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rtstyle.training.plan, "save_trained", full)
    arguments = *FIT, *NUMBERS[:-1]
    assert train(*arguments) == 1
    assert "No space left" in capsys.readouterr().err and (place / "picture.best.safetensors").exists()
    monkeypatch.setattr(rtstyle.training.plan, "save_trained", save)
    assert train(*arguments) == 0
    assert "the objective was lower" not in capsys.readouterr().err
    assert not (place / "picture.best.safetensors").exists()


def test_steps_that_taught_nothing_are_counted_and_photos_named_when_stopped(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "photos" / "broken.jpg").write_bytes(b"nothing")
    hear = LossPlot.__call__

    def stopped_at_two(plot: LossPlot, step: Step) -> None:
        hear(plot, step)
        if step.number == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(LossPlot, "__call__", stopped_at_two)
    arguments = *FIT, *NUMBERS[:-1], "--steps", "9"
    assert train(*arguments) == 130
    assert "1 file was left out" in capsys.readouterr().err
    monkeypatch.setattr(LossPlot, "__call__", hear)
    listen = Report.__call__
    lost = lambda report, step: listen(report, replace(step, skipped=step.number in (5, 6)))  # noqa: E731
    monkeypatch.setattr(Report, "__call__", lost)
    assert train(*arguments, "--json") == 0
    told = capsys.readouterr()
    assert "2 of them without effect, not finite" in told.err and json.loads(told.out)["not_finite"] == 2


def test_a_killed_run_does_not_stand_in_its_own_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its preview comes before the first state is kept, its plot however it ends."""
    hear = LossPlot.__call__

    def killed_at_two(plot: LossPlot, step: Step) -> None:
        hear(plot, step)
        if step.number == 2:
            raise SystemExit

    monkeypatch.setattr(LossPlot, "__call__", killed_at_two)
    monkeypatch.setattr(rtstyle.cli.train_report, "EVERY", 1)
    with pytest.raises(SystemExit):
        fit()
    assert {"picture.preview.png", "picture.plot.png"} <= {path.name for path in place.iterdir()}
    monkeypatch.setattr(LossPlot, "__call__", hear)
    assert fit() == 0 and (place / "picture.safetensors").exists()


def test_a_run_does_not_end_for_its_preview(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Report.__enter__

    def taken(report: Report) -> Report:
        for name in ("sheet.png", "plot.png"):  # somebody makes folders of these names meanwhile
            (place / name).mkdir()
        return begin(report)

    monkeypatch.setattr(Report, "__enter__", taken)
    assert train(*FIT, *NUMBERS[:-1], "--preview", "sheet.png", "--plot", "plot.png") == 0
    error = capsys.readouterr().err
    assert "cannot write picture 'sheet.png'" in error and "cannot write picture 'plot.png'" in error
    assert (place / "picture.safetensors").exists()


def test_a_preview_shows_the_photos_it_is_given(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(place / "me.png"), np.full((240, 320, 3), (20, 200, 240), np.uint8))  # yellow
    assert train(*FIT, *NUMBERS, "--preview-photo", "me.png", "--preview", "sheet.png") == 0
    sheet = cv2.imread(str(place / "sheet.png"))
    first_input = sheet[60:280, 20:300]
    assert np.abs(first_input.reshape(-1, 3).mean(0) - (20, 200, 240)).max() < 10
    assert train(*FIT, *NUMBERS, *["--preview-photo", "me.png"] * 3, "--overwrite") == 1
    assert "a preview shows 2 photos; got 3" in capsys.readouterr().err


def test_tensorboard_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr("rtstyle.training.data.read_painting", None)  # before any work
    assert fit("--tensorboard", "board") == 1
    assert "needs TensorBoard: pip install 'rtstyle[train]'" in capsys.readouterr().err


def test_the_plot_shows_its_curves(place: Path) -> None:
    plot = LossPlot(place / "plot.png")
    plot.draw()
    assert not (place / "plot.png").exists(), "nothing was heard"
    network = build("swift", TINY)
    for number in range(1, 40):
        terms = {"content a": 0.5, "style a": 4.0 / number, "style b": 1.0, "temporal": 0.0, "variation": 0.1}
        plot(Step(number, 40, terms, 1e-3, 1.0, 0.1, False, "", network))
    plot.draw()
    drawn = cv2.imread(str(place / "plot.png"), cv2.IMREAD_COLOR_RGB)[60:530, 90:960].reshape(-1, 3)
    for colour, seen in (("1f77b4", True), ("d62728", True), ("2ca02c", False)):
        near = np.abs(drawn.astype(int) - list(bytes.fromhex(colour))).max(1) < 30
        assert (near.sum() > 300) == seen, colour


def test_every_shipped_recipe_is_one() -> None:
    paths = sorted((Path(rtstyle.training.__file__).parent / "recipes").glob("*.toml"))
    assert len(paths) >= 16
    for path in paths:
        settings = read_recipe_file(path)
        picture = Path(settings["picture"]).stem
        assert settings["title"] and path.stem.removesuffix("_johnson") == picture
        assert make_recipe(settings).network == ("swift" if path.stem == picture else "johnson")


def test_defaults_are_of_what_it_begins_from(place: Path) -> None:
    from rtstyle.training.plan import make_plan

    torch.manual_seed(0)
    save_style(place / "other.safetensors", build("johnson", {"width": 4}), Style("other", family="day"))
    given = {"picture": place / "picture.png", "content": place / "photos"}
    fit, other = (
        make_plan(given | {"start": start}).recipe for start in ("plain_strokes", "other.safetensors")
    )
    assert "small_vgg19.relu4_1" in fit.style_layers
    for alone in ({"loss_network": "vgg19"}, {"backbone_weights": {"vgg19": "vgg.safetensors"}}):
        assert "vgg19.relu4_1" in make_plan(given | alone).recipe.style_layers
    full = make_plan(given | {"full": True}).recipe
    slow = make_plan(given, fast=False).recipe
    assert (fit.steps, slow.steps, full.steps) == (2400, 750, 6000)
    assert make_plan(given | {"steps": 9}, fast=False).recipe.steps == 9
    assert (fit.learning_rate, other.learning_rate, full.learning_rate) == (3e-3, 1.5e-3, 1.5e-3)
    assert make_plan(given | {"full": True, "learning_rate": 1e-4}).recipe.learning_rate == 1e-4


def test_its_own_pictures_are_no_photos_to_learn_from(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written among the photos they would be learned from, and a stopped run would not go on."""
    arguments = *FIT, *NUMBERS[:-1], "--out", "photos/mine.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(rtstyle.cli.train_report, "EVERY", 1)
        patch.setattr(LossPlot, "__call__", lambda plot, step: os.kill(os.getpid(), signal.SIGINT))
        assert train(*arguments) == 130
    assert (place / "photos" / "mine.preview.png").exists()
    capsys.readouterr()
    assert train(*arguments) == 0
    assert "going on from step" in capsys.readouterr().err


def test_two_runs_do_not_make_one_style(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = Claim(place / ".picture.lock")
    assert fit() == 1
    assert "picture.safetensors: another run is writing this" in capsys.readouterr().err
    claim.release()
    assert fit() == 0
    assert not (place / ".picture.lock").exists()


def test_a_pictures_name_becomes_a_styles(place: Path) -> None:
    (place / "picture.png").rename(place / "Starry Night (1).png")
    assert train("Starry Night (1).png", *FIT[1:], *NUMBERS) == 0
    assert (place / "Starry_Night_1.safetensors").exists()


def test_weights_of_a_recipe_that_nothing_reads_are_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "r.toml").write_text(
        'picture = "picture.png"\ncontent = "photos"\n[backbone_weights]\n'
        'vgg19 = "vgg.safetensors"\nsmal_vgg19 = "vgg.safetensors"\n'
    )
    assert train("r.toml", *NUMBERS) == 1
    assert "nothing uses the weights of smal_vgg19" in capsys.readouterr().err
