"""Style files: what is saved comes back, what is damaged or hostile gives one clear line."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.cli import main
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes
from rtstyle.importers import import_checkpoint
from rtstyle.networks import build
from rtstyle.style_file import Style, save_style
from rtstyle.styles import list_styles, load_style, own_folder, style_name

SMALL = {"half": 2, "quarter": 4, "eighth": 4, "quarter_blocks": 1, "eighth_blocks": 1}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own styles folder, away from the real one."""
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A good style file to damage."""
    path = tmp_path / "waves.safetensors"
    save_style(path, build("swift", SMALL), Style("waves", title="Waves"))
    return path


def edited(path: Path, card: dict | None = None, tensors: dict | None = None, **metadata: str) -> Path:
    """Another file, with parts of the card, of the tensors or of the metadata replaced."""
    weights = load_file(path) if tensors is None else tensors
    whole = {"name": "waves", "network": "swift", "config": SMALL, **(card or {})}
    target = path.with_name("edited.safetensors")
    save_file(weights, target, {"rtstyle": json.dumps(whole), "rtstyle_format": "1", **metadata})
    return target


def refusal(path: Path | str) -> str:
    with pytest.raises(RtstyleError) as caught:
        load_style(path)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 500
    return line


@pytest.mark.parametrize("name", ["johnson", "swift"])
def test_a_saved_style_gives_the_same_picture(tmp_path: Path, name: str) -> None:
    network = build(name, {}).eval()
    card = Style("waves", "Waves, by no one", recipe={"steps": 10}, licence="CC0", sources=("a", "b"))
    save_style(tmp_path / "waves.safetensors", network, card)
    style, again = load_style(tmp_path / "waves.safetensors")
    assert (style.name, style.title, style.recipe, style.licence) == (
        "waves",
        card.title,
        {"steps": 10},
        "CC0",
    )
    assert style.sources == ("a", "b")
    assert (style.network, style.config) == (name, network.config)
    image = torch.rand(1, 3, 37, 50)
    assert torch.equal(again(image), network(image))
    assert not again.training
    assert [path.name for path in tmp_path.iterdir()] == ["waves.safetensors"]


def test_half_precision_is_half_the_size_and_loads_as_float(tmp_path: Path) -> None:
    network = build("swift", {})
    save_style(tmp_path / "full.safetensors", network, Style("full"))
    save_style(tmp_path / "half.safetensors", network, Style("half"), half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    _, again = load_style(tmp_path / "half.safetensors")
    assert {weight.dtype for weight in again.state_dict().values()} == {torch.float32}


def test_loading_leaves_the_random_state_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    load_style(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_names_are_found_own_styles_first(own: Path, saved: Path) -> None:
    save_style(own / "waves.safetensors", build("swift", SMALL), Style("called_otherwise", title="Own"))
    (own / "broken.safetensors").write_bytes(b"nothing")
    assert load_style("waves")[0].title == "Own"
    listed = {style.name: style.title for style in list_styles()}
    assert listed["waves"] == "Own"
    assert "broken" not in listed


def test_a_family_is_kept_and_old_cards_have_none(tmp_path: Path, saved: Path) -> None:
    assert load_style(saved)[0].family == ""
    assert load_style(edited(saved))[0].family == "", "a card written before there were families"
    assert load_style(edited(saved, {"family": "sea"}))[0].family == "sea"
    assert "'family' is no str" in refusal(edited(saved, {"family": ["sea"]}))
    save_style(tmp_path / "b.safetensors", build("swift", SMALL), Style("b", family="sea"))
    assert load_style(tmp_path / "b.safetensors")[0].family == "sea"


def test_what_a_style_is_called() -> None:
    assert style_name("waves") == "waves"
    assert style_name("v1.2") == "v1.2"
    assert style_name("folder/waves.safetensors") == style_name(Path("waves.old")) == "waves"


def test_an_unknown_name_lists_the_known_and_the_closest(own: Path) -> None:
    save_style(own / "great_wave.safetensors", build("swift", SMALL), Style("great_wave"))
    line = refusal("Great Wav")
    assert "did you mean 'great_wave'?" in line
    assert "no style named 'Great Wav'" in line
    assert "no style file at" in refusal("nowhere/great_wave.safetensors")
    assert "'paintings/wave.JPG' is a picture, not a style; 'rtstyle train'" in refusal("paintings/wave.JPG")


def test_own_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RTSTYLE_STYLES")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert own_folder() == Path("/data/rtstyle/styles")


def test_listing_styles_needs_no_torch(own: Path, saved: Path) -> None:
    own.mkdir()
    saved.rename(own / "waves.safetensors")
    code = "import sys, rtstyle.styles as s; print(s.list_styles()[-1].name, 'torch' in sys.modules)"
    environment = {**os.environ, "RTSTYLE_STYLES": str(own)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert said.stdout.split()[1:] == ["False"], said.stderr


def test_bytes_that_are_no_style(tmp_path: Path, saved: Path) -> None:
    path = tmp_path / "bad.safetensors"
    good = saved.read_bytes()
    cases = {
        "is not a": [b"", b"hello world, this is text", (1 << 40).to_bytes(8, "little") + good[8:]],
        "is truncated": [good[:-1], good[: len(good) // 2], good[:100]],
    }
    for expected, contents in cases.items():
        for content in contents:
            path.write_bytes(content)
            assert expected in refusal(path)
    path.write_bytes(pickle.dumps({"weight": os.getcwd}))
    assert "is not a" in refusal(path)
    with path.open("wb") as file:
        torch.save({"a": torch.zeros(3)}, file)
    assert "is not a" in refusal(path)


def test_cards_that_are_wrong(saved: Path) -> None:
    save_file(load_file(saved), saved.with_name("bare.safetensors"))
    assert "no card" in refusal(saved.with_name("bare.safetensors"))
    assert "format '99'" in refusal(edited(saved, rtstyle_format="99"))
    assert "no JSON" in refusal(edited(saved, rtstyle="{"))
    assert "no JSON" in refusal(edited(saved, rtstyle="[" * 200_000))
    assert "without a name" in refusal(edited(saved, rtstyle="[1]"))
    assert "'config' is no dict" in refusal(edited(saved, {"config": 3}))
    assert "'title' is no str" in refusal(edited(saved, {"title": ["a"]}))
    assert "control characters" in refusal(edited(saved, {"title": "two\nlines"}))
    assert "'sources'" in refusal(edited(saved, {"sources": [1]}))


def test_networks_that_are_wrong(saved: Path) -> None:
    assert "builds no network here" in refusal(edited(saved, {"network": "unheard_of"}))
    assert "builds no network here" in refusal(edited(saved, {"config": {"depth": 3}}))
    for number in (10**9, -1, 0, 1.5, True, None, "8", float("nan"), [4] * 9999):
        assert "builds no network here" in refusal(edited(saved, {"config": {**SMALL, "half": number}}))
    assert "does not fit" in refusal(edited(saved, {"config": {**SMALL, "eighth_blocks": 2}}))
    assert "expected" in refusal(edited(saved, {"config": {**SMALL, "half": 3}}))


def test_the_largest_network_a_card_may_ask_for_is_refused_at_once(saved: Path) -> None:
    """Its weights would fill 80 GB: they are never laid out."""
    assert "is missing" in refusal(edited(saved, {"config": dict.fromkeys(SMALL, 1024)}))


def test_weights_that_are_wrong(saved: Path) -> None:
    weights = load_file(saved)
    assert "extra" in refusal(edited(saved, tensors={**weights, "extra": torch.zeros(1)}))
    assert "is missing" in refusal(edited(saved, tensors=dict(list(weights.items())[1:])))
    key = "up1.conv2d.bias"
    assert "I64" in refusal(edited(saved, tensors={**weights, key: weights[key].long()}))
    assert key in refusal(edited(saved, tensors={**weights, key: weights[key] * torch.nan}))


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    network = build("swift", SMALL)
    with pytest.raises(RtstyleError, match="letters"):
        save_style(tmp_path / "a.safetensors", network, Style("a:b"))
    with pytest.raises(RtstyleError, match=r"NAME\.safetensors"):
        save_style(tmp_path / "a.pth", network, Style("a"))
    with torch.no_grad():
        next(network.parameters())[0] = torch.inf
    with pytest.raises(RtstyleError, match="not finite"):
        save_style(tmp_path / "a.safetensors", network, Style("a"))
    assert list(tmp_path.iterdir()) == []


class FamilyConv(nn.Module):
    def __init__(self, inner: int, outer: int, size: int, stride: int = 1, enlarge: int = 1) -> None:
        super().__init__()
        self.enlarge, self.pad = enlarge, nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(inner, outer, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2d(self.pad(F.interpolate(x, scale_factor=self.enlarge, mode="nearest")))


class FamilyBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = FamilyConv(channels, channels, 3), FamilyConv(channels, channels, 3)
        self.in1, self.in2 = (nn.InstanceNorm2d(channels, affine=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))


class Family(nn.Module):
    """What the pytorch/examples fast-neural-style family computes: 0-255 in, about 0-255 out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = FamilyConv(3, 32, 9), nn.InstanceNorm2d(32, affine=True)
        self.conv2, self.in2 = FamilyConv(32, 64, 3, stride=2), nn.InstanceNorm2d(64, affine=True)
        self.conv3, self.in3 = FamilyConv(64, 128, 3, stride=2), nn.InstanceNorm2d(128, affine=True)
        for number in range(1, 6):
            self.add_module(f"res{number}", FamilyBlock(128))
        self.deconv1, self.in4 = FamilyConv(128, 64, 3, enlarge=2), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = FamilyConv(64, 32, 3, enlarge=2), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = FamilyConv(32, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in ((self.conv1, self.in1), (self.conv2, self.in2), (self.conv3, self.in3)):
            x = F.relu(norm(conv(x)))
        for number in range(1, 6):
            x = getattr(self, f"res{number}")(x)
        for conv, norm in ((self.deconv1, self.in4), (self.deconv2, self.in5)):
            x = F.relu(norm(conv(x)))
        return self.deconv3(x)


def difference(theirs: nn.Module, ours: nn.Module, picture: Tensor) -> float:
    """Mean absolute difference in steps of 255 between both pictures of uint8 (3, H, W), rounded."""
    with torch.inference_mode():
        expected = theirs.eval()(picture.float()[None]).clamp(0, 255).round()
        found = to_bytes(ours(picture.float()[None] / 255))
    assert expected.std() > 10, "a blank picture would prove nothing"
    return float((found.float() - expected).abs().mean())


def lively() -> Family:
    """Random weights whose pictures use the whole range."""
    torch.manual_seed(3)
    network = Family()
    with torch.no_grad():
        network.deconv3.conv2d.weight.mul_(200)
        network.deconv3.conv2d.bias.fill_(120)
    return network


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors", "parallel", "old", "2017"])
def test_an_imported_checkpoint_gives_the_familys_picture(tmp_path: Path, kind: str) -> None:
    theirs = lively()
    state = theirs.state_dict()
    path = tmp_path / ("My Mosaic.safetensors" if kind == "safetensors" else "My Mosaic.pth")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "parallel":
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    elif kind == "old":
        unused = {f"in{n}.running_mean": torch.zeros(8) for n in range(1, 6)}
        unused |= {"res1.in1.running_var": torch.ones(8), "in2.num_batches_tracked": torch.tensor(4)}
        torch.save({**state, **unused}, path)
    elif kind == "2017":
        norm = re.compile(r"(in\d)\.(weight|bias)$")
        name = {"weight": "scale", "bias": "shift"}
        torch.save({norm.sub(lambda m: f"{m[1]}.{name[m[2]]}", key): v for key, v in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    style, ours = import_checkpoint(path)
    assert style.family.startswith(f"{style.name}-"), "what is trained on from here mixes with it"
    assert (style.name, style.network) == ("my_mosaic", "johnson")
    picture = torch.randint(0, 256, (3, 36, 44), dtype=torch.uint8)
    assert difference(theirs, ours, picture) < 0.01
    save_style(tmp_path / "again.safetensors", ours, style)
    assert difference(theirs, load_style(tmp_path / "again.safetensors")[1], picture) < 0.01


@pytest.mark.parametrize("name", ["mosaic", "candy"])
def test_a_real_peer_gives_the_familys_picture_of_a_photo(name: str, assets: Path) -> None:
    path = assets / "peers" / f"{name}_fp16.safetensors"
    photo = Image.open(assets / "gallery" / "kodak_15.jpg").convert("RGB")
    photo = photo.resize((photo.width // 12 * 4, photo.height // 12 * 4))
    theirs = Family()
    theirs.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    picture = torch.frombuffer(bytearray(photo.tobytes()), dtype=torch.uint8)
    picture = picture.view(photo.height, photo.width, 3).permute(2, 0, 1)
    _, ours = import_checkpoint(path)
    assert difference(theirs, ours, picture) < 0.5


def test_checkpoints_of_other_layouts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    contents: dict[str, object] = {
        "no checkpoint of the pytorch/examples": {"up1.weight": torch.zeros(3)},
        "no plain table of weights": [torch.zeros(3)],
        "objects that need code to load; save the network's state_dict": {"weight": pytest.fixture},
    }
    for expected, content in contents.items():
        torch.save(content, path)
        with pytest.raises(RtstyleError, match=expected):
            import_checkpoint(path)
    for damaged in (b"PK\x03\x04 cut short", b"hello world", b""):
        path.write_bytes(damaged)
        with pytest.raises(RtstyleError, match=r"cannot be read as weights: it is no .pth.*or is damaged$"):
            import_checkpoint(path)
    with pytest.raises(RtstyleError, match="no checkpoint at"):
        import_checkpoint(tmp_path / "none.pth")


def test_a_file_that_is_no_style_does_not_hide_a_shipped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "own" / "starry_night.safetensors").write_bytes(b"")
    assert load_style("starry_night")[0].name == "starry_night"
    assert "starry_night" in {style.name for style in list_styles()}
    assert main(["styles", "--json", "list"]) == 0
    printed = capsys.readouterr()
    assert "starry_night" in {card["name"] for card in json.loads(printed.out)["styles"]}
    assert "left out: " in printed.err and "starry_night.safetensors" in printed.err
