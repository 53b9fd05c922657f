"""The OpenVINO engine: eager's own pictures at any size, other weights at once, 8 bits where proven."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'rtstyle[openvino]'")

from rtstyle.engines import load_engine
from rtstyle.engines.eager import Eager
from rtstyle.engines.openvino import OpenVINO, Untranslatable
from rtstyle.engines.processor import saturates
from rtstyle.engines.reduced import Measured, Reduced, measure_ranges
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, to_float
from rtstyle.networks import Network, build
from rtstyle.stylizers.loading import load_palette

SMALL = {
    "swift": {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1},
    "johnson": {"width": 4},
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(name: str = "swift", seed: int = 0) -> Network:
    torch.manual_seed(seed)
    net = build(name, SMALL[name]).eval()
    if name == "swift":  # begins at zero: colours mixed up on the way past would not be seen
        torch.nn.init.normal_(net.get_parameter("skip.weight"), std=0.3)
    return net


def picture(height: int, width: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Smooth colours with some grain, so that every channel of every layer varies."""
    random = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, 4, 5, generator=random)
    fine = F.interpolate(coarse, (height, width), mode="bilinear") + 0.1 * torch.rand(
        1, 3, height, width, generator=random
    )
    peak = 255 if dtype == torch.uint8 else 65535
    return (fine[0] / 1.1 * peak).round().to(dtype)


def in_8_bits(*nets: Network) -> Measured:
    ranges = [measure_ranges(net, [to_float(picture(40, 48))]) for net in nets]
    return [(net.state_dict(), Reduced(each, bfloat16=False)) for net, each in zip(nets, ranges, strict=True)]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "height, width, dtype",
    [(24, 40, torch.uint8), (37, 51, torch.uint8), (9, 70, torch.uint8), (41, 33, torch.uint16)],
)
def test_the_picture_is_eagers(name: str, height: int, width: int, dtype: torch.dtype) -> None:
    net, image = network(name), picture(height, width, dtype)
    wanted, found = load_engine(net, "eager", "cpu")(image), load_engine(net, "openvino", "cpu")(image)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert to_float(wanted).std() > 0.05
    difference = (to_float(found) - to_float(wanted)).abs()
    assert difference.mean() < 0.1 / 255
    assert difference.max() <= 1.1 / 255


def test_the_layout_in_memory_changes_nothing() -> None:
    engine, image = load_engine(network(), "openvino", "cpu"), picture(20, 32)
    packed = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(engine(packed), engine(image))


def test_a_result_is_the_callers_own() -> None:
    engine = load_engine(network(), "openvino", "cpu")
    first = engine(picture(20, 32))
    kept = first.clone()
    engine(255 - picture(20, 32))
    assert torch.equal(first, kept)


def test_many_sizes_keep_few_models() -> None:
    engine = OpenVINO(network(), torch.device("cpu"))
    images = [picture(16, 16 + 4 * step) for step in range(6)]
    found = [engine(image) for image in images]
    assert len(engine._requests) == 6
    assert all(torch.equal(engine(image), each) for image, each in zip(images, found, strict=True))


def test_loaded_weights_reach_every_model() -> None:
    """Of a size used before the weights came, and of one used after."""
    net, other = network(), network(seed=1)
    engine, fresh = load_engine(net, "openvino", "cpu"), load_engine(other, "openvino", "cpu")
    small, large = picture(20, 32), picture(32, 40)
    before = engine(small)
    engine.load(other.state_dict())
    assert torch.equal(engine(small), fresh(small)) and torch.equal(engine(large), fresh(large))
    engine.load(net.state_dict())
    assert torch.equal(engine(small), before)


def test_weights_of_another_network_are_refused() -> None:
    engine, image = load_engine(network(), "openvino", "cpu"), picture(16, 16)
    before = engine(image)
    with pytest.raises(RtstyleError, match="do not fit network swift"):
        engine.load(network("johnson").state_dict())
    assert torch.equal(engine(image), before)


def test_a_copy_has_its_own_weights_and_works_beside_the_first() -> None:
    net, other = network(), network(seed=1)
    engines = [load_engine(net, "openvino", "cpu")]
    engines.append(engines[0].copy())
    engines[1].load(other.state_dict())
    image = picture(48, 64)
    wanted = [load_engine(each, "openvino", "cpu")(image) for each in (net, other)]
    with ThreadPoolExecutor(2) as pool:
        rounds = [list(pool.map(lambda engine: engine(image), engines)) for _ in range(10)]
    assert all(torch.equal(found, want) for each in rounds for found, want in zip(each, wanted, strict=True))


def test_8_bits_are_near_and_end_with_the_weights_they_were_measured_for() -> None:
    net, other, image = network(), network(seed=1), picture(40, 48)
    engine, exact = load_engine(net, "int8", "cpu", in_8_bits(net)), load_engine(net, "openvino", "cpu")
    rounded = engine(image)
    error = (to_float(rounded) - to_float(exact(image))).square().mean()
    assert 0 < error < 10**-3.3  # 33 dB: a net this small, all of it in 8 bits
    assert engine.name == engine.copy().name == "int8"
    engine.load(other.state_dict())
    assert engine.name == "openvino"
    assert torch.equal(engine(image), load_engine(other, "openvino", "cpu")(image))
    engine.load({key: value.double() for key, value in net.state_dict().items()})
    assert engine.name == "int8" and torch.equal(engine(image), rounded)


@pytest.mark.parametrize(
    ("machine", "able", "saturating"),
    [
        ("x86_64", {"avx2": True, "avx512_vnni": False, "avx_vnni": False}, True),
        ("AMD64", {"avx_vnni": True}, False),
        ("x86_64", {"avx512_vnni": True}, False),
        ("arm64", {"dot": False}, False),
    ],
)
def test_which_processors_add_8_bits_in_16(
    machine: str, able: dict[str, bool], saturating: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert saturates() == saturating


def test_weights_of_half_the_steps_are_near_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstyle.engines.openvino_graph.saturates", lambda: True)
    net, image = network(), picture(40, 48)
    exact, rounded = load_engine(net, "openvino", "cpu"), load_engine(net, "int8", "cpu", in_8_bits(net))
    assert (to_float(rounded(image)) - to_float(exact(image))).square().mean() < 10**-3


def test_a_style_of_several_runs_in_float32_until_its_8_bits_are_compiled() -> None:
    one, other, third, image = network(), network(seed=1), network(seed=2), picture(40, 48)
    rounded = [load_engine(net, "int8", "cpu", in_8_bits(net))(image) for net in (one, other)]
    exact = [load_engine(net, "openvino", "cpu")(image) for net in (one, other, third)]
    engine = load_engine(one, "int8", "cpu", in_8_bits(one, other))
    assert torch.equal(engine(image), rounded[0])  # at once, since there is nothing to bridge the time with
    engine.load(third.state_dict())
    assert engine.name == "openvino" and torch.equal(engine(image), exact[2])
    engine.load(other.state_dict())
    assert torch.equal(engine(image), exact[1])
    until = monotonic() + 60
    while torch.equal(found := engine(image), exact[1]):
        assert monotonic() < until
    assert engine.name == "int8" and torch.equal(found, rounded[1])
    engine.load(one.state_dict())
    assert torch.equal(engine(image), rounded[0])


def test_a_palette_uses_8_bits_where_time_may_decide() -> None:
    styles = ["starry_night_fast", "great_wave_fast"]
    assert load_palette(styles, device="cpu").engine.name == "openvino"
    assert load_palette(styles, device="cpu", live=True).engine.name == "int8"
    assert load_palette(styles, device="cpu", live=True, engine="openvino").engine.name == "openvino"
    mixed = load_palette(styles, device="cpu", live=True)
    mixed.mix = dict.fromkeys(styles, 1.0)
    mixed(Frame(picture(40, 48)))
    assert mixed.engine.name == "openvino"


def test_parts_of_an_input_keep_their_own_steps() -> None:
    """Beside features a thousand times as large, the picture's own values would else all be one step."""
    net = network()
    with torch.no_grad():
        net.narrow.weight.mul_(1000)
        net.narrow.bias.mul_(1000)
        net.up2.conv2d.weight[:, :4].div_(1000)
    image = picture(40, 48)
    exact, rounded = load_engine(net, "openvino", "cpu"), load_engine(net, "int8", "cpu", in_8_bits(net))
    assert (to_float(rounded(image)) - to_float(exact(image))).square().mean() < 10**-3.3


def test_auto_takes_it_and_8_bits_where_proven() -> None:
    net = network()
    assert load_engine(net, device="cpu").name == "openvino"
    assert load_engine(net, device="cpu", measured=in_8_bits(net)).name == "int8"
    assert load_engine(net, "openvino", "cpu", in_8_bits(net)).name == "openvino"
    with pytest.raises(RtstyleError, match="rtstyle quantise"):
        load_engine(net, "int8", "cpu")


LISTED = """
import sys, threading, torch
from rtstyle.engines import load_engine
from rtstyle.networks import build

load_engine(build("swift", {"half": 4, "quarter": 8, "eighth": 8}), "openvino", "cpu")
print(threading.active_count(), "openvino_telemetry" in sys.modules)
"""


def test_what_openvino_cannot_compile_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("Exception from core.cpp:1:\nno such instruction")

    monkeypatch.setattr("rtstyle.engines.openvino.openvino.Core.compile_model", fail)
    engine = load_engine(network(), "openvino", "cpu")
    with pytest.raises(RtstyleError, match=r"\(no such instruction\); use --engine eager"):
        engine(picture(20, 32))


def test_it_tells_nobody_that_it_runs() -> None:
    done = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["1", "False"], done.stderr


OTHER = """
import sys, types

package = types.ModuleType("openvino")
package.__spec__ = types.SimpleNamespace()
sys.modules["openvino"] = package
from rtstyle.engines import load_engine
from rtstyle.networks import build

print(load_engine(build("swift", {"half": 4, "quarter": 8, "eighth": 8}), "auto", "cpu").name)
"""


def test_auto_does_without_a_package_it_does_not_know() -> None:
    done = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["eager"], done.stderr


INTERRUPTED = """
import os, signal, torch
from rtstyle.engines import load_engine
from rtstyle.networks import build

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
net = build("swift", {"half": 4, "quarter": 8, "eighth": 8})
engines = [load_engine(net, "openvino", "cpu") for _ in range(2)]
for engine in engines:
    engine(torch.zeros(3, 24, 40, dtype=torch.uint8))
while engines:
    engines.pop(0), globals().pop("engine", None)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_taken_after_engines_are_gone() -> None:
    """Each compiled model sets a signal stack that goes with it: taking a signal there ends the process."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted"), done.stderr


def test_a_model_is_built_while_another_thread_restyles() -> None:
    """Tracing by torch.fx would change every module of the process meanwhile."""
    eager, image = load_engine(network(), "eager", "cpu"), picture(40, 48)
    wanted = eager(image)
    with ThreadPoolExecutor(1) as pool:
        found = [pool.submit(eager, image) for _ in range(40)]
        for _ in range(5):
            load_engine(network(), "openvino", "cpu")
        assert all(torch.equal(each.result(), wanted) for each in found)


class Odd(Network):
    """A network with an operation no other has."""

    name, multiple_of, supports_half, bytes_per_pixel = "odd", 1, True, 100

    def __init__(self) -> None:
        super().__init__({})
        self.conv = torch.nn.Conv2d(3, 3, 1)

    def restyle(self, image: Tensor) -> Tensor:
        return torch.fft.fft(self.conv(image)).real


class Branching(Odd):
    """One that asks what its values are."""

    name = "branching"

    def restyle(self, image: Tensor) -> Tensor:
        return self.conv(image) if image.mean() > 0 else image


@pytest.mark.parametrize("kind", [Odd, Branching])
def test_a_network_it_cannot_translate_runs_eagerly(kind: type[Odd]) -> None:
    assert isinstance(load_engine(kind(), device="cpu"), Eager)
    with pytest.raises(Untranslatable, match=kind.name):
        load_engine(kind(), "openvino", "cpu")


def test_it_is_for_the_processor() -> None:
    with pytest.raises(RtstyleError, match="runs on the CPU"):
        OpenVINO(network(), torch.device("cuda"))
