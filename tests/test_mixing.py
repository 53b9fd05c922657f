"""Mixes of styles: how they are written, which styles mix, and that the weights are what was asked for."""

import re
from pathlib import Path

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.mixing import (
    eased,
    interpolate,
    load_members,
    load_mix,
    mix_name,
    normalised,
    parse_mix,
)
from rtstyle.networks import Network, build
from rtstyle.style_file import Style, save_style
from tests.families import network, save_family


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def family(own: Path) -> dict[str, Network]:
    return save_family(own, "sea", "wave", "storm", "calm")


@pytest.mark.parametrize(
    ("spec", "shares"),
    [
        ("wave", {"wave": 1}),
        ("wave:1", {"wave": 1}),
        ("wave,storm", {"wave": 0.5, "storm": 0.5}),
        (" wave : 3 , storm:1 ", {"wave": 0.75, "storm": 0.25}),
        ("wave:0.6,storm:0.4", {"wave": 0.6, "storm": 0.4}),
        (r"C:\x.safetensors", {r"C:\x.safetensors": 1}),
        ("C:x.safetensors", {"C:x.safetensors": 1}),
        (r"C:\x.safetensors:1,D:\y.safetensors:3", {r"C:\x.safetensors": 0.25, r"D:\y.safetensors": 0.75}),
        ("/styles:old/x.safetensors", {"/styles:old/x.safetensors": 1}),
        ("dir/a.safetensors,b", {"dir/a.safetensors": 0.5, "b": 0.5}),
        (Path("a,b:c.safetensors"), {"a,b:c.safetensors": 1}),
    ],
)
def test_a_mix_is_parsed(spec: str | Path, shares: dict[str, float]) -> None:
    assert parse_mix(spec) == shares


def test_an_existing_file_is_one_style_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a:0.5,b:0.5"
    path.touch()
    assert parse_mix(str(path)) == {str(path): 1.0}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("a:-1,b:2", "weight of 'a' is '-1'; allowed are numbers above 0"),
        ("a:1,b:0", "weight of 'b' is '0'"),
        ("a:1,b:half", "weight of 'b' is 'half'"),
        ("a:nan,b:1", "weight of 'a' is 'nan'"),
        ("a:1,b:inf", "weight of 'b' is 'inf'"),
        ("a:,b:1", "weight of 'a' is ''"),
        ("a,b,a", "'a' is named twice"),
        ("a,x/a.safetensors", "'a' is named twice"),
        ("a:0.6,b", "'b' has no weight"),
        ("a,,b", "empty name"),
        ("", "empty name"),
        (":0.5,b:0.5", "empty name"),
        ("a:0.5", "--strength"),
        ("a,b,c,d,e,f,g,h,i", "9 styles are too many to mix; allowed are up to 8"),
    ],
)
def test_a_wrong_mix_is_one_line(spec: str, said: str) -> None:
    with pytest.raises(RtstyleError, match=re.escape(said)) as caught:
        parse_mix(spec)
    assert "\n" not in str(caught.value)


def test_eight_styles_are_not_too_many() -> None:
    assert len(parse_mix("a,b,c,d,e,f,g,h")) == 8


def test_weights_at_the_ends_give_the_members_exactly() -> None:
    one, other = network(1).state_dict(), network(2).state_dict()
    for weights, expected in (([1, 0], one), ([0, 1], other)):
        found = interpolate([one, other], weights)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_weights_between_are_their_mean() -> None:
    states = [
        {"w": torch.tensor([0.0, 4.0])},
        {"w": torch.tensor([8.0, 8.0])},
        {"w": torch.tensor([4.0, 0.0])},
    ]
    assert interpolate(states, [0.5, 0.25, 0.25])["w"].tolist() == [3.0, 4.0]
    halves = [{"w": state["w"].half()} for state in states]
    assert interpolate(halves, [0.5, 0.25, 0.25])["w"].dtype == torch.float32
    assert states[0]["w"].tolist() == [0.0, 4.0], "what was given stays"


def test_weights_of_different_networks_are_refused() -> None:
    one = {"w": torch.zeros(4)}
    for other in ({"v": torch.zeros(4)}, {"w": torch.zeros(1)}, {**one, "v": torch.zeros(4)}):
        with pytest.raises(RtstyleError, match="different networks"):
            interpolate([one, other], [0.5, 0.5])


def test_a_mix_is_loaded(family: dict[str, Network]) -> None:
    card, mixed = load_mix("wave:3,storm:1")
    assert card.name == "wave:0.75+storm:0.25"
    assert (card.title, card.family, card.licence) == ("Wave + Storm", "sea", "CC0")
    assert card.sources == ("here", "wave", "storm")
    assert card.recipe == {"mix": {"wave": 0.75, "storm": 0.25}}
    state, wave, storm = (each.state_dict() for each in (mixed, family["wave"], family["storm"]))
    key = "up1.conv2d.weight"
    assert torch.allclose(state[key], 0.75 * wave[key] + 0.25 * storm[key])
    assert not torch.allclose(state[key], wave[key])
    assert not mixed.training


def test_one_style_is_loaded_as_it_is(family: dict[str, Network], own: Path) -> None:
    for spec in ("wave", str(own / "wave.safetensors"), own / "wave.safetensors"):
        card, alone = load_mix(spec)
        assert (card.name, card.title) == ("wave", "Wave")
        state, expected = alone.state_dict(), family["wave"].state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_names_and_paths_mix(family: dict[str, Network], own: Path) -> None:
    assert list(load_members(["storm", own / "wave.safetensors"])) == ["storm", "wave"]
    with pytest.raises(RtstyleError, match="'wave' is named twice"):
        load_members(["wave", own / "wave.safetensors"])


def test_strangers_do_not_mix(family: dict[str, Network], own: Path) -> None:
    save_family(own, "land", "hill")
    save_family(own, "", "loner", "other")
    save_style(own / "wide.safetensors", build("swift", {}), Style("wide", family="sea"))
    for stranger in ("hill", "loner", "wide"):
        with pytest.raises(RtstyleError, match=f"'wave' and '{stranger}' do not mix.* mix: calm, storm$"):
            load_mix(f"wave:0.5,{stranger}:0.5")
    with pytest.raises(RtstyleError, match="with 'loner' mix: no others at hand"):
        load_mix("loner,other")
    with pytest.raises(RtstyleError, match="did you mean 'storm'"):
        load_mix("wave,strom")


def test_weights_of_a_program_become_shares() -> None:
    assert normalised({"a": 3, "b": 1, "c": 0}) == {"a": 0.75, "b": 0.25}
    for wrong in ({}, {"a": 0}, {"a": -1, "b": 2}, {"a": float("nan")}, {"a": float("inf")}):
        with pytest.raises(RtstyleError, match="at least one of them above 0"):
            normalised(wrong)


def test_easing_is_slow_at_both_ends() -> None:
    from fractions import Fraction as F

    one, other = {"a": 1.0}, {"b": 1.0}
    assert eased(one, other, F(-1)) == eased(one, other, F(0)) == one
    assert eased(one, other, F(1)) == eased(one, other, F(9)) == other
    assert eased(one, other, F(1, 2)) == {"a": 0.5, "b": 0.5}
    assert eased(one, other, F(1, 4)) == {"a": 0.84375, "b": 0.15625}
    assert eased({"a": 0.5, "b": 0.5}, {"a": 1.0}, F(1, 2)) == {"a": 0.75, "b": 0.25}


def test_lists_and_mappings_are_mixes_too() -> None:
    assert parse_mix(["a", Path("b.safetensors")]) == {"a": 0.5, "b.safetensors": 0.5}
    assert parse_mix({"a": 3, "b": 1}) == {"a": 0.75, "b": 0.25}
    for wrong, said in (
        (["a", "a"], "named twice"),
        ({}, "a mix of nothing"),
        ({"a": -1}, "numbers from 0 up"),
    ):
        with pytest.raises(RtstyleError, match=said):
            parse_mix(wrong)


def test_names_of_mixes() -> None:
    assert mix_name({"a": 1.0}) == "a"
    assert mix_name({"a": 2 / 3, "b": 1 / 3}) == "a:0.667+b:0.333"
