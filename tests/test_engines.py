"""Engines: the network's own picture, for any size, sample type and memory layout."""

import sys
from unittest.mock import Mock

import pytest
import torch

from rtstyle.engines import load_engine, missing, pick_device
from rtstyle.engines.eager import Eager
from rtstyle.errors import RtstyleError
from rtstyle.frame import to_bytes, to_float
from rtstyle.networks import Network, build
from tests.gpus import GPU

SMALL = {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1}


def devices() -> list[object]:
    return ["cpu", pytest.param("cuda", marks=GPU)]


def engines() -> list[object]:
    """(engine, device) for every one that runs one network like another."""
    absent = pytest.mark.skipif(bool(missing("openvino")), reason=missing("openvino"))
    return [
        ("eager", "cpu"),
        pytest.param("eager", "cuda", marks=GPU),
        pytest.param("graph", "cuda", marks=GPU),
        pytest.param("openvino", "cpu", marks=absent),
    ]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return build("swift", SMALL).eval()


def picture(height: int, width: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    peak = 256 if dtype == torch.uint8 else 65536
    return torch.randint(0, peak, (3, height, width), generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("name, device", engines())
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_the_picture_is_the_networks_own(
    network: Network, name: str, device: str, dtype: torch.dtype
) -> None:
    image = picture(24, 40, dtype)
    with torch.inference_mode():
        expected = to_float(to_bytes(network(to_float(image)[None])[0], dtype))
    found = load_engine(network, name, device)(image)
    assert (found.shape, found.dtype, found.device) == (image.shape, image.dtype, image.device)
    tolerance = 1.1 / 255 if device == "cpu" else 0.03  # one step; half precision on the GPU
    assert (to_float(found) - expected).abs().max() <= tolerance
    assert expected.std() > 0.05


@pytest.mark.parametrize("height, width", [(1, 1), (3, 200), (15, 16), (16, 16), (17, 23), (90, 5)])
def test_any_size_comes_back(network: Network, height: int, width: int) -> None:
    image = picture(height, width)
    assert load_engine(network, "eager", "cpu")(image).shape == image.shape


def test_the_layout_in_memory_changes_nothing(network: Network) -> None:
    engine = load_engine(network, "eager", "cpu")
    image = picture(20, 32)
    packed = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)  # as read from an image file
    flipped = image.flip(2).clone().flip(2)
    assert torch.equal(engine(packed), engine(image))
    assert torch.equal(engine(flipped), engine(image))


def test_the_network_given_is_left_as_it_is(network: Network) -> None:
    network.train()
    load_engine(network, device="cpu")(picture(16, 16))
    assert network.training
    assert all(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("name, device", engines())
def test_loaded_weights_give_what_a_fresh_engine_gives(network: Network, name: str, device: str) -> None:
    torch.manual_seed(1)
    other, image = build("swift", SMALL).eval(), picture(24, 40)
    engine, fresh = load_engine(network, name, device), load_engine(other, name, device)
    before = engine(image)
    engine.load(other.state_dict())
    assert torch.equal(engine(image), fresh(image))
    assert not torch.equal(engine(image), before)
    engine.load({key: value.to(device) for key, value in network.state_dict().items()})
    assert torch.equal(engine(image), before)


@pytest.mark.parametrize("device", devices())
def test_loading_keeps_every_weight_where_it_lies(network: Network, device: str) -> None:
    """A captured graph reads the weights at their addresses; the layout is the fast one still."""
    engine = Eager(network, torch.device(device))
    before = [(each.data_ptr(), each.dtype, each.stride()) for each in engine.network.parameters()]
    engine.load(build("swift", SMALL).state_dict())
    assert [(each.data_ptr(), each.dtype, each.stride()) for each in engine.network.parameters()] == before


def test_weights_of_another_network_are_refused_and_change_nothing(network: Network) -> None:
    engine, image = load_engine(network, "eager", "cpu"), picture(16, 16)
    before = engine(image)
    for wrong in (build("swift", {}).state_dict(), build("johnson", {}).state_dict(), {}):
        with pytest.raises(RtstyleError, match="do not fit network swift"):
            engine.load(wrong)
    assert torch.equal(engine(image), before)


def test_the_result_is_an_ordinary_tensor(network: Network) -> None:
    """One made inside inference mode would refuse to be drawn on."""
    found = load_engine(network, device="cpu")(picture(16, 16))
    assert not found.is_inference()


def test_what_is_no_image_is_refused(network: Network) -> None:
    engine = load_engine(network, "eager", "cpu")
    with pytest.raises(RtstyleError, match="permute"):
        engine(torch.zeros(16, 16, 3, dtype=torch.uint8))
    with pytest.raises(RtstyleError, match="uint8"):
        engine(torch.zeros(3, 16, 16))


def test_devices_and_engines_are_named(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RtstyleError, match="no engine named 'warp'"):
        load_engine(network, "warp")
    for wrong in ("gpu", "cuda:", "cuda:x", "cpu:0", ""):
        with pytest.raises(RtstyleError, match="no device named"):
            pick_device(wrong)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(RtstyleError, match="finds no CUDA GPU"):
        pick_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(RtstyleError, match="last GPU is cuda:0"):
        pick_device("cuda:1")


def test_too_little_memory_is_one_line(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load_engine(network, "eager", "cpu")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(Network, "forward", full)
    with pytest.raises(RtstyleError, match="too little memory for a picture of 20x16"):
        engine(picture(16, 20))


def test_auto_does_without_an_openvino_that_cannot_be_imported(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.engines.missing", lambda engine: "")
    monkeypatch.setitem(sys.modules, "rtstyle.engines.openvino", None)
    assert load_engine(network, device="cpu").name == "eager"


@pytest.mark.parametrize("engine", ["eager", "openvino"])
def test_what_was_loaded_in_inference_mode_can_be_changed_outside(engine: str) -> None:
    if missing(engine):
        pytest.skip(missing(engine))
    nets = [build("swift", {"half": 4, "quarter": 8, "eighth": 8, "eighth_blocks": 1}) for _ in range(2)]
    image = torch.randint(0, 256, (3, 24, 32), dtype=torch.uint8)
    with torch.inference_mode():
        inside = load_engine(nets[0], engine, "cpu")
        copied = inside.copy()
        inside(image)
    for each in (inside, copied):
        each.load(nets[1].state_dict())
        assert torch.equal(each(image), load_engine(nets[1], engine, "cpu")(image))


@pytest.mark.parametrize(
    "error", [RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), MemoryError()]
)
def test_a_processor_without_memory_is_said_in_a_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load_engine(
        build("swift", {"half": 4, "quarter": 8, "eighth": 8, "eighth_blocks": 1}), "eager", "cpu"
    )
    monkeypatch.setattr(engine, "_restyled", Mock(side_effect=error))
    image = torch.zeros(3, 24, 32, dtype=torch.uint8)
    with pytest.raises(RtstyleError, match="cpu has too little memory for a picture of 32x24"):
        engine(image)
    monkeypatch.setattr(engine, "_restyled", Mock(side_effect=RuntimeError("another")))
    with pytest.raises(RuntimeError, match="another"):
        engine(image)
