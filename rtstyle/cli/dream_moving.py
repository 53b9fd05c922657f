"""``rtstyle dream`` in motion: a video whose dreams are carried along, and journeys from a still."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from tqdm import tqdm

from rtstyle.api import kept_partial
from rtstyle.cli.carried_video import carry_video, even, first_frame
from rtstyle.cli.dream_inputs import fit, load_activations, make_dream, read_inputs, read_mask, shown, size_of
from rtstyle.cli.options import counted, print_json, say, shows_progress
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo, to_bytes
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.stylizers.defaults import MOVING_DREAM_SIZE
from rtstyle.stylizers.dream_video import DreamFrames
from rtstyle.stylizers.gatys_state import digest
from rtstyle.stylizers.journey import journey as travel
from rtstyle.stylizers.journey import looped, moved
from rtstyle.stylizers.octaves import resized

# A frame of a journey dreams this often on the last one, at its finest sizes: what was dreamt comes
# nearer by itself.
_STEPS, _OCTAVES = 2, 2
_SECONDS, _RATE = 5, 25  # of a journey, and frames a second, unless told
_FADE = Fraction(4, 5)  # seconds in which a loop goes over into its beginning

# PyAV 18 hands a stream's side data neither in nor out.
_NOT_MARKED = (
    "the video is not marked as a panorama, as FFmpeg's marks are out of reach here; players turn it once"
    " Google's Spatial Media Metadata Injector has marked it"
)

# What must be the same for a stopped run to go on.
_SAME = (
    "input", "size", "mask", "panorama", "backbone", "layers", "guide", "steps", "rate", "octaves",
    "octave_ratio", "seed", "tile",
)  # fmt: skip


def video(options: argparse.Namespace, device: torch.device) -> int:
    """A video, each frame's dream carried on from the last along the flow."""
    source = Path(options.input)
    size = even(fit(first_frame(source, options.start, options.end), options.size, MOVING_DREAM_SIZE))
    mask = None if options.mask is None else read_mask(options.mask, size).to(device)
    activations, notes = load_activations(options, device, size, options.layers)
    dream = make_dream(options, activations)
    if options.panorama:
        notes = [*notes, _NOT_MARKED]
    say(options, notes)
    settings: dict[str, Any] = {f"--{name.replace('_', '-')}": str(getattr(options, name)) for name in _SAME}
    # By what they hold: a mask painted anew under its old name is another one.
    settings["weights and guide"] = activations.measure()
    settings["mask"] = digest(*([] if mask is None else [mask]))
    return carry_video(
        options, source, size, DreamFrames(dream, options.seed, mask, device), settings,
        finish=partial(shown, options), done="dreamt", layers=activations.layers,
    )  # fmt: skip


def journey(options: argparse.Namespace, device: torch.device) -> int:
    """A still, or noise, zoomed, turned and shifted on and on, each frame a dream of the last."""
    rate, output = options.fps or _RATE, options.output
    count = max(1, round((options.seconds or _SECONDS) * rate))
    fade = round(_FADE * rate)
    if options.loop and count < 2 * fade:
        raise RtstyleError(
            f"--loop needs {float(2 * fade / rate):g} seconds or more; --seconds is {options.seconds:g}"
        )
    zoom = options.zoom if options.zoom is not None else 1.0
    if not 0.2 <= zoom <= 10:
        raise RtstyleError(f"--zoom {zoom:g}: times larger each second, 0.2 to 10, such as 1.3")
    inputs = read_inputs(options, device, longest=MOVING_DREAM_SIZE, alone=False)
    size = even(size_of(inputs.photo))
    photo = resized(inputs.photo, size).clamp(0, 1)
    say(options, inputs.picture.notes, options.input)
    activations, notes = load_activations(options, device, size, options.layers)
    dream = make_dream(options, activations)
    say(options, notes)
    random = torch.Generator().manual_seed(options.seed)
    across, down = options.shift or (0.0, 0.0)
    turn = (options.rotate or 0.0) / rate
    frames = travel(
        photo,
        lambda image: dream(image, random),
        lambda image: dream(
            image, random, steps=min(_STEPS, options.steps), octaves=min(_OCTAVES, options.octaves)
        ),
        lambda image: moved(image, zoom ** (1 / rate), turn, (across / rate, down / rate)),
    )
    if options.loop:
        frames = looped(frames, count, fade)
    info = VideoInfo(size[1], size[0], Fraction(rate), count, time_base=Fraction(1, rate))
    begin, done = perf_counter(), 0
    bar = tqdm(total=count, unit="frame", disable=not shows_progress(options), leave=False)
    with ExitStack() as stack:
        stack.callback(bar.close)
        sink = VideoFileSink(output, info, overwrite=options.overwrite)
        try:
            with sink:
                for done, image in enumerate(islice(frames, count), start=1):
                    sink.write(Frame(to_bytes(image.cpu()), Fraction(done - 1, rate)))
                    bar.update()
        except BaseException:
            bar.close()
            if (partial := kept_partial(output)) is not None:
                say(options, [f"stopped after {counted(done)}; what is finished is kept in {partial}"])
            raise
    seconds = perf_counter() - begin
    say(options, sink.notes, output.name)
    layers = activations.layers
    say(options, [f"{output}: {counted(count)}, {size[1]}x{size[0]}, {', '.join(layers)}, {seconds:.0f} s"])
    if options.json:
        print_json({
            "output": str(output), "frames": count, "width": size[1], "height": size[0],
            "layers": layers, "seconds": round(seconds, 2), "notes": [*notes, *sink.notes],
        })  # fmt: skip
    return 0
