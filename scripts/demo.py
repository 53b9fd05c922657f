"""Draws a scene with sound, restyles it as any video file, and lays input above output on one sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from contact_sheet import contact_sheet
from rtstyle.cli import main as rtstyle
from rtstyle.media.sound import SoundTrack
from rtstyle.media.synthetic import SyntheticSource, synthetic_sound
from rtstyle.media.video_writer import VideoFileSink

SOUND_RATE = 48000


def draw_scene(path: Path, seconds: int) -> None:
    source = SyntheticSource(seconds=seconds)
    sound = SoundTrack(synthetic_sound(seconds, rate=SOUND_RATE), SOUND_RATE)
    with source, VideoFileSink(path, source.info, companions=sound, overwrite=True) as sink:
        for frame in source:
            sink.write(frame)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the results (out)")
    parser.add_argument("--seconds", type=int, default=8, help="length of the scene (8)")
    # A drawn scene is smooth: this style paints into plain areas, where others stay plain.
    parser.add_argument("--style", default="composition_vii", help="of the result (composition_vii)")
    options, rest = parser.parse_known_args()
    rest += ["--style", options.style]
    scene, result, sheet = (options.out / n for n in ("demo_input.mp4", "demo.mp4", "demo.png"))
    print(f"drawing a scene of {options.seconds} s ...", flush=True)
    draw_scene(scene, options.seconds)
    print("restyling it: rtstyle video", scene, result, *rest, flush=True)
    code = rtstyle(["video", str(scene), str(result), "--overwrite", *rest])
    if code:
        return code
    contact_sheet([scene, result], sheet)
    print(f"\nthe video:          {result}\ninput above output: {sheet}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
