"""Decoding one video stream: past damage, with a stamp for each frame that the container has one for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from rtstyle.media.containers import clock_may_turn_back, is_broadcast
from rtstyle.media.timing import SteadyClock, say_time

# Decoders that give up on a packet may give up on each one: past this nothing will come.
_HOPELESS = 500
# Failed reads in a row before the rest of a file counts as unreadable.
_READS = 20
# A container's claim of its length is rounded; less than this is not missing. Seconds, and frames.
_SLACK, _SLACK_FRAMES = Fraction(1, 2), 4


@dataclass(slots=True)
class Damage:
    """What could not be read or decoded so far."""

    packets: int = 0  # refused by the decoder, or cut
    silent: int = 0  # packets that gave no frame: some wait in the decoder, refused ones never come out
    unread: int = 0  # reads that failed
    flawed: int = 0  # frames decoded from damaged data, as far as the decoder tells
    jumps: int = 0  # of a broadcast's clock
    reached: Fraction = Fraction(0)  # end of the latest packet of any stream, seconds on the file's clock

    def sentence(self, end: Fraction | None, claimed: int, rate: Fraction, count: int) -> str | None:
        """One line on what was lost of a file read to its end; None for a whole one.

        Args:
            end: where the container says it ends, seconds; None if it says nothing.
            claimed: how many frames the container says there are; 0 if it says nothing.
            count: frames that were decoded.
        """
        missing = end - self.reached if end is not None else Fraction(0)
        if missing <= max(_SLACK, _SLACK_FRAMES / rate):
            missing = Fraction(0)
        lost = max(round(missing * rate), self.packets)
        if lost:
            lost = max(lost, self.silent, claimed - count)
            frames = "1 frame" if lost == 1 else f"{lost} frames"
            kind = "damaged" if self.packets or self.unread else "the file ends before its stated end"
            return f"{kind}: about {frames} ({say_time(lost / rate)}) could not be decoded, {count} were"
        if self.flawed:
            return f"damaged: {self.flawed} of {count} frames were decoded from damaged data"
        if self.unread:
            return f"damaged: the file could not be read to its end; {count} frames were decoded"
        return None


def decode(container: InputContainer, stream: VideoStream, damage: Damage) -> Iterator[av.VideoFrame]:
    """Frames of a stream in display order; what cannot be decoded is counted and passed over."""
    decoder = _alpha_decoder(stream) or stream.codec_context
    # A GPU's decoder holds back a surface for each thread, and has few.
    if not decoder.is_open:  # it is after a seek
        decoder.thread_type = "NONE" if decoder.is_hwaccel else "AUTO"
    stamps = _DecodingStamps() if container.format.name == "avi" else None
    fruitless = 0
    for packet in _whole_packets(container, stream, damage):
        if packet is not None:
            damage.silent += not packet.is_discard
            if stamps is not None:
                stamps.enter(packet)
        try:
            frames = decoder.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            damage.packets += 1
            fruitless += 1
            frames = []
        if frames:
            fruitless = 0
        elif fruitless > _HOPELESS:
            return
        for frame in frames:
            damage.silent -= 1
            if not frame.time_base:
                frame.time_base = stream.time_base
            if stamps is not None:
                frame.pts = stamps.leave(frame.dts)
            elif frame.pts is None:
                frame.pts = frame.dts
            yield frame  # type: ignore[misc]


def packets_of(container: InputContainer, damage: Damage) -> Iterator[Packet]:
    """Every packet of every stream in file order, on one steady clock; a bad spot is passed over."""
    may_turn_back = clock_may_turn_back(container)
    steady = SteadyClock(closes_gaps=is_broadcast(container)) if may_turn_back else None
    packets, failed = container.demux(), 0
    while failed < _READS:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            damage.unread += 1
            failed += 1
            packets = container.demux()
            continue
        if packet is None:
            return
        failed = 0
        if packet.size:  # the rest are PyAV's marks of the end
            if steady is not None:
                steady(packet)
                damage.jumps = steady.jumps
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                end = (stamp + (packet.duration or 0)) * Fraction(packet.time_base)
                damage.reached = max(damage.reached, end)
            yield packet


def _whole_packets(container: InputContainer, stream: VideoStream, damage: Damage) -> Iterator[Packet | None]:
    """Packets of one stream, then None. One that the end of the file cuts is left out: with a thread
    for each frame, its error would swallow the frames before it that are still in the decoder."""
    held: Packet | None = None
    for packet in packets_of(container, damage):
        if packet.stream_index == stream.index:
            if held is not None:
                yield held
            held = packet
    if held is not None and held.is_corrupt:
        damage.packets += 1
    elif held is not None:
        yield held
    yield None


class _DecodingStamps:
    """Times for frames of a container that stores only the order of decoding (AVI).

    The decoder gives frames in display order, a constant number of packets late: the k-th frame gets
    the k-th stamp, and a packet that yields no frame takes its stamp with it.
    """

    def __init__(self) -> None:
        self._stamps: list[int] = []  # of packets whose frames have not come out, increasing
        self._late: int | None = None  # packets

    def enter(self, packet: Packet) -> None:
        if packet.dts is not None:
            self._stamps.append(packet.dts)

    def leave(self, last_entered: int | None) -> int | None:
        """The stamp of the next frame out; `last_entered` is that of the packet that brought it out."""
        if last_entered is not None:
            entered = bisect_right(self._stamps, last_entered)
            self._late = entered - 1 if self._late is None else self._late
            del self._stamps[: max(0, entered - 1 - self._late)]
        return self._stamps.pop(0) if self._stamps else None


def _alpha_decoder(stream: VideoStream) -> av.VideoCodecContext | None:
    """libvpx for WebM with transparency: FFmpeg's own VP8 and VP9 decoders drop the alpha channel."""
    if stream.metadata.get("alpha_mode") != "1":
        return None
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or name not in av.codec.codecs_available:
        return None
    decoder = av.CodecContext.create(name, "r")
    decoder.extradata = stream.codec_context.extradata
    return decoder  # type: ignore[return-value]
