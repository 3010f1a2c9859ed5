"""Program tables of a transport stream (PAT, PMT) -> which streams are kept, and the same tables for those alone.

ISO/IEC 13818-1, 2.4.4. Descriptors are kept by an allow-list: language, codec, and what a decoder needs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.kinds import named
from media_screen.metadata.payload import StartCodes, Units

if TYPE_CHECKING:
    from media_screen.types import Tag

VIDEO_TYPES = {0x01, 0x02, 0x10, 0x1B, 0x24}
OTHER_VIDEO_TYPES = {0x1E, 0x1F, 0x20, 0x21, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x33, 0x42, 0xD1, 0xD2, 0xD4, 0xEA}
AUDIO_TYPES = {0x03, 0x04, 0x0F, 0x11, 0x1C, 0x81, 0x84, 0x87, 0xC1, 0xCF}
BLU_RAY_AUDIO_TYPES = {0x80, 0x82, 0x83, 0x85, 0x86, 0xA1, 0xA2}
SUBTITLE_TYPES = {0x90, 0x91, 0x92}
METADATA_TYPES = {0x15, 0x16, 0x17}
PRIVATE = 0x06
# of a private stream: AC-3, E-AC-3, DTS, AAC (ETSI EN 300 468, annex D), or a registered format
_AUDIO_DESCRIPTORS = {0x6A, 0x7A, 0x7B, 0x7C, 0x81, 0xCC}
_AUDIO_FORMATS = {b"AC-3", b"EAC3", b"DTS1", b"DTS2", b"DTS3", b"Opus", b"BSSD", b"AC-4"}
# how a frame of AC-3, DTS, AAC or MPEG audio begins: some cameras declare their sound as private data and no more
_AUDIO_SYNCS = (b"\x0b\x77", b"\x7f\xfe\x80\x01", b"\xff\xf1", b"\xff\xf9", b"\xff\xfb", b"\xff\xfd")
_FORMATS = _AUDIO_FORMATS | {b"HDMV", b"HEVC", b"AVC ", b"GA94", b"DOVI"}
LANGUAGE, REGISTRATION, EXTENSION, DOLBY_VISION = 0x0A, 0x05, 0x7F, 0xB0
# video, audio, alignment, limits, MPEG-4, AVC, HEVC, stream number, AC-3 and kin, Dolby Vision
_KEPT = {
    0x02,
    0x03,
    0x06,
    0x0E,
    0x10,
    0x11,
    0x1B,
    0x1C,
    0x28,
    0x2A,
    0x2B,
    0x38,
    0x52,
    *_AUDIO_DESCRIPTORS,
    DOLBY_VISION,
}
MAX_DESCRIPTOR_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One line of a program map."""

    pid: int
    type: int
    descriptors: tuple[tuple[int, bytes], ...]

    @property
    def formats(self) -> set[bytes]:
        """Registered format identifiers."""
        return {body[:4] for tag, body in self.descriptors if tag == REGISTRATION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program map section."""

    number: int
    version: int
    clock_pid: int
    descriptors: tuple[tuple[int, bytes], ...]
    streams: tuple[Stream, ...]

    @property
    def blu_ray(self) -> bool:
        """AVCHD and Blu-ray give stream types above 0x80 meanings of their own."""
        return any(body[:4] == b"HDMV" for tag, body in self.descriptors if tag == REGISTRATION)

    def is_audio(self, stream: Stream, begins: bytes) -> bool:
        """True for sound; `begins` is the start of its first packet's payload."""
        if stream.type == PRIVATE:
            tags = {tag for tag, _ in stream.descriptors}
            named_so = bool(tags & _AUDIO_DESCRIPTORS or stream.formats & _AUDIO_FORMATS)
            return named_so or (not stream.formats and begins.startswith(_AUDIO_SYNCS))
        return stream.type in AUDIO_TYPES or (self.blu_ray and stream.type in BLU_RAY_AUDIO_TYPES)

    def is_video(self, stream: Stream) -> bool:
        """True for pictures."""
        registered = stream.type == PRIVATE and bool(stream.formats & {b"HEVC", b"AVC ", b"DOVI"})
        return registered or stream.type in VIDEO_TYPES or stream.type in OTHER_VIDEO_TYPES


def section(payload: bytes) -> bytes:
    """The section that begins in a packet's payload; only whole ones, of one packet or joined before."""
    start = 1 + payload[0]
    length = struct.unpack_from(">H", payload, start + 1)[0] & 0xFFF
    return payload[start : start + 3 + length]


def is_whole(payload: bytes) -> bool:
    """True where the section that begins here ends here."""
    start = 1 + payload[0]
    if start + 3 > len(payload):
        return False
    (length,) = struct.unpack_from(">H", payload, start + 1)
    return start + 3 + (int(length) & 0xFFF) <= len(payload)


def rest_of_section(payload: bytes) -> bytes:
    """What follows the whole section that begins in a payload, and stands before it, but stuffing."""
    start = 1 + payload[0]
    end = start + 3 + (struct.unpack_from(">H", payload, start + 1)[0] & 0xFFF)
    return payload[1:start].strip(b"\xff") + payload[end:].rstrip(b"\xff")


def read_pat(body: bytes) -> dict[int, int]:
    """Program number -> PID of its map."""
    rows = struct.iter_unpack(">HH", body[8 : 8 + (len(body) - 12) // 4 * 4]) if len(body) >= 16 else ()
    return {number: pid & 0x1FFF for number, pid in rows if number}


def read_pmt(body: bytes) -> Program:
    """A program map section.

    Raises:
        CorruptMedia: it does not parse.
    """
    if len(body) < 16 or body[0] != 2:
        raise CorruptMedia("a program map does not parse")
    number, flags, _, _, clock, length = struct.unpack_from(">HBBBHH", body, 3)
    at, end = 12 + (length & 0xFFF), len(body) - 4
    streams: list[Stream] = []
    program = _descriptors(body[12:at])
    while at + 5 <= end:
        kind, pid, length = struct.unpack_from(">BHH", body, at)
        after = at + 5 + (length & 0xFFF)
        if after > end:
            raise CorruptMedia("a program map does not parse")
        streams.append(Stream(pid=pid & 0x1FFF, type=kind, descriptors=_descriptors(body[at + 5 : after])))
        at = after
    return Program(
        number=number, version=flags >> 1 & 31, clock_pid=clock & 0x1FFF, descriptors=program, streams=tuple(streams)
    )


def _descriptors(body: bytes) -> tuple[tuple[int, bytes], ...]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(body):
        end = at + 2 + body[at + 1]
        if end > len(body):
            break
        found.append((body[at], body[at + 2 : end]))
        at = end
    return tuple(found)


def chosen(program: Program, begins: dict[int, bytes], tags: dict[Tag, None]) -> list[Stream]:
    """The first video stream and every audio stream; the others are named. `begins`: how each PID's payload starts.

    Raises:
        CorruptMedia: no video stream.
        StripFailed: a codec that is not known.
    """
    videos = [stream for stream in program.streams if program.is_video(stream)]
    if not videos:
        raise CorruptMedia("no video track in this file")
    if videos[0].type not in VIDEO_TYPES:
        raise StripFailed(f"the video stream type {videos[0].type:#04x} is not known")
    kept = [
        stream
        for stream in program.streams
        if stream is videos[0] or program.is_audio(stream, begins.get(stream.pid, b""))
    ]
    for stream in program.streams:
        if stream not in kept:
            _name_dropped(stream, videos, tags)
    for stream in kept:
        for tag, body in stream.descriptors:
            if not _is_kept(tag, body):
                tags[named(f"descriptor {tag:#04x}", f"PID {stream.pid}", body)] = None
    for tag, body in program.descriptors:
        if not _is_kept(tag, body):
            tags[named(f"descriptor {tag:#04x}", "program", body)] = None
    return kept


def _name_dropped(stream: Stream, videos: list[Stream], tags: dict[Tag, None]) -> None:
    place = f"PID {stream.pid}"
    if stream in videos:
        tags[named(f"video track {videos.index(stream) + 1}", place, kind="picture")] = None
    elif stream.type in METADATA_TYPES or b"KLVA" in stream.formats:
        tags[named("KLV or metadata stream", place, kind="location")] = None
    elif stream.type in SUBTITLE_TYPES or any(tag in (0x56, 0x59) for tag, _ in stream.descriptors):
        tags[named("subtitle stream", place, kind="text")] = None
    else:
        tags[named(f"stream of type {stream.type:#04x}", place, kind="unknown")] = None


def _is_kept(tag: int, body: bytes) -> bool:
    if tag == REGISTRATION:
        # Blu-ray writes the stream's coding after the four letters: bits of format, no text
        return body[:4] in _FORMATS and len(body) <= 8
    if tag == LANGUAGE:
        return len(body) % 4 == 0 and all(body[at : at + 3].isalpha() for at in range(0, len(body), 4))
    if tag == EXTENSION:
        return body[:1] == b"\x80" and len(body) == 2  # Opus: how many channels
    return tag in _KEPT and len(body) <= MAX_DESCRIPTOR_BYTES


def stream_filter(stream: Stream) -> Units | StartCodes:
    """The filter of a video stream."""
    place = f"PID {stream.pid}"
    if stream.type == 0x1B:
        return Units("h264", place, length_bytes=0)
    if stream.type == 0x24:
        dolby = any(tag == DOLBY_VISION for tag, _ in stream.descriptors)
        return Units("hevc", place, length_bytes=0, dolby=dolby)
    return StartCodes(place)


def pack_pat(program: Program, map_pid: int) -> bytes:
    """A program association section of one program."""
    return _pack_section(0, 1, 0, struct.pack(">HH", program.number, 0xE000 | map_pid))


def pack_pmt(program: Program, kept: list[Stream]) -> bytes:
    """A program map section of the kept streams."""
    descriptors = _pack_descriptors(program.descriptors)
    rows = [struct.pack(">HH", 0xE000 | program.clock_pid, 0xF000 | len(descriptors)), descriptors]
    for stream in kept:
        own = _pack_descriptors(stream.descriptors)
        rows += (struct.pack(">BHH", stream.type, 0xE000 | stream.pid, 0xF000 | len(own)), own)
    return _pack_section(2, program.number, program.version, b"".join(rows))


def _pack_descriptors(descriptors: tuple[tuple[int, bytes], ...]) -> bytes:
    return b"".join(bytes((tag, len(body))) + body for tag, body in descriptors if _is_kept(tag, body))


def _pack_section(table: int, number: int, version: int, body: bytes) -> bytes:
    head = struct.pack(">BHHBBB", table, 0xB000 | len(body) + 9, number, 0xC1 | version << 1, 0, 0)
    return head + body + struct.pack(">I", _crc(head + body))


def _crc(body: bytes) -> int:
    """CRC-32 of ISO/IEC 13818-1, annex A."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
