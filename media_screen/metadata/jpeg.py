"""JPEG -> tags; JPEG -> the same coded picture with JFIF, Adobe, ICC and orientation, and no other segment.

ITU-T T.81 (JPEG), T.871 (JFIF), T.872 (Adobe marker, ICC); the scans are copied byte by byte.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from media_screen.errors import CorruptMedia, UnsupportedMedia
from media_screen.metadata import embedded, exif
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag, TagKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOI, EOI, SOS, DHT, DQT, DAC, DRI, DNL, DHP, EXP, COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xCC, 0xDD, 0xDC, 0xDE, 0xDF, 0xFE
APP0, APP1, APP2, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
FRAMES = {*range(0xC0, 0xD0)} - {DHT, 0xC8, DAC}
_ALONE = {0x00, 0x01, SOI, *range(0xD0, 0xD8)}  # no length follows (T.81, table B.1); senseless between segments

_EXIF, _XMP, _XMP_MORE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
KEEPS = frozenset(exif.TEXT_TAGS)
MAX_SEGMENTS = 100_000  # a real file has a few dozen
_ICC_CHUNK_BYTES = 65519  # 65535 less the length field and the 14 bytes before the profile's
_MARKER = re.compile(rb"\xff[^\xff]")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed byte nor a restart (T.81, B.1.1.5)

_KNOWN: tuple[tuple[int, bytes, TagKind, str], ...] = (
    (APP0, b"JFXX\0", "picture", "JFIF extension thumbnail"),
    (APP1, b"FLIR\0", "picture", "FLIR thermal picture"),
    (APP2, b"MPF\0", "picture", "multi-picture index"),
    (APP2, b"FPXR\0", "picture", "FlashPix"),
    (APP2, b"urn:iso:std:iso:ts:21496:-1\0", "picture", "gain map description"),
    (0xE6, b"GoPro\0", "location", "GoPro telemetry"),
    (0xEB, b"JP", "person", "content credentials (JUMBF)"),
    (0xEC, b"Ducky", "device", "Ducky"),
)


class Segment(NamedTuple):
    """A marker with its payload, and for SOS the coded data after it; marker 0: bytes that belong to no segment."""

    marker: int
    payload: bytes
    scan: bytes = b""


@dataclass(slots=True)
class _Parts:
    """What the segments of one file add up to."""

    jfif: bytes = b""
    adobe: bytes = b""
    icc_chunks: dict[int, bytes] = field(default_factory=dict)
    icc_count: int = 0
    exif: bytes | None = None
    xmp_more: list[bytes] = field(default_factory=list)
    stray: list[bytes] = field(default_factory=list)
    frame: bytes = b""
    scans: int = 0
    body: list[bytes] = field(default_factory=list)
    tags: Found = field(default_factory=Found)


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    parts, end = _parse(data)
    if not parts.scans:
        raise CorruptMedia("a JPEG without a picture")
    parts.tags += embedded.after_end(data[end:])
    block = exif.minimal(exif.orientation_of(parts.exif), fields)
    head = [
        b"\xff\xd8",
        _segment(APP0, parts.jfif),
        _segment(APP1, _EXIF + block) if block else b"",
        *_icc_segments(parts),
        _segment(APP14, parts.adobe),
    ]
    return Cleaned(b"".join([*head, *parts.body, b"\xff\xd9"]), parts.tags.all())


def clean_stream(data: bytes) -> Cleaned:
    """A stream inside a TIFF: tables only, or a picture whose tables stand elsewhere (TIFF Technical Note 2)."""
    parts, end = _parse(data)
    parts.tags += embedded.after_end(data[end:].rstrip(b"\0"))
    if parts.exif is not None or parts.icc_chunks:  # readers of TIFF look for both in the directory only
        parts.tags.add(Tag(kind="unknown", name="EXIF or ICC profile", place="JPEG stream"))
    head = [b"\xff\xd8", _segment(APP0, parts.jfif), _segment(APP14, parts.adobe)]
    return Cleaned(b"".join([*head, *parts.body, b"\xff\xd9"]), parts.tags.all())


def _parse(data: bytes) -> tuple[_Parts, int]:
    """The parts, and where the file ends."""
    if data[:2] != b"\xff\xd8":
        raise CorruptMedia("not a JPEG")
    parts = _Parts()
    end = 2
    for count, (segment, end) in enumerate(_segments(data)):  # noqa: B007 - the last end is the file's
        if count >= MAX_SEGMENTS:
            raise CorruptMedia("more JPEG segments than any real file has")
        if segment.marker == 0:
            parts.stray.append(segment.payload)
        elif segment.marker in _CHECKS:
            _CHECKS[segment.marker](segment, parts)
            parts.body.append(_segment(segment.marker, segment.payload) + segment.scan)
        else:
            _application(segment, parts)
    if parts.xmp_more:
        parts.tags += embedded.xmp_tags(b"".join(parts.xmp_more), "extended XMP")
    if stray := b"".join(parts.stray):
        parts.tags += embedded.dropped(stray, "bytes between segments", "JPEG")
    _finish_icc(parts)
    return parts, end


def _segments(data: bytes) -> Iterator[tuple[Segment, int]]:
    """Each segment up to the end marker, and where it ends.

    Raises:
        CorruptMedia: the file stops before its end marker.
    """
    at = 2
    while match := _MARKER.search(data, at):
        marker = data[match.end() - 1]
        stray = data[at : match.start()].rstrip(b"\xff")  # any number of fill bytes may stand before a marker
        if marker in _ALONE:
            stray += match.group()
        if stray:
            yield Segment(0, stray), match.end()
        at = match.end()
        if marker == EOI:
            yield Segment(0, b""), at
            return
        if marker in _ALONE:
            continue
        end = at + struct.unpack_from(">H", data, at)[0] if at + 2 <= len(data) else 0
        if not at + 2 <= end <= len(data):
            raise CorruptMedia("a JPEG segment is longer than the file: it is damaged or cut short")
        payload, at = data[at + 2 : end], end
        if marker == SOS:
            scan_end = _SCAN_END.search(data, at)
            if scan_end is None:
                break
            at = scan_end.start()
            yield Segment(marker, payload, data[end:at].rstrip(b"\xff")), at
        else:
            yield Segment(marker, payload), at
    raise CorruptMedia("the JPEG has no end marker: it is cut short")


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload if payload else b""


# --- what the decoder needs: each must be exactly as long as its own counts say, so that nothing hides in it ---


def _check_frame(segment: Segment, parts: _Parts) -> None:
    payload = segment.payload
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5] or not payload[5]:
        raise CorruptMedia("a JPEG frame header of a wrong length")
    if parts.frame:
        raise CorruptMedia("a JPEG with two frames")
    parts.frame = payload


def _check_scan(segment: Segment, parts: _Parts) -> None:
    payload = segment.payload
    if not payload or len(payload) != 4 + 2 * payload[0] or not parts.frame:
        raise CorruptMedia("a JPEG scan header of a wrong length or before its frame")
    parts.scans += 1


def _check_quantisation(segment: Segment, _parts: _Parts) -> None:
    at = 0
    while at < len(segment.payload):
        at += 129 if segment.payload[at] >> 4 else 65
    _check_end(segment, at)


def _check_huffman(segment: Segment, _parts: _Parts) -> None:
    at = 0
    while at < len(segment.payload):
        at += 17 + sum(segment.payload[at + 1 : at + 17])
    _check_end(segment, at)


def _check_pair(segment: Segment, _parts: _Parts) -> None:
    """DRI and DNL hold one number."""
    _check_end(segment, 2)


def _check_conditioning(segment: Segment, _parts: _Parts) -> None:
    if len(segment.payload) % 2 or len(segment.payload) > 64:
        raise CorruptMedia("a JPEG arithmetic table of a wrong length")


def _check_end(segment: Segment, at: int) -> None:
    if at != len(segment.payload):  # tables may be none: such a segment is left out
        raise CorruptMedia(f"a JPEG segment (marker {segment.marker:02X}) of a wrong length")


def _refuse(_segment: Segment, _parts: _Parts) -> None:
    raise UnsupportedMedia("a hierarchical JPEG: no viewer shows it")


_CHECKS = {
    **dict.fromkeys(FRAMES, _check_frame),
    SOS: _check_scan,
    DQT: _check_quantisation,
    DHT: _check_huffman,
    DAC: _check_conditioning,
    DRI: _check_pair,
    DNL: _check_pair,
    DHP: _refuse,
    EXP: _refuse,
}


# --- the other segments ---


def _application(segment: Segment, parts: _Parts) -> None:
    """Keep what display needs of an APPn or COM segment; a tag for the rest."""
    marker, payload = segment.marker, segment.payload
    place = f"APP{marker - APP0}" if APP0 <= marker < APP0 + 16 else f"marker {marker:02X}"
    if marker == APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14 and not parts.jfif:
        _jfif(payload, parts)
    elif marker == APP14 and payload.startswith(b"Adobe") and len(payload) >= 12 and not parts.adobe:
        parts.adobe = payload[:12]  # T.872, 6.5.3: nothing follows
        parts.tags += embedded.dropped(payload[12:], "bytes after Adobe", place) if payload[12:] else []
    elif marker == APP1:
        _app1(payload, parts)
    elif marker == APP2 and payload.startswith(_ICC) and len(payload) > 14:
        _icc_chunk(payload, parts)
    elif marker == APP13 and payload.startswith(_PHOTOSHOP):
        parts.tags += embedded.photoshop_tags(payload[len(_PHOTOSHOP) :])
    elif marker == COM:
        text = Tag(kind="text", name="comment", place="COM", value=embedded.text_of(payload))
        parts.tags += [text, *embedded.scan(payload, "COM")]
    else:
        parts.tags += _unknown(marker, payload, place)


def _unknown(marker: int, payload: bytes, place: str) -> list[Tag]:
    for known, start, kind, name in _KNOWN:
        if marker == known and payload.startswith(start):
            return [Tag(kind=kind, name=name, place=place), *embedded.scan(payload, place)]
    return embedded.dropped(payload, "unknown segment", place)


def _jfif(payload: bytes, parts: _Parts) -> None:
    """Version and density stay; the thumbnail goes (T.871, 10.1)."""
    parts.jfif = payload[:12] + bytes(2)
    if payload[12] and payload[13]:
        parts.tags.add(Tag(kind="picture", name="thumbnail", place="JFIF"))
    elif payload[14:]:
        parts.tags += embedded.dropped(payload[14:], "bytes after JFIF", "APP0")


def _app1(payload: bytes, parts: _Parts) -> None:
    if payload.startswith(_EXIF[:5]):
        block = payload[6:]
        place = "EXIF" if parts.exif is None else "second EXIF"
        parts.tags += exif.tags(block, place)
        if parts.exif is None:
            parts.exif = block  # the first counts: browsers and Pillow read no second one
        elif not exif.tags(block, place):
            parts.tags.add(Tag(kind="unknown", name="Orientation", place=place))
    elif payload.startswith(_XMP):
        parts.tags += embedded.xmp_tags(payload[len(_XMP) :])
    elif payload.startswith(_XMP_MORE):
        # XMP part 3, 1.1.3.1: digest (32), whole length (4), offset (4), then the text
        parts.xmp_more.append(payload[len(_XMP_MORE) + 40 :])
    else:
        parts.tags += _unknown(APP1, payload, "APP1")


def _icc_chunk(payload: bytes, parts: _Parts) -> None:
    """ICC.1:2022, B.4: number and count, from 1."""
    number, count = payload[12], payload[13]
    if number in parts.icc_chunks or not 1 <= number <= count or parts.icc_count not in (0, count):
        parts.tags += embedded.dropped(payload, "ICC chunk out of order", "APP2")
        return
    parts.icc_count = count
    parts.icc_chunks[number] = payload[14:]


def _profile(parts: _Parts) -> bytes:
    return b"".join(parts.icc_chunks[n] for n in sorted(parts.icc_chunks))


def _finish_icc(parts: _Parts) -> None:
    """Chunks that make no profile are listed, and with them what follows the profile's stated end."""
    joined = _profile(parts)
    complete = len(parts.icc_chunks) == parts.icc_count
    rest = joined[len(icc_profile(joined)) :] if complete else joined
    if rest:
        parts.tags += embedded.dropped(rest, "bytes that are no ICC profile", "APP2")
    if not complete:
        parts.icc_chunks.clear()


def _icc_segments(parts: _Parts) -> list[bytes]:
    profile = icc_profile(_profile(parts))
    chunks = [profile[i : i + _ICC_CHUNK_BYTES] for i in range(0, len(profile), _ICC_CHUNK_BYTES)]
    return [_segment(APP2, _ICC + bytes([n, len(chunks)]) + chunk) for n, chunk in enumerate(chunks, 1)]
