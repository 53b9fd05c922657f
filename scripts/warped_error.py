"""How steady is a restyled video, beside others of the same clip and the clip itself?

Root mean square, in [0, 1], of each frame's difference to the one before moved along the clip's own flow
(DIS), where both directions of it agree; and the mean brightness of the first and the last tenth.

    python scripts/warped_error.py clip.mp4 restyled.mp4 restyled_frame_by_frame.mp4
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from rtstyle.frame import to_float
from rtstyle.media.video_file import VideoFileSource
from rtstyle.perception.flow import dis_flow_and_visible, warp


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("results", type=Path, nargs="*")
    options = parser.parse_args()
    paths = [options.clip, *options.results]
    with VideoFileSource(options.results[0] if options.results else options.clip) as first:
        size = (first.info.width, first.info.height)
    errors: list[list[float]] = [[] for _ in paths]
    light: list[list[float]] = [[] for _ in paths]
    before = None
    for frames in zip(*(VideoFileSource(path, size=size) for path in paths), strict=False):
        now = [to_float(frame.image)[None] for frame in frames]
        if before is not None:
            flow, seen = dis_flow_and_visible(now[0][0], before[0][0])
            for mine, new, old in zip(errors, now, before, strict=True):
                squared = (new - warp(old, flow)).square().mean(1, keepdim=True) * seen
                mine.append(float((squared.sum() / seen.sum().clamp_min(1)).sqrt()))
        for mine, new in zip(light, now, strict=True):
            mine.append(float(new.mean()))
        before = now
    for path, mine, brightness in zip(paths, errors, light, strict=True):
        tenth = max(1, len(brightness) // 10)
        ends = statistics.mean(brightness[:tenth]), statistics.mean(brightness[-tenth:])
        print(
            f"{path.name:40} warped error {statistics.mean(mine):.4f}, {len(mine) + 1} frames,"
            f" brightness {ends[0]:.3f} to {ends[1]:.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
