"""What may be computed in 8 bits: ranges, which convolutions, and what a style's card must say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

import rtstyle.engines
from rtstyle.engines import load_engine, missing
from rtstyle.engines.eager import Eager
from rtstyle.engines.reduced import Reduced, as_card, balanced, choose, measure_ranges, passes, proven
from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.style_file import Style, rewrite_card, save_style
from rtstyle.styles import load_style
from rtstyle.stylizers.loading import load_palette, load_stylizer

SMALL = {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}
GOOD = {"psnr": 41.0, "style_error": 1.01, "flicker": 1.02}


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return build("swift", SMALL).eval()


def ranges(network: Network) -> dict[str, Any]:
    return measure_ranges(network, [torch.rand(3, 24, 24), 0.5 * torch.rand(3, 24, 24)])


def test_ranges_are_the_extremes_over_all_pictures(network: Network) -> None:
    pictures = [torch.full((3, 16, 16), 0.25), torch.full((3, 16, 16), 0.75)]
    found = measure_ranges(network, pictures)
    assert set(found) == {name for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
    top, signed = found["skip"]  # its input is the picture itself
    assert torch.equal(top, torch.full((3,), 0.75)) and not signed
    assert found["narrow"][1]  # after a norm and a sum: of both signs
    assert not any(each._forward_pre_hooks for each in network.modules())


def test_balancing_keeps_the_sum_and_evens_channels_out() -> None:
    values, kernel = torch.tensor([100.0, 1.0]), torch.tensor([[0.01, 1.0]])[:, :, None, None]
    scales, limit = balanced(values, kernel)
    # sqrt(100 / 0.01) = 100 and sqrt(1 / 1) = 1, by the larger; divided, the channels reach 100 and 100.
    assert scales.tolist() == pytest.approx([1, 0.01]) and limit == pytest.approx(100)
    assert float((values / scales * (kernel[0, :, 0, 0] * scales)).sum()) == pytest.approx(2.0)


def test_convolutions_are_chosen_until_the_flicker_is_used_up() -> None:
    # The room is 1.05² - 1 = 0.1025; 1.01 and 1.02 add 0.0201 and 0.0404, 1.03 would add 0.0609.
    added = {"c": 1.03, "a": 1.01, "b": 1.02, "steadier": 0.99}
    assert choose(added, 1.0) == ["steadier", "a", "b"]
    assert choose(added, 1.035) == ["steadier", "a"]
    assert choose(added, 1.06) == []


@pytest.mark.parametrize(
    "figures",
    [
        {"psnr": 37.9},
        {"style_error": 1.04},
        {"flicker": 1.06},
        {"flicker": None},
        {"psnr": float("nan")},
        {"psnr": 10**400},
    ],
)
def test_one_bad_figure_is_enough(figures: dict[str, Any]) -> None:
    assert passes(GOOD)
    assert not passes(GOOD | figures)


def test_a_card_gives_back_what_was_measured(network: Network) -> None:
    reduced = Reduced(ranges(network), bfloat16=True)
    card = Style("x", int8={**GOOD, **json.loads(json.dumps(as_card(reduced)))})
    found = proven(card, network)
    assert found is not None and found.bfloat16 and set(found.ranges) == set(reduced.ranges)
    for name, (top, signed) in reduced.ranges.items():
        assert found.ranges[name][1] == signed
        assert torch.allclose(found.ranges[name][0], top, rtol=0.005)
    assert proven(Style("x"), network) is None
    assert proven(replace(card, int8={**card.int8, "flicker": 1.5}), network) is None


@pytest.mark.parametrize(
    "wrong",
    [
        None, {"elsewhere": [True, [1.0]]}, {"skip": [True, [1.0]]}, {"skip": [1, [1.0, 1.0, 1.0]]},
        {"skip": [True, [1.0, 1.0, "x"]]}, {"skip": [True, [1.0, 1.0, float("inf")]]}, {"skip": 3},
        {"skip": [True, [1.0, 1.0, -1.0]]}, {"skip": [True, [1.0, 1.0, 10**400]]},
        {"skip": [True, [1.0, 1.0, 1e39]]}, {"down1": [True, [1.0]]},
    ],
)  # fmt: skip
def test_ranges_of_something_else_are_refused(network: Network, wrong: Any) -> None:
    with pytest.raises(RtstyleError, match="do not fit its network"):
        proven(Style("x", int8={**GOOD, "bfloat16": False, "ranges": wrong}), network)


def test_a_new_card_leaves_the_weights_byte_for_byte(tmp_path: Path, network: Network) -> None:
    path, copy = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_style(path, network, Style("a"), half=True)
    before = path.read_bytes()
    card, loaded = load_style(path)
    rewrite_card(path, copy, replace(card, title="né", int8={"psnr": 40.0}))
    assert path.read_bytes() == before
    again, same = load_style(copy)
    assert (again.title, again.int8) == ("né", {"psnr": 40.0})
    assert all(torch.equal(value, same.state_dict()[key]) for key, value in loaded.state_dict().items())
    with safe_open(copy, framework="pt") as file:
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"F16"}  # noqa: SIM118
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "c.safetensors").write_bytes(before[:100])
    with pytest.raises(RtstyleError, match="truncated"):
        rewrite_card(tmp_path / "c.safetensors", copy, card)


@pytest.mark.skipif(bool(missing("openvino")), reason=missing("openvino"))
def test_only_one_proven_style_alone_runs_in_8_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path))
    measured = {**GOOD, **as_card(Reduced(ranges(network), bfloat16=False))}
    for name, int8 in (("good", measured), ("bad", {**measured, "flicker": 1.4}), ("plain", {})):
        save_style(tmp_path / f"{name}.safetensors", network, Style(name, family="f", int8=int8))
    names = {
        style: load_stylizer(style, device="cpu").engine.name
        for style in ("good", "bad", "plain", "good,bad")
    }
    assert names == {"good": "int8", "bad": "openvino", "plain": "openvino", "good,bad": "openvino"}
    assert load_palette(["good", "plain"], device="cpu").engine.name == "openvino"
    assert load_stylizer("good", device="cpu", engine="openvino").engine.name == "openvino"
    for style in ("bad", "plain", "good,bad"):
        with pytest.raises(RtstyleError, match="rtstyle quantise"):
            load_stylizer(style, device="cpu", engine="int8")


def test_without_the_extra_all_runs_as_before(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtstyle.engines, "find_spec", lambda name: None)
    assert isinstance(load_engine(network, device="cpu"), Eager)
    for engine in ("openvino", "int8"):
        with pytest.raises(RtstyleError, match=r"pip install 'rtstyle\[openvino\]'"):
            load_engine(network, engine, "cpu")
