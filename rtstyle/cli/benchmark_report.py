"""The figures of ``rtstyle benchmark`` as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

AIM = 0.85  # of the slowest stage's speed, which the whole is to reach
STAGES = {"decode": "decode", "to_rgb": "to RGB", "to_yuv": "from RGB"}
PARTS = {"between": "to RGB, network, from RGB", "loop": "file to file, one by one"}
_HEAD = f"{'':28} {'fps':>9}  {'lowest .. highest':^19}  {'p50':>8} {'p95':>8} {'p99':>8} ms, one frame alone"


def opening_lines(result: dict[str, Any]) -> Iterator[str]:
    machine = result["machine"]
    place = machine["gpu"] or f"{machine['cpu']}, {machine['cores']} cores"
    yield f"{place}; {machine['threads']} threads; load {machine['load']}; {machine['platform']}"
    versions = (f"{name} {machine[name]}" for name in ("torch", "av", "openvino") if machine[name])
    yield f"rtstyle {machine['rtstyle']}, {', '.join(versions)}"
    if result["energy_of"]:
        yield f"energy is that of the {' and the '.join(result['energy_of'])}, with whatever else runs there"
    rounds = f"{result['rounds']} round{'s' * (result['rounds'] != 1)}"
    yield f"{result['input']}; {rounds} of about {result['seconds']:g} s a run"


def size_lines(size: dict[str, Any]) -> Iterator[str]:
    """The table of one size, as `measure_size` returns it."""
    yield f"{size['width']}x{size['height']}"
    products = [
        f"{kind} product {found['median'] / 1e9:,.0f} GFLOP/s"
        for kind, found in size["ceiling"].items()
        if kind != "copy"
    ]
    yield f"  this machine: {', '.join(products)}, copy {size['ceiling']['copy']['median'] / 1e9:.1f} GB/s"
    yield _HEAD
    for stage, name in STAGES.items():
        yield _row(name, size["stages"][stage])
    for run in size["runs"]:
        yield f"{run['style']}, {run['engine']}: {run['flop'] / 1e9:.3g} GFLOP a frame"
        for part in ("network", "between", "encode", "video", "loop"):
            if part in run:
                yield _row(PARTS.get(part, part), run[part])
        yield from (f"  {line}" for line in _said(run))


def closing_lines(result: dict[str, Any]) -> Iterator[str]:
    """What only all sizes together show."""
    for line in result["linear"]:
        right = f" (right to {line['deviation']:.0%})" if line["sizes"] > 2 else ""
        yield (
            f"{line['style']}, {line['engine']}, {line['what']}: a frame takes {line['fixed_ms']:.2f} ms"
            f" + {line['ns_per_pixel']:.1f} ns a pixel{right};"
            f" a pixel of the largest size costs {line['growth']:.2f} times one of the smallest"
        )
    if not result["linear"]:
        yield "whether cost is linear in pixels shows with two sizes or more"


def _row(name: str, found: dict[str, Any]) -> str:
    fps, late = found["fps"], found["latency_ms"]
    spread = f"{fps['lowest']:.5g} .. {fps['highest']:.5g}"
    latency = " ".join(f"{late[part]:8.1f}" for part in ("p50", "p95", "p99") if part in late)
    return f"  {name:26} {fps['median']:9.2f}  {spread:^19}  {latency}".rstrip()


def _said(run: dict[str, Any]) -> Iterator[str]:
    share = f"{run['share_of_ceiling']:.2f} of the {run['precision']} product"
    part = ", which the part in 8 bits may outdo" if run["engine"] == "int8" else ""
    yield f"network: {run['flop_per_second'] / 1e9:.3g} GFLOP/s, {share}{part}"
    if "video" not in run:
        return
    reached = run["share_of_slowest"]
    yield (
        f"video: {reached:.2f} of its slowest stage alone ({STAGES.get(run['slowest'], run['slowest'])};"
        f" the aim is {AIM}, where there are cores for all);"
        f" stages one after another would give {run['one_by_one_fps']:.4g} fps;"
        f" {100 * run['busy']:.0f} % of all cores' time was used"
    )
    used = [
        f"{run[key] / unit:.{digits}f} {name}"
        for key, unit, digits, name in (
            ("peak_bytes", 1e6, 0, "MB at most"),
            ("gpu_bytes", 1e6, 0, "MB of the GPU's"),
            ("joules_per_frame", 1, 2, "J a frame"),
        )
        if run[key] is not None
    ]
    if used:
        yield f"memory and energy of video: {', '.join(used)}"
    for engine, times in run["times_plain"].items():
        yield (
            f"{times['network']:.1f} times the plain network ({engine});"
            f" {times['video']:.1f} times from file to file"
        )
