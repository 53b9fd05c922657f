"""What describes a video file and its streams: metadata, languages, marks, chapters, cover pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from rtstyle.media.containers import is_cover, open_media
from rtstyle.media.span import Span

# Facts about the old file that are not true of the new one.
_STALE = (
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "bps",
    "duration",
    "rotate",
    "alpha_mode",
)
_STALE_STARTS = ("number_of_", "_statistics")
# The marks a container keeps; those not named here keep all.
_MARKS = {"mov": Disposition.default, "webm": Disposition.default | Disposition.forced}
# QuickTime's old language codes, where they differ from today's (ISO 639-2/T).
_QUICKTIME = {
    "bod": "tib", "cym": "wel", "cze": "ces", "deu": "ger", "ell": "gre", "eus": "baq", "fas": "per",
    "fre": "fra", "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur",
    "nld": "dut", "rum": "ron", "slo": "slk", "sqi": "alb", "swe": "sve", "zho": "chi",
}  # fmt: skip
# What a phone tells of itself, under the names that FFmpeg writes to MP4 and MOV; Apple's own it reads alone.
_APPLE = "com.apple.quicktime."
_PHONE = {"location.ISO6709": "location", "creationdate": "date", "make": "make", "model": "model"}
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


def kind(output: OutputContainer) -> str:
    """A container's name as users know it."""
    return {"matroska": "mkv"}.get(output.format.name, output.format.name)


def still_true(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without what was true of the old file only."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower().partition("-")[0] not in _STALE and not key.lower().startswith(_STALE_STARTS)
    }


def describe_file(metadata: dict[str, str], output: OutputContainer) -> str | None:
    """Copy what describes the whole file; returns a note on what of a phone's it cannot keep."""
    kept = still_true(metadata)
    lost: list[str] = []
    if output.format.name in ("mov", "mp4"):
        for theirs, ours in _PHONE.items():
            if (value := kept.pop(_APPLE + theirs, None)) is not None:
                kept.setdefault(ours, value)
        if output.format.name == "mp4":
            lost = [key for key in ("make", "model") if kept.pop(key, None)]
    output.metadata.update(kept)
    return f"the camera's {' and '.join(lost)}: mp4 holds none, left out" if lost else None


def describe(source: Stream, target: Stream, output: OutputContainer) -> str | None:
    """Copy language, title, marks and the rest; returns a note on marks the container cannot keep."""
    metadata = still_true(source.metadata)
    if "name" in metadata:  # MP4 calls a title so, but only when read
        metadata.setdefault("title", metadata.pop("name"))
    if output.format.name == "mov" and "language" in metadata:
        metadata["language"] = _QUICKTIME.get(metadata["language"], metadata["language"])
    target.metadata.update(metadata)
    target.disposition = source.disposition
    lost = source.disposition & ~_MARKS.get(output.format.name, source.disposition)
    return f"{kind(output)} does not keep its mark ({lost.name})" if lost else None


def copy_chapters(source: InputContainer, output: OutputContainer, span: Span) -> None:
    """The chapters of a part of a file, cut to it."""
    kept = []
    for chapter in source.chapters():
        base = Fraction(chapter["time_base"] or 1)
        start, end = chapter["start"] * base, chapter["end"] * base
        start = max(start, span.origin if span.start is None else span.start)
        end = end if span.end is None else min(end, span.end)
        if start < end:
            ticks = {"start": round((start - span.origin) / base), "end": round((end - span.origin) / base)}
            kept.append({**chapter, **ticks})
    if kept:
        output.set_chapters(kept)  # type: ignore[arg-type]


def copy_attachment(stream: AttachmentStream, output: OutputContainer) -> str | None:
    """Fonts and the like; returns a note where they must be left out."""
    name = stream.metadata.get("filename", f"attachment{stream.index}")
    if output.format.name != "matroska" or not stream.data:
        return f"attachment {name}: {kind(output)} cannot hold it, left out"
    output.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
    return None


def copy_covers(path: Path, output: OutputContainer) -> tuple[list[Packet], list[str]]:
    """Cover pictures: marked streams in MP4, attachments in Matroska.

    Returns:
        Packets to mux after the header, and notes on what was left out.
    """
    packets: list[Packet] = []
    notes: list[str] = []
    with open_media(path) as container:
        covers = {stream.index for stream in container.streams.video if is_cover(stream)}
        for packet in container.demux():
            if packet.stream_index not in covers:
                break  # covers come first of all packets
            stream = packet.stream
            codec = stream.codec_context.name if stream.codec_context else "unknown"
            if output.format.name == "mp4" and codec in _COVERS:
                target = output.add_stream_from_template(stream)
                target.disposition = stream.disposition
                packet.stream = target
                packets.append(packet)
            elif output.format.name == "matroska" and codec in _COVERS:
                output.add_attachment(*_COVERS[codec], bytes(packet))
            else:
                notes.append(f"cover picture ({codec}): {kind(output)} cannot hold it, left out")
    return packets, notes
