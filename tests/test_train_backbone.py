"""`rtstyle train-backbone`: two drawn classes are learnt, what is written dreams, slips get one line."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import rtstyle.training.backbone
from rtstyle.cli import main
from rtstyle.errors import RtstyleError
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.picture import Picture
from rtstyle.perception.backbones.weights import read_weights
from rtstyle.training.backbone import Epoch, Trained, load_trainable, train_backbone
from rtstyle.training.backbone_plot import SIZE, draw_epochs
from rtstyle.training.classes import Classes, middle_crop, random_crop, read_classes, split
from tests.test_backbones import PREFIX, vgg_weights

COUNT = 10  # pictures of a class


def drawn(seed: int, lying: bool) -> Tensor:
    """uint8 (3, 40, 48): noisy stripes, lying or standing."""
    random = torch.Generator().manual_seed(seed)
    phase = int(torch.randint(0, 8, (), generator=random))
    place = torch.arange(40)[:, None].expand(40, 48) if lying else torch.arange(48).expand(40, 48)
    stripes = ((place + phase) // 4 % 2).float()
    noise = torch.rand((3, 40, 48), generator=random)
    return (180 * stripes + 75 * noise).to(torch.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    save_file(vgg_weights(PREFIX), folder / "vgg16.safetensors", {"preprocessing": "minus 123.68"})
    for label, name in enumerate(("lying", "standing")):
        (folder / "stripes" / name).mkdir(parents=True)
        for number in range(COUNT):
            picture = Picture(drawn(COUNT * label + number, lying=name == "lying"))
            write_image(folder / "stripes" / name / f"{number}.png", picture)
    (folder / "stripes" / "lying" / "broken.png").write_bytes(b"no picture")
    return folder


def train(folder: Path, out: Path, *more: str) -> int:
    weights = f"vgg16={folder / 'vgg16.safetensors'}"
    quick = (
        "--backbone-weights",
        weights,
        "--crop",
        "32",
        "--epochs",
        "2",
        "--batch",
        "8",
        "--device",
        "cpu",
    )
    which = () if "--compare" in more else ("--backbone", "vgg16")
    return main(["train-backbone", str(folder / "stripes"), "--out", str(out), *which, *quick, *more])


def test_what_is_learnt_dreams(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "stripes.safetensors"
    assert train(folder, out, "--json") == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert (facts["classes"], len(facts["skipped"])) == (["lying", "standing"], 1)
    assert "1 file was left out" in said.err
    assert "broken.png" in said.err
    run = facts["runs"][0]
    assert [epoch["number"] for epoch in run["epochs"]] == [0, 1, 2]
    assert run["accuracy"] == max(epoch["validation_accuracy"] for epoch in run["epochs"]) > 0.5
    assert read_image(facts["plot"]).image.shape == (3, SIZE[1], SIZE[0])
    weights, metadata = read_weights(out)
    assert metadata["preprocessing"] == "minus 123.68"
    before = read_weights(folder / "vgg16.safetensors")[0]
    assert torch.equal(weights["features.0.weight"], before["features.0.weight"]), "frozen"
    assert weights["classifier.weight"].shape == (2, 8)
    capsys.readouterr()
    assert train(folder, out) == 1, "nothing is replaced"
    assert "stripes.safetensors: exists already" in capsys.readouterr().err
    assert train(folder, out.with_name("b.safetensors"), "--plot", facts["plot"]) == 1
    assert "stripes.plot.png: exists already" in capsys.readouterr().err
    photo = str(folder / "stripes" / "lying" / "0.png")
    own = ["--backbone", "vgg16", "--backbone-weights", f"vgg16={out}"]
    painting = str(tmp_path / "painting.png")
    assert main(["gatys", photo, photo, painting, *own, "--steps", "2", "--device", "cpu"]) == 0
    for layers in ("logits:standing", "relu3_2"):
        arguments = [*own, "--layers", layers]
        quick = ["--steps", "2", "--octaves", "1", "--device", "cpu"]
        assert main(["dream", photo, str(tmp_path / f"{layers[:4]}.png"), *arguments, *quick]) == 0


def test_backbones_are_compared_in_one_figure(folder: Path, tmp_path: Path) -> None:
    save_file(vgg_weights(PREFIX), tmp_path / "vgg19.safetensors")
    more = ("--compare", "vgg16,vgg19", "--backbone-weights", f"vgg19={tmp_path / 'vgg19.safetensors'}")
    assert train(folder, tmp_path / "both.safetensors", *more, "--quiet") == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "both-vgg16.safetensors", "both-vgg19.safetensors", "both.plot.png", "vgg19.safetensors",
    }  # fmt: skip


def classes_of(folder: Path) -> tuple[Classes, list[int], list[int]]:
    classes = read_classes(folder / "stripes", 32)
    return classes, *split(classes.labels, 0)


def test_all_that_are_compared_are_read_before_the_first_is_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def load(name: str, *more: object) -> tuple[SimpleNamespace, str]:
        asked.append(name)
        if name == "alexnet":
            raise RtstyleError(f"could not fetch the weights of {name}")
        return SimpleNamespace(smallest=16), "relu1_1"

    monkeypatch.setattr(rtstyle.training.backbone, "load_trainable", load)
    monkeypatch.setattr(rtstyle.training.backbone, "train_backbone", Mock(side_effect=AssertionError))
    assert main(["train-backbone", str(folder), "--compare", "vgg16,alexnet", "--crop", "32"]) == 1
    assert asked == ["vgg16", "alexnet"]
    assert "could not fetch the weights of alexnet" in capsys.readouterr().err


def test_a_stopped_training_gives_its_best(folder: Path) -> None:
    classes, training, validation = classes_of(folder)
    heard: list[Epoch] = []
    backbone, frozen = load_trainable("vgg16", folder / "vgg16.safetensors")
    assert frozen == "relu2_2"
    trained = train_backbone(
        backbone, classes, training, validation, crop=32, epochs=9, rate=1e-3,
        listener=heard.append, stop=lambda: len(heard) == 2,
    )  # fmt: skip
    assert len(heard) == 2
    best = max(heard, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss))
    assert trained.epoch is best
    features = trained.backbone(torch.stack([middle_crop(classes.pictures[n], 32) for n in validation]))
    logits = features["relu3_2"].mean((2, 3)) @ trained.classifier.weight.T + trained.classifier.bias
    labels = torch.tensor([classes.labels[place] for place in validation])
    right = labels[logits.argmax(1) == labels]
    assert tuple(torch.bincount(right, minlength=2).tolist()) == best.right, "of the state that is given"
    backbone, _ = load_trainable("vgg16", folder / "vgg16.safetensors")
    with pytest.raises(KeyboardInterrupt):
        train_backbone(backbone, classes, training, validation, crop=32, stop=lambda: True)


@pytest.mark.parametrize("asked", [True, False])
def test_a_second_ctrl_c_gives_the_best_too(asked: bool, folder: Path) -> None:
    """One that could not wait for the step to end; unasked for, it stays what it is."""
    heard: list[Epoch] = []
    struck: list[int] = []

    def interrupt(done: int, of: int) -> None:
        if len(heard) == 2:
            struck.append(done)
            raise KeyboardInterrupt

    backbone, _ = load_trainable("vgg16", folder / "vgg16.safetensors")

    def train() -> Trained:
        return train_backbone(
            backbone, *classes_of(folder), crop=32, epochs=9, listener=heard.append, progress=interrupt,
            stop=lambda: asked and bool(struck),
        )  # fmt: skip

    if asked:
        assert train().epoch in heard and len(heard) == 2
    else:
        with pytest.raises(KeyboardInterrupt):
            train()


@pytest.mark.parametrize("where", ["learnt", "tested"])
def test_the_best_outlives_a_loss_that_is_lost(
    where: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses: list[bool] = []  # of each one that is checked: two of training and one of validation an epoch
    plain = rtstyle.training.backbone._check_loss

    def check(loss: float, epoch: int, rate: float) -> None:
        losses.append(epoch == 2)
        plain(math.nan if losses.count(True) == (1 if where == "learnt" else 3) else loss, epoch, rate)

    monkeypatch.setattr(rtstyle.training.backbone, "_check_loss", check)
    out = tmp_path / "out.safetensors"
    assert train(folder, out, "--json", "--quiet") == 1
    said = capsys.readouterr()
    run = json.loads(said.out)["runs"][0]
    assert [epoch["number"] for epoch in run["epochs"]] == [0, 1]
    lost = "vgg16: the loss is nan in epoch 2; lower --rate (1e-05)"
    assert said.err == f"rtstyle: {lost}; {out} holds the best before, of epoch {run['best']}\n"
    weights = read_weights(out)[0]
    assert all(bool(weight.isfinite().all()) for weight in weights.values())
    assert (tmp_path / "out.plot.png").exists()


def test_weights_that_are_damaged_are_said(folder: Path, tmp_path: Path) -> None:
    weights = vgg_weights(PREFIX)
    weights["features.12.bias"][0] = math.nan
    save_file(weights, tmp_path / "damaged.safetensors")
    backbone, _ = load_trainable("vgg16", tmp_path / "damaged.safetensors")
    with pytest.raises(RtstyleError, match="relu3_2 is not finite; are the weights to begin with damaged"):
        train_backbone(backbone, *classes_of(folder), crop=32, epochs=1)


def test_every_class_is_split_alike() -> None:
    labels = [0] * 10 + [1] * 30 + [2] * 3
    training, validation = split(labels, 4)
    assert sorted(training + validation) == list(range(43))
    assert [[labels[place] for place in validation].count(label) for label in range(3)] == [2, 6, 1]
    assert split(labels, 4) == (training, validation) != split(labels, 5)


def test_crops_are_parts_of_the_picture() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).expand(3, 64, 64).contiguous()
    random = torch.Generator().manual_seed(0)
    seen = [random_crop(ramp, 16, random) for _ in range(40)]
    rising = [crop[0, 0, -1] > crop[0, 0, 0] for crop in seen]
    assert 8 < sum(rising) < 32, "half of them mirrored"
    spans = [float((crop[0, 0, -1] - crop[0, 0, 0]).abs()) * 255 / 4 for crop in seen]
    assert 0.6 * 64 * 15 / 16 - 2 < min(spans) < max(spans) < 64
    torch.testing.assert_close(middle_crop(ramp[:, :, 16:48], 32), ramp[:, 16:48, 16:48] / 255)


def empty(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()


def few(folder: Path) -> None:
    empty(folder)
    for number in range(3):
        write_image(folder / "one" / f"{number}.png", Picture(drawn(number, True)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "holds no sub-folders"),
        (lambda folder: (folder / "cats").mkdir(), "one sub-folder only, 'cats'"),
        (empty, "one: no pictures there"),
        (few, "3 pictures that can be read; 5 of each"),
    ],
)
def test_folders_that_will_not_do(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    make(tmp_path)
    with pytest.raises(RtstyleError, match=says):
        read_classes(tmp_path, 32)


def test_slips_get_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, tmp_path / "out.pth") == 1
    assert "NAME.safetensors" in capsys.readouterr().err
    assert train(folder, tmp_path / "out.safetensors", "--freeze", "relu3_2") == 1
    assert "nothing comes after relu3_2" in capsys.readouterr().err
    assert train(folder, tmp_path / "out.safetensors", "--freeze", "relu9_9") == 1
    assert "no layer 'relu9_9'" in capsys.readouterr().err
    assert train(folder, tmp_path / "out.safetensors", "--plot", str(tmp_path / "curves.svg")) == 1
    assert "curves.svg: a figure is a picture" in capsys.readouterr().err
    assert train(folder, tmp_path / "out.safetensors", "--crop", "3") == 1
    assert "--crop 3: vgg16 takes 4 pixels a side" in capsys.readouterr().err
    absent = ("--compare", "vgg16,vgg19", "--backbone-weights", "vgg19=none.pth")
    assert train(folder, tmp_path / "out.safetensors", *absent) == 1
    assert "vgg19: no weights file at 'none.pth'" in capsys.readouterr().err
    other = ("--backbone-weights", "vgg19=none.pth")
    assert train(folder, tmp_path / "out.safetensors", *other) == 1
    assert "nothing uses the weights of vgg19, the backbone is vgg16; add" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    before = folder / "vgg16.safetensors"
    assert train(folder, before, "--overwrite") == 1
    assert "is the input itself" in capsys.readouterr().err


def test_the_figure_is_drawn_for_one_epoch_too(tmp_path: Path) -> None:
    epoch = Epoch(0, 3, 0.5, 0.75, 0.0, 1.0, (2, 2), 1.0)
    draw_epochs(tmp_path / "plot.png", {"vgg16": [epoch], "resnet50": [epoch, epoch]})
    assert read_image(tmp_path / "plot.png").image.shape == (3, SIZE[1], SIZE[0])
