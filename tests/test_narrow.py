"""Narrower networks: what is left out did not matter, and what is left learns from the wide ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.training.data import Photos
from rtstyle.training.distil import Taught, difference, distil
from rtstyle.training.narrow import State, _sets, narrowed

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"half": 3, "quarter": 4, "eighth": 5, "quarter_blocks": 1, "eighth_blocks": 2}
WIDE = {"half": 5, "quarter": 6, "eighth": 9, "quarter_blocks": 1, "eighth_blocks": 2}


def fresh(config: dict[str, int], seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = build("swift", config).eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return network


def spread_out(small: Network, places: dict[str, torch.Tensor]) -> Network:
    """A wide network that computes what a small one does: its channels at ``places``, the rest silent."""
    wide = build("swift", WIDE).eval()
    state, own = wide.state_dict(), small.state_dict()
    for value in state.values():
        value.zero_()
    index: dict[str, dict[int, torch.Tensor]] = {}
    for channels in _sets(SMALL):
        chosen = places[channels.number]
        for name in (*channels.makers, *channels.norms):
            index.setdefault(name, {})[0] = chosen
        for name in channels.readers:
            beside = own[f"{name}.weight"].shape[1] - len(chosen)
            extra = torch.arange(WIDE[channels.number], WIDE[channels.number] + beside)
            index.setdefault(name, {})[1] = torch.cat([chosen, extra])
    for key, value in own.items():
        where = index.get(key.rpartition(".")[0], {})
        rows = where.get(0, torch.arange(len(value)))
        if value.dim() == 1:
            state[key][rows] = value
        else:
            columns = where.get(1, torch.arange(value.shape[1]))
            state[key][rows[:, None], columns] = value
    wide.load_state_dict(state)
    return wide


def test_silent_channels_are_the_ones_left_out() -> None:
    generator = torch.Generator().manual_seed(1)
    places = {
        key: torch.randperm(WIDE[key], generator=generator)[: SMALL[key]].sort().values
        for key in ("half", "quarter", "eighth")
    }
    small = [fresh(SMALL, seed) for seed in (0, 1)]
    wide = [spread_out(network, places) for network in small]
    image = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        torch.testing.assert_close(wide[0](image), small[0](image), atol=1e-4, rtol=1e-4)
    states = narrowed([network.state_dict() for network in wide], wide[0], SMALL)
    for network, state in zip(small, states, strict=True):
        for key, value in network.state_dict().items():
            torch.testing.assert_close(state[key], value)


def test_all_networks_keep_the_same_channels() -> None:
    first, second = fresh(WIDE, 0).state_dict(), fresh(WIDE, 1).state_dict()
    middle = {key: (first[key] + second[key]) / 2 for key in first}
    network = build("swift", WIDE)
    one, two, half = narrowed([first, second, middle], network, SMALL)
    for key, value in half.items():
        torch.testing.assert_close(value, (one[key] + two[key]) / 2)


def test_blocks_are_dropped_from_the_end() -> None:
    network = fresh(WIDE)
    (state,) = narrowed([network.state_dict()], network, {"eighth_blocks": 1})
    assert not any(key.startswith("eighth_blocks.1.") for key in state)
    assert any(key.startswith("eighth_blocks.0.") for key in state)


def test_it_cannot_grow_nor_be_another_network() -> None:
    network = fresh(SMALL)
    with pytest.raises(RtstyleError, match="eighth is 6; the network to be narrowed has 5"):
        narrowed([network.state_dict()], network, {"eighth": 6})
    with pytest.raises(RtstyleError, match="only a swift"):
        narrowed([], build("johnson", {"width": 4}), {})


def test_the_difference_by_hand() -> None:
    wanted = torch.zeros(1, 3, 8, 8)
    torch.testing.assert_close(difference(wanted + 0.5, wanted), torch.tensor(1.0))  # value and means
    stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 3, 8, 8)
    torch.testing.assert_close(difference(stripes, wanted), torch.tensor(0.5 + 1.0 + 0.0 + 0.5))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    random = np.random.default_rng(0)
    for number in range(4):
        small = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((64, 64)).save(tmp_path / f"{number}.png")
    return Photos(tmp_path, crop=48, batch=2, seed=0)


def family(seed: int) -> dict[str, State]:
    origin = fresh(SMALL, seed).state_dict()
    torch.manual_seed(seed + 10)
    return {
        name: {key: value + 0.05 * torch.randn_like(value) for key, value in origin.items()} for name in "abc"
    }


def test_students_come_nearer_alone_and_mixed(photos: Photos, tmp_path: Path) -> None:
    teachers = family(0)
    students = {
        name: {key: value + 0.1 * torch.randn_like(value) for key, value in state.items()}
        for name, state in teachers.items()
    }
    errors: list[Taught] = []
    checkpoint = tmp_path / "family.checkpoint"
    network = [build("swift", SMALL) for _ in range(2)]
    result = distil(
        network[0], teachers, network[1], students, photos, 240, checkpoint=checkpoint, listener=errors.append
    )
    mixes = [taught.error for taught in errors if len(taught.styles) == 2]
    alone = [taught.error for taught in errors if len(taught.styles) == 1]
    for found in (mixes, alone):
        assert sum(found[-20:]) < 0.6 * sum(found[:20])
    assert {style for taught in errors for style in taught.styles} == set("abc")
    again = distil(network[0], teachers, network[1], students, photos, 240, checkpoint=checkpoint)
    assert all(torch.equal(again["b"][key], value) for key, value in result["b"].items())


def test_styles_that_are_not_taught_stay_and_are_mixed_in(photos: Photos) -> None:
    teachers, students, heard = family(0), family(1), []
    network = [build("swift", SMALL) for _ in range(2)]
    result = distil(
        network[0], teachers, network[1], students, photos, 12, taught=["b"], listener=heard.append
    )
    assert all(torch.equal(result[name][key], students[name][key]) for name in "ac" for key in students[name])
    assert any(not torch.equal(value, students["b"][key]) for key, value in result["b"].items())
    assert {each.styles[0] for each in heard} == {"b"} and {len(each.styles) for each in heard} == {1, 2}


def test_a_teacher_may_be_the_network_that_paints(photos: Photos) -> None:
    teachers, students = family(0), family(1)
    network = [build("swift", SMALL) for _ in range(2)]
    network[0].load_state_dict(teachers["a"])
    own = {**teachers, "a": network[0].state_dict()}
    wanted = distil(build("swift", SMALL), teachers, network[1], students, photos, 6)
    found = distil(network[0], own, network[1], students, photos, 6)
    assert all(torch.equal(found[name][key], wanted[name][key]) for name in "abc" for key in wanted[name])
