"""Pictures rebuilt from what layers keep: near perfect from shallow features, the figure, bad input."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rtstyle.cli import main
from rtstyle.media.image_file import read_image
from rtstyle.media.sheet import draw_sheet
from rtstyle.perception.backbones import TORCHVISION_DEVIATION, TORCHVISION_MEAN, Vgg, load_backbone
from rtstyle.perception.losses import style_error
from rtstyle.stylizers.gatys_objective import style_targets, without_edge
from rtstyle.stylizers.reconstruct import from_content, from_style


def weights(channels: int = 16) -> dict[str, Tensor]:
    """Of VGG19 to relu2_1."""
    random, found = torch.Generator().manual_seed(1), {}
    for index, (before, after) in {
        0: (3, channels),
        2: (channels, channels),
        5: (channels, channels),
    }.items():
        found[f"features.{index}.weight"] = torch.randn(after, before, 3, 3, generator=random) / 5
        found[f"features.{index}.bias"] = torch.randn(after, generator=random) / 5
    return found


def scene() -> Tensor:
    """A disk before a ramp, (3, 32, 40)."""
    picture = np.zeros((32, 40, 3), np.uint8)
    picture[:] = np.linspace(40, 200, 40)[None, :, None]
    cv2.circle(picture, (18, 15), 9, (30, 90, 220), -1)
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


def psnr(found: Tensor, wanted: Tensor) -> float:
    return float(-10 * (found - wanted).square().mean().log10())


def test_the_first_layer_keeps_the_picture() -> None:
    backbone = Vgg("vgg19", ["relu1_1"], weights(), TORCHVISION_MEAN, TORCHVISION_DEVIATION)
    heard: list[int] = []
    found = from_content(backbone, scene(), "relu1_1", 150, listener=lambda step: heard.append(step.number))
    assert psnr(found, scene()) > 30 and heard == list(range(1, 151))
    assert torch.equal(found, from_content(backbone, scene(), "relu1_1", 150))


def test_statistics_keep_the_texture_and_forget_the_places() -> None:
    layers = ["relu1_1", "relu2_1"]
    backbone = Vgg("vgg19", layers, weights(), TORCHVISION_MEAN, TORCHVISION_DEVIATION)
    found = from_style(backbone, scene(), layers, 150)
    targets = style_targets(backbone, scene()[None], layers)
    features = backbone(found[None])
    for layer in layers:
        found_there = without_edge(features[layer], 1, 0, features[layer].shape[2])
        assert float(style_error(found_there, *targets[layer])) < 0.02
    assert psnr(found, scene()) < 20


def test_a_sheet_has_its_pictures_in_rows() -> None:
    red, blue = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    red[0], blue[2] = 255, 255
    sheet = draw_sheet([[("red", red), ("two\nlines", blue)], [("blue", blue)]], title="colours")
    assert int((sheet == torch.tensor([255, 0, 0])[:, None, None]).all(0).sum()) == 600
    assert int((sheet == torch.tensor([0, 0, 255])[:, None, None]).all(0).sum()) == 1200


def test_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_file(weights(), "vgg.safetensors")
    cv2.imwrite("photo.png", scene().mul(255).byte().permute(1, 2, 0).numpy())
    run = ["reconstruct", "photo.png", "figure.png", "--layers", "relu1_1,relu2_1", "--steps", "5"]
    run += ["--backbone-weights", "vgg19=vgg.safetensors"]
    assert main([*run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["layer"] for each in told["layers"]] == ["vgg19.relu1_1", "vgg19.relu2_1"]
    figure = read_image("figure.png").image
    assert figure.shape[2] > 8 + 2 * 48 and figure.shape[1] > 2 * 32  # labels need their room
    assert main(run) == 1
    assert "figure.png: exists already" in capsys.readouterr().err
    assert main([*run[:2], "f.png", "--layers", "relu1_1=2", *run[-2:]]) == 1
    assert "--layers: the figure shows each layer in full" in capsys.readouterr().err
    assert main([*run[:2], "f.png", *run[-2:], "alexnet=vgg.safetensors"]) == 1
    assert "nothing uses the weights of alexnet, the backbone is vgg19" in capsys.readouterr().err
    assert main([*run[:2], "f.png", "--layers", "relu4_1", *run[-2:]]) == 1
    assert "relu4_1 was asked for, but the weights hold only relu1_1" in capsys.readouterr().err


def test_real_layers_keep_the_photo_and_free_it_deeper(assets: Path) -> None:
    file = next((assets / "weights").glob("vgg19_caffe*.safetensors"))
    whole = read_image(next((assets / "gallery").glob("gb82_dog*"))).image / 255
    photo = torch.nn.functional.interpolate(whole[None], (64, 64), mode="area")[0]
    found = [
        psnr(from_content(load_backbone("vgg19", [layer], file), photo, layer, 100), photo)
        for layer in ("relu1_1", "relu2_1", "relu3_1")
    ]
    assert found[0] > 35 and found == sorted(found, reverse=True)
