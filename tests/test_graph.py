"""CUDA graphs: the picture the CPU makes, for every size and all weights, and a way out where none can be."""

import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rtstyle.api import stylize_video
from rtstyle.engines import load_engine, missing, pick_device
from rtstyle.engines.eager import Eager
from rtstyle.engines.graph import Graph, _Recording, why_no_kernels
from rtstyle.errors import RtstyleError
from rtstyle.networks import Network, build
from rtstyle.networks.blocks import InstanceNorm
from rtstyle.stylizers.feedforward import FeedForward
from tests.gpus import needs_gpu
from tests.media import Clip

SMALL = {
    "swift": {"half": 4, "quarter": 8, "eighth": 8, "quarter_blocks": 1, "eighth_blocks": 1},
    "johnson": {"width": 4},
}
EACH = pytest.mark.parametrize("name", ("swift", "johnson"))


def network(name: str = "swift", seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build(name, SMALL[name]).eval()


def picture(height: int = 72, width: int = 96, seed: int = 1) -> torch.Tensor:
    coarse = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0]
    return image.mul(255).byte()


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean distance, in 255ths."""
    return float((one.cpu().float() - other.cpu().float()).abs().mean())


def on_cpu(network: Network, image: torch.Tensor) -> torch.Tensor:
    return Eager(network, torch.device("cpu"))(image)


def test_it_is_for_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RtstyleError, match="CUDA graphs run on a GPU, not on 'cpu'"):
        Graph(network(), torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert missing("graph") == "PyTorch finds no CUDA GPU"
    with pytest.raises(RtstyleError, match="engine graph cannot run: PyTorch finds no CUDA GPU"):
        load_engine(network(), "graph", "cpu")


class Pretended(Graph):
    """Its book-keeping, with recordings that compute when they are replayed."""

    def __init__(self, network: Network) -> None:
        Eager.__init__(self, network, torch.device("cpu"))
        self.name, self.notes, self._recorded, self._failed = "graph", [], {}, 0
        self.made: list[tuple[int, ...]] = []

    def _record(self, image: torch.Tensor) -> _Recording:
        self.made.append(tuple(image.shape))
        still, result = image.clone(), torch.empty_like(image)
        replay = SimpleNamespace(replay=lambda: result.copy_(Eager._restyled(self, still)))
        return _Recording(replay, still, result)  # type: ignore[arg-type]


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    return Pretended(network())


def test_a_size_is_recorded_once_and_results_are_their_own(pretended: Pretended) -> None:
    images = [picture(32, 40, seed) for seed in range(3)] + [picture(40, 32), picture(32, 40)]
    results = [pretended(image) for image in images]
    for image, result in zip(images, results, strict=True):
        assert torch.equal(result, on_cpu(network(), image))
    assert pretended.made == [(3, 32, 40), (3, 40, 32)]
    deep = picture(32, 40).to(torch.int32).mul(257).to(torch.uint16)
    assert pretended(deep).dtype == torch.uint16
    assert len(pretended.made) == 3


def test_the_size_not_used_for_longest_makes_room(pretended: Pretended) -> None:
    for side in (16, 24, 32, 40, 16, 48):  # 24 has to go
        pretended(picture(side, side))
    pretended.made.clear()
    for side in (16, 32, 40, 48, 24):
        pretended(picture(side, side))
    assert pretended.made == [(3, 24, 24)]


def test_what_cannot_be_recorded_is_run_as_it_is(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def impossible(image: torch.Tensor) -> None:
        tried.append(image)
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    monkeypatch.setattr(pretended, "_record", impossible)
    for times in range(1, 6):
        assert torch.equal(pretended(picture()), on_cpu(network(), picture()))
        assert pretended.name == ("graph" if times < 3 else "eager")
    assert len(tried) == 3
    (note,) = pretended.notes
    assert note.endswith("so it is slower: operation not permitted when stream is capturing")


def test_a_recording_disturbed_once_is_made_with_the_next_frame(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, tried = pretended._record, []

    def disturbed(image: torch.Tensor) -> _Recording:
        tried.append(image.shape)
        if tried.count(image.shape) == 1:
            raise RuntimeError("operation failed due to a previous error during capture")
        return record(image)

    monkeypatch.setattr(pretended, "_record", disturbed)
    for side in (16, 24, 32, 40):  # hours apart
        for _ in range(3):
            assert torch.equal(pretended(picture(side, side)), on_cpu(network(), picture(side, side)))
    assert (len(tried), pretended.name, pretended.notes) == (8, "graph", [])


def test_what_broke_a_recording_is_said_not_what_came_of_it(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(image: torch.Tensor) -> None:
        try:
            raise RuntimeError("a value was waited for")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr(pretended, "_record", broken)
    for _ in range(3):
        pretended(picture())
    assert pretended.notes[0].endswith("so it is slower: a value was waited for")


def test_kernels_a_gpu_has_no_room_for_are_left(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = pretended._record
    for part in pretended.network.modules():
        if isinstance(part, InstanceNorm):
            part.kernel = kernel

    def full(image: torch.Tensor) -> _Recording:
        if any(isinstance(part, InstanceNorm) and part.kernel for part in pretended.network.modules()):
            raise KeyError("out of resource: shared memory")  # Triton's errors are no RuntimeError
        return record(image)

    monkeypatch.setattr(pretended, "_record", full)
    for _ in range(2):
        assert torch.equal(pretended(picture()), on_cpu(network(), picture()))
    assert pretended.name == "graph" and len(pretended.made) == 1
    assert "norms and borders are PyTorch's" in pretended.notes[0]


def test_why_kernels_do_not_work_is_one_line() -> None:
    # On a processor there is nothing to build them for.
    reason = why_no_kernels(torch.device("cpu"))
    assert reason and "\n" not in reason


def kernel(*arguments: object) -> torch.Tensor:
    raise KeyError("out of resource: shared memory")


def test_a_summary_says_why_it_ran_otherwise(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def impossible(image: torch.Tensor) -> None:
        raise RuntimeError("not while capturing")

    monkeypatch.setattr(pretended, "_record", impossible)
    monkeypatch.setattr(pretended, "at_once", lambda width, height: 1)
    path = Clip(4).make(tmp_path / "in.mp4")
    done = stylize_video(path, tmp_path / "out.mp4", stylizer=FeedForward(pretended))
    assert (done.engine, done.notes) == ("eager", pretended.notes)
    assert pretended.notes[0].endswith("not while capturing")


def test_too_little_memory_is_said_as_eager_says_it(
    pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(pretended, "_record", full)
    with pytest.raises(RtstyleError, match="too little memory for a picture of 96x72"):
        pretended(picture())
    assert (pretended.name, pretended.notes) == ("graph", [])


@needs_gpu
@EACH
def test_the_picture_is_the_cpus(name: str) -> None:
    engine = load_engine(network(name), device="cuda")
    assert engine.name == "graph"
    for height, width in ((72, 96), (65, 99), (72, 96), (16, 16), (7, 300)):
        image = picture(height, width)
        found = engine(image.cuda())
        assert (found.shape, found.dtype, found.device.type) == (image.shape, torch.uint8, "cuda")
        assert apart(found, on_cpu(network(name), image)) < 2
    assert engine.notes == []  # type: ignore[attr-defined]


@needs_gpu
@EACH
def test_it_is_eagers_with_other_norms(name: str) -> None:
    image = picture().cuda()
    graph, eager = load_engine(network(name), "graph", "cuda"), load_engine(network(name), "eager", "cuda")
    assert apart(graph(image), eager(image)) < 0.5


@needs_gpu
def test_each_result_is_its_own() -> None:
    engine = load_engine(network(), "graph", "cuda")
    images = [picture(seed=seed).cuda() for seed in range(4)]
    results = [engine(image) for image in images]
    for image, result in zip(images, results, strict=True):
        assert torch.equal(engine(image), result)
    assert not torch.equal(results[0], results[1])


@needs_gpu
def test_more_sizes_than_are_kept() -> None:
    engine = load_engine(network(), "graph", "cuda")
    first = engine(picture().cuda())
    for side in range(32, 32 + 8 * 6, 8):
        image = picture(side, side)
        assert apart(engine(image.cuda()), on_cpu(network(), image)) < 2
    assert torch.equal(engine(picture().cuda()), first)


@needs_gpu
def test_weights_are_taken_by_what_is_recorded() -> None:
    engine, image = load_engine(network(), "graph", "cuda"), picture().cuda()
    before = engine(image)
    engine.load(network(seed=5).state_dict())
    assert apart(engine(image), on_cpu(network(seed=5), picture())) < 2
    engine.load(network().state_dict())
    assert torch.equal(engine(image), before)
    assert torch.equal(engine.copy()(image), before)


@needs_gpu
def test_what_a_recording_must_not_do_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that waits for a value in the middle cannot be recorded.

    PyTorch up to 2.11 draws no random numbers on the GPU after it, so no test here does.
    """
    waiting = network()
    restyle = type(waiting).restyle
    monkeypatch.setattr(
        type(waiting), "restyle", lambda self, image: restyle(self, image + image.sum().item() * 0)
    )
    engine = load_engine(waiting, "graph", "cuda")
    for _ in range(3):
        found = engine(picture().cuda())
    assert engine.name == "eager"
    monkeypatch.undo()
    assert apart(found, on_cpu(network(), picture())) < 2
    torch.cuda.synchronize()
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


@needs_gpu
def test_another_thread_may_use_the_gpu_meanwhile() -> None:
    done, lengths = threading.Event(), []

    def busy() -> None:
        while not done.is_set():
            lengths.append(torch.zeros(len(lengths) % 100 * 1000 + 1, device="cuda").cpu().numel())

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        engine = load_engine(network(), "graph", "cuda")
        for side in (32, 40, 48):
            assert apart(engine(picture(side, side).cuda()), on_cpu(network(), picture(side, side))) < 2
    finally:
        done.set()
        thread.join()
    assert engine.name == "graph" and lengths


@needs_gpu
def test_auto_takes_it() -> None:
    assert pick_device("auto").type == "cuda"
    assert load_engine(network()).name == "graph"
