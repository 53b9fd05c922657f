"""Which files come through whole? Restyles every file of a folder and compares input with output.

For each: frames, whether all times are identical, how many sound and subtitle streams are identical bytes,
size, and what the program said; or its refusal. At strength 0 no network is run: it changes none of this.

    python scripts/format_table.py FOLDER --to mp4 --strength 0
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import av

from rtstyle.api import stylize_video
from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Stylizer
from rtstyle.media.video_file import VideoFileSource
from rtstyle.stylizers.loading import load_stylizer


class Watched:
    """A stylizer that remembers the times of the frames it was given."""

    def __init__(self, stylizer: Stylizer) -> None:
        self._stylizer = stylizer
        self.times: list[object] = []

    def __call__(self, frame: Frame) -> Frame:
        self.times.append(frame.time)
        return self._stylizer(frame)

    def reset(self) -> None:
        self.times.clear()
        self._stylizer.reset()


def side_packets(path: Path) -> list[list[bytes]]:
    """The packets of each sound and subtitle stream, as bytes; a damaged file as far as it can be read."""
    packets: dict[int, list[bytes]] = {}
    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type in ("audio", "subtitle") and s.codec_context]
        packets = {s.index: [] for s in streams}
        try:
            for packet in container.demux(streams) if streams else ():
                if packet.size:
                    packets[packet.stream.index].append(bytes(packet))
        except av.error.FFmpegError:
            pass
    return list(packets.values())


def row(path: Path, output: Path, stylizer: Stylizer) -> list[str]:
    """One line of the table."""
    watched = Watched(stylizer)
    try:
        summary = stylize_video(path, output, stylizer=watched)
    except RtstyleError as error:
        return [path.name, "refused", "", "", "", str(error).replace(str(path), path.name)]
    with VideoFileSource(output) as written:
        times = [frame.time for frame in written]
    before, after = side_packets(path), side_packets(output)
    same = sum(a == b for a, b in zip(before, after, strict=False))
    return [
        path.name,
        f"{summary.frames}" + ("" if len(times) == summary.frames else f" (written {len(times)}!)"),
        "identical" if times == watched.times else "differ",
        f"{same} of {len(before)}" if before else "none",
        f"{summary.width}x{summary.height}",
        "; ".join(summary.notes),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", default="mp4", help="extension of the outputs (mp4)")
    parser.add_argument("--style")
    parser.add_argument("--strength", type=float, default=0.0)
    parser.add_argument("--keep", type=Path, help="keep the outputs in this folder")
    options = parser.parse_args()
    stylizer = load_stylizer(options.style, options.strength)
    with tempfile.TemporaryDirectory() as temporary:
        target = options.keep or Path(temporary)
        print("| file | frames | times | identical tracks | size | said |\n|---|---|---|---|---|---|")
        for path in sorted(p for p in options.folder.iterdir() if p.is_file()):
            print("|", " | ".join(row(path, target / f"{path.name}.{options.to}", stylizer)), "|", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
