"""``rtstyle benchmark``: figures by hand, the plain network, one run of everything at a tiny size."""

import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rtstyle.benchmark import candidates, stages
from rtstyle.benchmark.candidates import _turns, load_candidates
from rtstyle.benchmark.ceiling import ceilings, flop_of
from rtstyle.benchmark.energy import Energy
from rtstyle.benchmark.figures import (
    Sample,
    fit_line,
    linear_fits,
    one_by_one,
    rounded,
    slowest_of,
    spread,
    summary,
    times,
)
from rtstyle.benchmark.machine import cpu_model, machine_facts
from rtstyle.benchmark.measure import fitting
from rtstyle.benchmark.memory import Peak, peak_of
from rtstyle.benchmark.plain import Plain, PlainNetwork
from rtstyle.benchmark.plot import draw_speeds
from rtstyle.benchmark.scene import Scene, laid_out, there_and_back
from rtstyle.benchmark.stages import (
    LEAST,
    _to_rgb_there,
    converter,
    decoding,
    encoding,
    network_between,
    until,
    video_latency,
)
from rtstyle.cli import main
from rtstyle.cli.benchmark_report import size_lines
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from rtstyle.media.video_file import VideoFileSource
from rtstyle.networks import build
from rtstyle.styles import find_style
from tests.families import save_family
from tests.test_nvdec import absent

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_styles(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A style of random weights named ``tiny``."""
    folder = tmp_path_factory.mktemp("styles")
    save_family(folder, "", "tiny")
    monkeypatch.setenv("RTSTYLE_STYLES", str(folder))


def frames(count: int, height: int = 32, width: int = 48) -> list[Frame]:
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    images = (torch.from_numpy(np.roll(noise, number, 2)) for number in range(count))
    return [Frame(image, Fraction(number, 30)) for number, image in enumerate(images)]


# --- figures ---


def test_a_summary_has_fps_of_rounds_and_nearest_rank_percentiles_of_frames() -> None:
    rounds = [Sample(100, 10.0, [n / 1000 for n in range(1, 101)]), Sample(100, 5.0), Sample(50, 10.0)]
    found = summary(rounds)
    assert found["fps"] == {"median": 10.0, "lowest": 5.0, "highest": 20.0}
    assert found["latency_ms"] == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert (found["frames"], found["latency_frames"]) == (250, 100)


def test_latency_may_come_from_runs_of_its_own() -> None:
    found = summary([Sample(8, 1.0)], single=[Sample(1, 0.5, [0.5]), Sample(1, 0.3, [0.3])])
    assert (found["frames"], found["latency_frames"]) == (8, 2)
    assert found["latency_ms"] == {"p50": 300.0, "p95": 500.0, "p99": 500.0}


def test_how_many_times_faster_is_the_median_of_each_rounds_ratio() -> None:
    ours = [Sample(10, 1.0), Sample(20, 1.0), Sample(60, 1.0)]
    theirs = [Sample(1, 1.0), Sample(10, 1.0), Sample(10, 1.0)]
    assert times(ours, theirs) == 6  # of 10, 2 and 6; the medians' ratio is 2


def test_the_slowest_stage_and_stages_one_after_another() -> None:
    fps = {"decode": 100.0, "network": 20.0, "encode": 50.0}
    assert slowest_of(fps) == "network"
    assert one_by_one(fps) == pytest.approx(1 / (0.01 + 0.05 + 0.02))
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "lowest": 1.0, "highest": 3.0}


def test_a_line_is_found_and_what_leaves_it_is_its_deviation() -> None:
    pixels = [230_400, 921_600, 8_294_400]
    line = fit_line(pixels, [0.004 + 5e-8 * each for each in pixels])
    assert (line.fixed, line.per_pixel) == pytest.approx((0.004, 5e-8))
    assert line.deviation == pytest.approx(0, abs=1e-9)
    small, large = 0.004 / 230_400 + 5e-8, 0.004 / 8_294_400 + 5e-8
    assert line.growth == pytest.approx(large / small)
    # Time that grows with the square has no line near it; the relative error is not hidden by a large size.
    bent = fit_line([1, 2, 4], [1.0, 4.0, 16.0])
    assert bent.deviation > 0.2
    assert bent.growth == 4


def test_cost_is_fitted_for_each_style_and_engine_seen_twice() -> None:
    def size(pixels: int, **fps: float) -> dict:
        runs = [{"style": s, "engine": "e", "network": {"fps": {"median": f}}} for s, f in fps.items()]
        return {"pixels": pixels, "runs": runs}

    (fit,) = linear_fits([size(1000, a=100.0, b=1.0), size(2000, a=50.0)])
    assert (fit["style"], fit["what"], fit["sizes"]) == ("a", "network", 2)
    assert fit["fixed_ms"] == pytest.approx(0, abs=1e-9)
    assert fit["ns_per_pixel"] == pytest.approx(1e4)


def test_of_one_size_no_cost_is_fitted() -> None:
    runs = [{"style": "a", "engine": "eager", "network": {"fps": {"median": fps}}} for fps in (100.0, 90.0)]
    sizes = [{"pixels": 1000, "runs": runs}, {"pixels": 1000, "runs": runs}]
    assert linear_fits(sizes) == []


@pytest.mark.parametrize(("taken", "runs"), [([10, 20, 30, 30], 3), ([None, None], 1), (range(1, 99), 6)])
def test_warm_is_what_takes_no_more_memory(
    taken: Iterable[int | None], runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (candidate,), _ = load_candidates(["tiny"], ["eager"], "cpu")
    candidate.stylizer = SimpleNamespace()  # frame by frame
    sizes, lengths = iter(taken), []
    monkeypatch.setattr(candidates, "highest", lambda: next(sizes))
    monkeypatch.setattr(candidates, "run", lambda source, *ends: lengths.append(source.info.length))
    candidate.warm_up(Scene(frames(LEAST), Path()), seconds=0)
    assert lengths == [1] + [LEAST] * runs + [LEAST]  # the last for a better estimate


def test_styles_of_one_name_are_two(tmp_path: Path) -> None:
    path = find_style("tiny")
    other = tmp_path / path.name
    other.write_bytes(path.read_bytes())
    found, _ = load_candidates(["tiny", str(other)], ["eager"], "cpu")
    assert [each.label for each in found] == ["tiny, eager", f"{other}, eager"]


def test_what_an_engine_compiles_is_no_latency(tmp_path: Path) -> None:
    calls = []

    class Slow:
        def __call__(self, frame: Frame) -> Frame:
            calls.append(frame)
            time.sleep(0.2 if len(calls) == 1 else 0)
            return frame

    sample = stages.network_latency(Scene(frames(2, 8, 8), tmp_path), Slow(), 0.01, CPU)
    assert max(sample.latencies) < 0.2
    calls.clear()
    scene = Scene(frames(4, 32, 32), tmp_path)
    scene.write_clip(4)
    assert max(stages.video_latency(scene, Slow(), 0.01, None).latencies) < 0.2


def test_rounding_keeps_whole_numbers_and_four_digits() -> None:
    assert rounded({"a": [1.23456, 123456], "b": (0.000123456, None)}) == {
        "a": [1.235, 123456],
        "b": [0.0001235, None],
    }


# --- what the machine can do, and takes ---


def test_operations_of_johnson_follow_from_its_layers() -> None:
    height, width = 48, 64
    full, half, quarter = height * width, height * width // 4, height * width // 16
    adds = full * 81 * 3 * 32 * 2  # the first and the last convolution
    adds += half * 9 * 32 * 64 + quarter * 9 * 64 * 128 + 10 * quarter * 9 * 128 * 128
    adds += half * 9 * 128 * 64 + full * 9 * 64 * 32
    assert flop_of(build("johnson", {}), width, height) == 2 * adds == flop_of(PlainNetwork(), width, height)


def test_ceilings_are_measured_anew_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstyle.benchmark.ceiling._ENOUGH", 0.01)
    found = {name: rate() for name, rate in ceilings(CPU, side=16, copied=4096).items()}
    assert list(found) == ["float32", "copy"]
    assert min(found.values()) > 0


def test_energy_sums_packages_and_survives_a_counter_that_starts_again(tmp_path: Path) -> None:
    for name, energy, top in (("0", 900, 1000), ("1", 5_000_000, 10**9), ("0:0", 0, 10**9)):
        zone = tmp_path / f"intel-rapl:{name}"
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{energy}\n")
        (zone / "max_energy_range_uj").write_text(f"{top}\n")
    whole = tmp_path / "intel-rapl:2"  # of a laptop: the packages and the rest of the machine
    whole.mkdir()
    (whole / "name").write_text("psys\n")
    meter = Energy(CPU, tmp_path)
    assert (meter.why, meter.of) == ([], ["processor"])
    (tmp_path / "intel-rapl:0/energy_uj").write_text("100\n")
    (tmp_path / "intel-rapl:1/energy_uj").write_text("7000000\n")
    (tmp_path / "intel-rapl:0:0/energy_uj").write_text("9999\n")  # part of package 0
    assert meter.joules() == pytest.approx(2.0 + 0.0002)
    assert meter.joules() == 0


def test_energy_that_cannot_be_read_is_none_and_says_why(tmp_path: Path) -> None:
    assert Energy(CPU, tmp_path).joules() is None
    assert "no counter" in Energy(CPU, tmp_path).why[0]
    (tmp_path / "intel-rapl:0").mkdir()
    locked = Energy(CPU, tmp_path)  # the files cannot be read
    assert locked.joules() is None
    assert "root" in locked.why[0]


def test_a_gpus_energy_is_asked_of_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = [70_000]  # millijoules

    def handle(name: bytes, place: object) -> int:
        return 0 if name == b"GPU-1234" else 6

    def total(handle: object, place: ctypes.c_void_p) -> int:
        place._obj.value = used[0]  # type: ignore[attr-defined]
        return 0

    nvml = SimpleNamespace(
        nvmlInit_v2=lambda: 0,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetTotalEnergyConsumption=total,
    )
    device = torch.device("cuda", 0)
    monkeypatch.setattr("rtstyle.benchmark.energy.ctypes.CDLL", lambda name: nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))
    meter = Energy(device, tmp_path)
    assert meter.of == ["GPU"]
    assert "processor" in meter.why[0]
    used[0] += 2500
    assert meter.joules() == 2.5
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle, place: 3  # an old card
    assert Energy(device, tmp_path).why[1] == (
        "the GPU's energy cannot be read: nvmlDeviceGetTotalEnergyConsumption answers 3"
    )


def test_machine_facts_name_processor_threads_and_versions(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: x\n")
    assert cpu_model(tmp_path / "cpuinfo") == "Some CPU @ 3 GHz"
    assert cpu_model(tmp_path / "none")
    facts = machine_facts(CPU)
    assert facts["threads"] == torch.get_num_threads()
    assert facts["torch"].split("+")[0] == torch.__version__.split("+")[0]
    json.dumps(facts)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_peak_memory_is_the_commands_own() -> None:
    peak, gpu = peak_of(["--version"])
    assert peak is not None and gpu is None
    assert 1e6 < peak < 1e8  # no PyTorch in it; this process has several times that


def test_a_command_that_fails_says_its_line() -> None:
    with pytest.raises(RtstyleError, match=r"memory could not be measured: .*'sing'"):
        peak_of(["sing"])


def test_what_memory_has_no_room_for_is_left_out_and_named() -> None:
    (eager, other), _ = load_candidates(["tiny"], ["eager", "eager"], "cpu")
    other.engine, other.keeps_memory = "holder", True
    needed = eager.bytes_per_pixel * 1000
    assert fitting([eager, other], 1000, room=None) == ([eager, other], [])
    assert fitting([eager, other], 1000, room=2 * needed) == ([eager, other], [])
    kept, (line,) = fitting([eager, other], 1000, room=2 * needed - 1)
    assert kept == [other]  # what one holds, the other cannot have
    assert line.startswith("tiny, eager is left out: it needs 0.0 GB")
    assert fitting([eager, eager], 1000, room=needed) == ([eager, eager], [])  # in turns


# --- the plain network ---


def test_the_plain_network_is_johnson_with_the_same_weights() -> None:
    torch.manual_seed(0)
    ours, plain = build("johnson", {}).eval(), PlainNetwork().eval()
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            if name.split(".")[-2].startswith("in"):  # norms of their own, or their order would not show
                weight.uniform_(0.5, 1.5)
    plain.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, 40, 64)
    with torch.no_grad():
        assert torch.allclose(plain(image), ours(image), atol=1e-4)


def test_the_plain_stylizer_keeps_a_size_that_is_no_multiple_of_four() -> None:
    (frame,) = frames(1, 33, 50)
    styled = Plain(PlainNetwork().eval(), CPU)(frame)
    assert styled.image.shape == frame.image.shape
    assert styled.image.dtype == torch.uint8
    assert styled.time == frame.time


# --- frames and stages ---


def test_frames_go_there_and_back_without_a_jump() -> None:
    assert there_and_back([1, 2, 3, 4]) == [1, 2, 3, 4, 3, 2]
    assert there_and_back([1]) == [1]


def test_the_drawn_scene_is_laid_beside_itself_mirrored() -> None:
    (drawn,) = frames(1, 360, 640)
    (large,) = laid_out([drawn], (1300, 400))
    assert large.image.shape == (3, 400, 1300)
    assert torch.equal(large.image[:, :360, :640], drawn.image)
    assert torch.equal(large.image[:, :360, 640:1280], drawn.image.flip(2))
    assert torch.equal(large.image[:, 360:, :640], drawn.image[:, 320:].flip(1))
    (small,) = laid_out([drawn], (None, 180))
    assert torch.equal(small.image, drawn.image[:, :180, :320])


def test_large_frames_are_held_in_bounded_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstyle.benchmark.scene.HELD_BYTES", 5 * 3 * 100 * 100)
    (drawn,) = frames(1, 360, 640)
    assert len(laid_out([drawn] * 24, (100, 100))) == 5
    assert len(laid_out([drawn] * 24, (1000, 1000))) == 1


def test_the_clip_holds_what_is_asked_and_odd_sides_go_through_every_stage(tmp_path: Path) -> None:
    scene = Scene(frames(4, 33, 49), tmp_path)
    scene.write_clip(9)
    with VideoFileSource(scene.clip, end=until(7)) as source:
        assert (source.info.width, source.info.height) == (50, 34)
        assert sum(1 for _ in source) == 7
    assert len(scene.decoded()) == 4
    sample = decoding(scene, seconds=0, device=CPU)
    assert (sample.frames, len(sample.latencies)) == (3, 3)
    pictures = [converter(scene.held[0].image)(frame.image) for frame in scene.held]
    coded = tmp_path / "coded.mp4"
    sample = encoding(pictures, coded, seconds=0)
    assert sample.seconds > sum(sample.latencies)  # what the encoder held back counts
    with VideoFileSource(coded) as source:
        assert [frame.time for frame in source] == [Fraction(n, 30) for n in range(sample.frames)]


def test_planes_in_a_devices_memory_become_rgb(tmp_path: Path) -> None:
    scene = Scene(frames(3), tmp_path)
    scene.write_clip(3)
    sample = _to_rgb_there(scene.decoded()[0], 0, CPU)
    assert (sample.frames, len(sample.latencies)) == (3, 3)


def test_between_decoder_and_encoder_every_frame_is_converted_twice(tmp_path: Path) -> None:
    seen: list[Frame] = []

    def stylizer(frame: Frame) -> Frame:
        seen.append(frame)
        return frame

    scene = Scene(frames(3, 33, 49), tmp_path)
    scene.write_clip(3)
    sample = network_between(scene.decoded()[0], stylizer, 5, CPU)
    assert (sample.frames, len(seen)) == (5, 5)
    image = seen[4].image
    assert image.shape == (3, 34, 50)  # as the clip's
    with VideoFileSource(scene.clip) as source:
        right = next(iter(source)).image
    assert (image.int() - right.int()).abs().max() <= 1


def test_a_decoder_the_gpu_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstyle.media.nvdec.accelerator", absent)
    monkeypatch.setattr("rtstyle.benchmark.stages.settle", lambda device: None)
    scene = Scene(frames(3, 48, 64), tmp_path)
    scene.write_clip(4)
    sample = decoding(scene, 0.3, torch.device("cuda"))
    assert sample.frames > 4  # from the beginning again
    assert sample.note.startswith("decode is the processor's, not the GPU's: ")


def test_latency_of_the_whole_is_taken_frame_by_frame_to_the_end_of_the_clip(tmp_path: Path) -> None:
    class Untouched:
        def __call__(self, frame: Frame) -> Frame:
            return frame

        def reset(self) -> None: ...

    scene = Scene(frames(4), tmp_path)
    scene.write_clip(5)
    assert video_latency(scene, Untouched(), seconds=0, device=None).frames == 1
    assert video_latency(scene, Untouched(), seconds=3600, device=None).frames == 5
    with VideoFileSource(scene.output) as source:
        assert len(list(islice(source, 9))) == 5


def test_runs_are_whole_turns_of_what_is_restyled_at_once() -> None:
    assert [_turns(frames, 1) for frames in (0, 2.6, 10.4)] == [3, 3, 10]
    assert [_turns(frames, 2) for frames in (0, 5.2, 100)] == [4, 6, 100]
    assert [_turns(frames, 16) for frames in (0, 30)] == [16, 32]


def test_engines_that_cannot_run_a_style_are_left_out_and_named() -> None:
    found, notes = load_candidates(["tiny"], [], "cpu")
    assert found[0].label == "tiny, eager"
    assert any(line.startswith("tiny by int8 is left out: ") for line in notes)


# --- the command ---


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from rtstyle.cli import main\n"
        "try: main(['benchmark', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print([name for name in ('torch', 'av', 'numpy', 'PIL') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_one_run_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_compiler(*args: object, **options: object) -> object:
        def fail(image: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no C++ compiler here\nwith a page of advice")

        return fail

    monkeypatch.setattr(torch, "compile", no_compiler)
    monkeypatch.setattr("rtstyle.benchmark.ceiling._ENOUGH", 0.01)
    monkeypatch.setattr("rtstyle.benchmark.ceiling.SIDES", {"cpu": 64})
    monkeypatch.setattr("rtstyle.benchmark.scene.HELD", 4)
    monkeypatch.setattr("rtstyle.benchmark.measure.SETTLED", (3, 2**20))
    plot = tmp_path / "speed.png"
    arguments = [
        "--sizes",
        "48x32,64x48,64x48",
        "--styles",
        "tiny",
        "--engines",
        "eager",
        "--compare",
        "--json",
    ]
    how = ["--seconds", "0.01", "--rounds", "2", "--plot", str(plot), "--device", "cpu"]
    assert main(["benchmark", *arguments, *how]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["machine"]["device"] == "cpu"
    assert [size["pixels"] for size in result["sizes"]] == [48 * 32, 64 * 48]
    for size in result["sizes"]:
        assert set(size["stages"]) == {"decode", "to_rgb", "to_yuv"}
        assert set(size["ceiling"]) == {"float32", "copy"}
        ours, plain = size["runs"]
        assert (ours["style"], ours["engine"]) == ("tiny", "eager")
        assert (plain["style"], plain["engine"]) == ("plain", "eager")
        assert set(ours["times_plain"]) == {"eager"}
        for part in ("network", "encode", "video"):
            figures = ours[part]
            assert figures["fps"]["lowest"] <= figures["fps"]["median"] <= figures["fps"]["highest"]
            assert figures["latency_frames"] >= 2
        reached = ours["flop"] * ours["network"]["fps"]["median"]
        assert ours["flop_per_second"] == pytest.approx(reached, rel=2e-3)
        assert 0 < ours["busy"] < 1.1
        assert ours["slowest"] in {"decode", "to_rgb", "network", "to_yuv", "encode"}
        if sys.platform.startswith("linux"):
            assert ours["peak_bytes"] > 1e8
    assert {(fit["style"], fit["what"]) for fit in result["linear"]} == {
        ("tiny", "network"),
        ("tiny", "video"),
        ("plain", "network"),
    }
    assert "48x32: plain, compiled is left out: no C++ compiler here" in said.err
    with Image.open(plot) as picture:
        assert picture.width == 1000
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 8


def test_lines_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("rtstyle.benchmark.ceiling._ENOUGH", 0.01)
    monkeypatch.setattr("rtstyle.benchmark.ceiling.SIDES", {"cpu": 64})
    monkeypatch.setattr("rtstyle.benchmark.measure.peak_of", lambda arguments: Peak(123_000_000, 45_000_000))
    clip = Scene(frames(6, 64, 96), tmp_path)
    clip.write_clip(6)
    arguments = ["--input", str(clip.clip), "--sizes", "32", "--styles", "tiny", "--engines", "eager"]
    assert main(["benchmark", *arguments, "--seconds", "0.01", "--rounds", "1", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "\n48x32\n" in said.out  # the input's shape
    assert "of its slowest stage alone" in said.out and "% of all cores' time was used" in said.out
    assert "123 MB at most" in said.out and "45 MB of the GPU's" in said.out
    assert "two sizes or more" in said.out


def test_8_bits_are_said_where_the_product_is_in_more() -> None:
    speed = {
        "fps": {"median": 5.0, "lowest": 4.0, "highest": 6.0},
        "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
    }
    run = {"style": "s", "flop": 1e9, "network": speed, "flop_per_second": 5e9, "precision": "float32"}
    runs = [{**run, "engine": engine, "share_of_ceiling": 1.25} for engine in ("openvino", "int8")]
    size = {
        "width": 8, "height": 4, "ceiling": {"float32": {"median": 4e9}, "copy": {"median": 1e9}},
        "stages": dict.fromkeys(("decode", "to_rgb", "to_yuv"), speed), "runs": runs,
    }  # fmt: skip
    shares = [line for line in size_lines(size) if "GFLOP/s, 1.25" in line]
    assert [line.partition("1.25 ")[2] for line in shares] == [
        "of the float32 product",
        "of the float32 product, which the part in 8 bits may outdo",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--sizes", "wide"], "size 'wide' is not understood"),
        (["--sizes", "360p,,720p"], "--sizes is '360p,,720p'; write names with a comma between"),
        (["--styles", "nobodys_style"], "no style named 'nobodys_style'"),
        (["--engines", "steam"], "no engine named 'steam'; there are: eager"),
        (["--styles", "tiny", "--engines", "int8"], "int8"),
        (["--seconds", "0"], "--seconds is 0; allowed are numbers above 0"),
        (["--seconds", "nan"], "--seconds is nan"),
        (["--rounds", "0"], "--rounds is 0; allowed are whole numbers from 1"),
        (["--plot", "speed.svg"], "--plot speed.svg: a figure is a picture, with one of"),
        (["--plot", __file__ + "/speed.png"], "cannot make this folder"),
        (["--input", "nothing.mp4", "--styles", "tiny", "--engines", "eager"], "nothing.mp4: no such file"),
        (["--device", "moon"], "moon"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *arguments, "--quiet", "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert line in said.err
    assert said.err.count("\n") == 1


def test_a_plot_that_exists_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.png").write_bytes(b"mine")
    assert main(["benchmark", "--plot", str(tmp_path / "mine.png")]) == 1
    assert "mine.png: exists already; use --overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine.png").read_bytes() == b"mine"


def test_a_plot_never_replaces_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.png"
    clip.write_bytes(b"frames")
    assert main(["benchmark", "--input", str(clip), "--plot", str(clip), "--overwrite"]) == 1
    assert "clip.png: is the input itself" in capsys.readouterr().err
    assert clip.read_bytes() == b"frames"


def test_a_plot_of_one_size_can_be_drawn(tmp_path: Path) -> None:
    run = {"style": "s", "engine": "e", "network": {"fps": {"median": 10.0}}}
    draw_speeds(tmp_path / "one.png", [{"pixels": 100, "width": 10, "height": 10, "runs": [run]}], "title")
    assert (tmp_path / "one.png").stat().st_size > 1000
