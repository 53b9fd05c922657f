"""One size measured: everything in turns, round after round, so that a disturbance meets all alike."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rtstyle.benchmark import stages
from rtstyle.benchmark.candidates import PLAIN, Candidate
from rtstyle.benchmark.ceiling import flop_of
from rtstyle.benchmark.energy import Energy
from rtstyle.benchmark.figures import Sample, one_by_one, slowest_of, spread, summary, times
from rtstyle.benchmark.memory import Peak, peak_of
from rtstyle.benchmark.scene import Scene, there_and_back
from rtstyle.errors import RtstyleError, one_line

COMMON = ("decode", "to_rgb", "to_yuv")  # stages that no style changes
SETTLED = 24, 2**25  # frames, and pixels of all, after which queues and encoder are full

Tell = Callable[[str], None]
Name = tuple[str, ...]  # of a job: a common stage, or whose it is and what it measures
Samples = dict[Name, list[Sample]]


def measure_size(
    scene: Scene,
    candidates: Sequence[Candidate],
    ceiling: dict[str, Callable[[], float]],
    *,
    seconds: float,
    rounds: int,
    room: int | None,
    energy: Energy,
    tell: Tell,
    note: Tell,
) -> dict[str, Any]:
    """Every stage, every candidate and the ceilings at one size.

    Args:
        seconds: that one timed run takes, about; no run has fewer than 3 frames.
        room: bytes of memory all may take together; None: no bound is known.
        tell: hears what is measured next; note: what was left out, a line each.

    Returns:
        JSON-ready: width, height, pixels, ceiling {name: spread}, stages {name: summary},
        runs [{style, engine, ...}], as `_figures` fills them.
    """
    candidates, lines = fitting(candidates, scene.width * scene.height, room)
    for line in lines:
        note(f"{scene.name}: {line}")
    peaks = _peaks(scene, candidates, tell, note)
    candidates = [each for each in candidates if _warm(each, scene, seconds, tell, note)]
    if not candidates:
        raise RtstyleError(f"nothing can be measured at {scene.name}")
    tell("writing the clip")
    scene.write_clip(max(each.frames for each in candidates))
    jobs = _jobs(scene, candidates, seconds, energy)
    samples: Samples = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name, job in jobs.items():
            tell(f"round {number + 1} of {rounds}: {', '.join(name)}")
            samples[name].append(job())
        for kind, rate in ceiling.items():
            tell(f"round {number + 1} of {rounds}: {kind}")
            rates[kind].append(rate())
    for line in dict.fromkeys(sample.note for each in samples.values() for sample in each if sample.note):
        note(f"{scene.name}: {line}")
    return {
        "width": scene.width,
        "height": scene.height,
        "pixels": scene.width * scene.height,
        "ceiling": {kind: spread(found) for kind, found in rates.items()},
        "stages": {name: summary(samples[(name,)]) for name in COMMON},
        "runs": [
            {**_figures(each, scene, samples, rates, candidates), **_peak(peaks.get(each.label))}
            for each in candidates
        ],
    }


def fitting(
    candidates: Sequence[Candidate], pixels: int, room: int | None
) -> tuple[list[Candidate], list[str]]:
    """Those there is memory for, and a line for each of the others: Linux ends a process that takes too
    much without a word.

    Args:
        room: bytes; None: nobody knows, so all fit.
    """
    held, out = 0, []
    for each in sorted(candidates, key=lambda each: not each.keeps_memory):
        needed = each.bytes_per_pixel * pixels
        if room is not None and held + needed > room:
            out.append(each)
        elif each.keeps_memory:
            held += needed
    notes = []
    if room is not None:
        free = f"{(room - held) / 1e9:.1f} are free beside the others; try it in a run of its own"
        for each in out:
            needed = each.bytes_per_pixel * pixels
            notes.append(f"{each.label} is left out: it needs {needed / 1e9:.1f} GB, {free}")
    return [each for each in candidates if each not in out], notes


def _warm(candidate: Candidate, scene: Scene, seconds: float, tell: Tell, note: Tell) -> bool:
    tell(f"warming up {candidate.label}")
    try:
        candidate.warm_up(scene, seconds)
    except (RtstyleError, RuntimeError) as error:  # no memory; or no compiler
        note(f"{scene.name}: {candidate.label} is left out: {one_line(error)}")
        return False
    return True


def _peak(peak: Peak | None) -> dict[str, int | None]:
    return {"peak_bytes": peak and peak.memory, "gpu_bytes": peak and peak.gpu}


def _peaks(scene: Scene, candidates: Sequence[Candidate], tell: Tell, note: Tell) -> dict[str, Peak]:
    """Peak memory of `rtstyle video` by label; measured first, while this process is small itself."""
    frames = max(stages.LEAST, min(SETTLED[0], SETTLED[1] // (scene.width * scene.height)))
    scene.write_clip(frames)
    peaks = {}
    for each in candidates:
        if each.style == PLAIN:
            continue
        tell(f"memory of {each.label}")
        device = str(each.device)
        try:
            peaks[each.label] = peak_of(
                ["video", scene.clip, scene.output, "--overwrite", "--quiet",
                 "--strokes", "1", "--style", each.style, "--engine", each.engine, "--device", device]
            )  # fmt: skip
        except RtstyleError as error:
            note(f"{scene.name}: {each.label}: {error}")
    return peaks


def _jobs(
    scene: Scene, candidates: Sequence[Candidate], seconds: float, energy: Energy
) -> dict[Name, Callable[[], Sample]]:
    place = candidates[0].device  # all have the same
    decoded = scene.decoded()
    jobs: dict[Name, Callable[[], Sample]] = {
        ("decode",): partial(stages.decoding, scene, seconds, place),
        ("to_rgb",): partial(stages.to_rgb, decoded, seconds, place),
        ("to_yuv",): partial(stages.to_yuv, [frame.image for frame in scene.frames(place)], seconds),
    }
    convert = stages.converter(scene.held[0].image)
    for each in candidates:
        ours, label = each.style != PLAIN, each.label
        if ours and (each.style, "encode") not in jobs:  # of the engine that restyled most frames in its time
            images = max((other.images for other in candidates if other.style == each.style), key=len)
            pictures = there_and_back([convert(image) for image in images])
            path = scene.output.with_name("encoded.mp4")
            jobs[each.style, "encode"] = partial(stages.encoding, pictures, path, seconds)
        jobs[label, "network"] = partial(stages.network, scene, each.stylizer, each.frames, place)
        jobs[label, "network alone"] = partial(stages.network_latency, scene, each.stylizer, seconds, place)
        if place.type == "cuda":
            jobs[label, "between"] = partial(
                stages.network_between, decoded[0], each.stylizer, each.frames, place
            )
        if ours:
            jobs[label, "video"] = partial(stages.video, scene, each.stylizer, each.frames, energy)
        # The plain network's loop decodes as such loops do.
        source = place if ours else None
        jobs[label, "video alone"] = partial(stages.video_latency, scene, each.stylizer, seconds, source)
    for each in candidates:
        each.images = []
    return jobs


def _figures(
    candidate: Candidate,
    scene: Scene,
    samples: Samples,
    rates: Mapping[str, Sequence[float]],
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    """What one candidate showed.

    Returns:
        style, engine, precision; flop of a frame, flop_per_second, share_of_ceiling (of the product in
        `precision`, also of what is in 8 bits, which may be faster); network {a summary}; between, on a GPU:
        the summary of both conversions and the network; loop, of the plain network: the summary of file to
        file, frame by frame; of all others: video {a summary},
        slowest (a stage), share_of_slowest, one_by_one_fps, busy (share of all cores), joules_per_frame (None
        where not readable), times_plain {engine: {network, video}}.
    """
    label = candidate.label
    network, alone = samples[label, "network"], samples[label, "video alone"]
    flop = flop_of(candidate.network, scene.width, scene.height)
    reached = [sample.fps * flop for sample in network]
    found: dict[str, Any] = {
        "style": candidate.name,
        "engine": candidate.engine,
        "precision": candidate.precision,
        "network": summary(network, samples[label, "network alone"]),
        "flop": flop,
        "flop_per_second": statistics.median(reached),
        "share_of_ceiling": statistics.median(
            one / most for one, most in zip(reached, rates[candidate.precision], strict=True)
        ),
    }
    if (label, "between") in samples:
        found["between"] = summary(samples[label, "between"])
    if candidate.style == PLAIN:
        return {**found, "loop": summary(alone)}
    video = samples[label, "video"]
    parts = {name: samples[(name,)] for name in COMMON}
    parts |= {"network": network, "encode": samples[candidate.style, "encode"]}
    fps = {name: statistics.median(sample.fps for sample in each) for name, each in parts.items()}
    slowest = slowest_of(fps)
    joules = [sample.joules / sample.frames for sample in video if sample.joules is not None]
    return {
        **found,
        "encode": summary(parts["encode"]),
        "video": summary(video, alone),
        "slowest": slowest,
        "share_of_slowest": times(video, parts[slowest]),
        "one_by_one_fps": one_by_one(fps),
        "busy": statistics.median(sample.busy for sample in video if sample.busy is not None),
        "joules_per_frame": statistics.median(joules) if joules else None,
        "times_plain": {
            plain.engine: {
                "network": times(network, samples[plain.label, "network"]),
                "video": times(video, samples[plain.label, "video alone"]),
            }
            for plain in candidates
            if plain.style == PLAIN
        },
    }
