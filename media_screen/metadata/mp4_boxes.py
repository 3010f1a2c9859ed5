"""One box of a kept track in -> the same box without times, names and bytes that say nothing.

Each cleaner takes (buffer, box, place, tags) and returns the box, packed; what it leaves out becomes a tag.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.isobmff import boxes, pack, pack_full, version_flags
from media_screen.metadata.kinds import SPEAKS, named
from media_screen.metadata.mp4_tags import dropped_tags, note_rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_screen.metadata.isobmff import Box
    from media_screen.types import Tag

    BoxCleaner = Callable[[bytes, Box, str, dict[Tag, None]], bytes]

MAX_GROUP_BYTES = 256
# timing of samples: box -> (bytes before its table, bytes an entry); ISO/IEC 14496-12, 8.6
TABLES = {b"stts": (8, 8), b"ctts": (8, 8), b"stss": (8, 4), b"stps": (8, 4)}
_GROUPS = (b"roll", b"prol", b"rap ", b"sync", b"tsas", b"stsa", b"tscl")  # 10.1: where decoding may start
# (bytes before the end of the box, length) of reserved fields, and of QuickTime's poster, preview and selection
_RESERVED = {b"mvhd": ((74, 10), (28, 24)), b"tkhd": ((60, 8), (46, 2)), b"mdhd": ((2, 2),)}
_MEDIA_HEADERS = {b"vmhd": 12, b"smhd": 8}
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{2,35}\0")  # elng: BCP 47


def small_table(buffer: bytes, box: Box, samples: int, place: str, tags: dict[Tag, None]) -> bytes | None:
    """A box about samples that holds no text, without what follows its numbers; None where it is another.

    Dependencies and composition shift (8.6.4, 8.6.1.4), groups of samples where decoding may start (8.9).
    """
    body = buffer[box.body : box.end]
    if box.kind == b"sdtp":
        length = 4 + samples
    elif box.kind == b"cslg":
        length = 44 if body[:1] == b"\1" else 24
    elif box.kind == b"sgpd" and body[4:8] in _GROUPS and len(body) <= MAX_GROUP_BYTES:
        length = len(body)
    elif box.kind == b"sbgp" and body[4:8] in _GROUPS:
        at = 12 if body[:1] == b"\1" else 8
        length = at + 4 + 8 * int.from_bytes(body[at : at + 4], "big")
    else:
        return None
    note_rest(box.name, place, body[length:], tags)
    return pack(box.kind, body[:length])


def timed_header(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """mvhd, tkhd, mdhd: everything but the two times (8.2.2, 8.3.2, 8.4.2)."""
    version, _ = version_flags(moov, box)
    width = 8 if version == 1 else 4
    lengths = {b"mvhd": (108, 96), b"tkhd": (92, 80), b"mdhd": (32, 20)}  # content, version 1 and not, without flags
    length = 4 + lengths[box.kind][version != 1]
    body = moov[box.body : box.end]
    if len(body) < length or version > 1:
        raise CorruptMedia(f"the box {box.name!r} is cut short")
    if any(body[4 : 4 + 2 * width]):
        tags[named("creation and modification time", f"{place}/{box.name}", kind="time")] = None
    kept = bytearray(body[:length])
    kept[4 : 4 + 2 * width] = bytes(2 * width)
    reserved = body[length:]
    after_id = ((72 if version == 1 else 68, 4),) if box.kind == b"tkhd" else ()
    for start, count in _RESERVED[box.kind] + after_id:
        at = length - start
        reserved += kept[at : at + count]
        kept[at : at + count] = bytes(count)
    note_rest(box.name, place, reserved, tags)
    return pack(box.kind, bytes(kept))


def edits(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """The edit list (8.6.5, 8.6.6)."""
    packed = b""
    for kid in boxes(moov, box.body, box.end):
        if kid.kind == b"elst" and not packed:
            version, _ = version_flags(moov, kid)
            packed = pack(b"edts", table(moov, kid, place, tags, (8, 20 if version == 1 else 12)))
        else:
            tags |= dict.fromkeys(dropped_tags(moov, kid, place))
    return packed


def apertures(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """QuickTime's track apertures: three sizes."""
    kept: dict[bytes, bytes] = {}
    for kid in boxes(moov, box.body, box.end):
        if kid.kind in (b"clef", b"prof", b"enof") and kid.size_bytes == 12 and kid.kind not in kept:
            kept[kid.kind] = pack(kid.kind, moov[kid.body : kid.end])
        else:
            tags |= dict.fromkeys(dropped_tags(moov, kid, place))
    return pack(b"tapt", *kept.values())


def references(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Tref goes, since what it refers to goes: chapters, captions, time codes (8.3.3)."""
    note_rest("tref", place, b"".join(SPEAKS.findall(moov, box.body, box.end)), tags)
    return b""


def handler(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Hdlr without maker and name (8.4.3)."""
    body = moov[box.body : box.end]
    if len(body) < 20:
        raise CorruptMedia(f"the handler of {place} is cut short")
    if (name := body[24:].strip(b"\0 ")) or body[12:24].strip(b"\0"):
        tags[named("handler name", place, name, "device")] = None
    return pack(b"hdlr", bytes(4), body[4:12], bytes(12), b"\0")


def language(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Elng, if it holds a language and nothing else (8.4.6)."""
    body = moov[box.body : box.end]
    if _LANGUAGE.fullmatch(body[4:]):
        return pack(b"elng", body)
    tags[named("elng", place, body, "unknown")] = None
    return b""


def media_header(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Vmhd, smhd (12.1.2, 12.2.2)."""
    end = box.body + _MEDIA_HEADERS[box.kind]
    note_rest(box.name, place, moov[end : box.end], tags)
    return pack(box.kind, moov[box.body : min(end, box.end)])


def data_information(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Dinf, which says that the media lie in this file; QuickTime writes the name of the disk here (8.7.2)."""
    for kid in boxes(moov, box.body, box.end):
        if kid.kind == b"dref":
            entries = list(boxes(moov, kid.body + 8, kid.end))
            for entry in entries:
                if not version_flags(moov, entry)[1] & 1 or entry.kind not in (b"url ", b"urn ", b"alis"):
                    raise StripFailed(f"{place} lies outside the file")
                if moov[entry.body + 4 : entry.end].strip(b"\0"):
                    tags[named("data reference", place, moov[entry.body + 4 : entry.end], "device")] = None
            packed = [pack_full(b"url ", 0, 1) for _ in entries]
            return pack(b"dinf", pack(b"dref", bytes(4), struct.pack(">I", len(packed)), *packed))
    raise CorruptMedia(f"{place} has no data reference")


def table(moov: bytes, box: Box, place: str, tags: dict[Tag, None], layout: tuple[int, int] | None = None) -> bytes:
    """A box of a count and entries, without what follows them."""
    skip, entry = layout or TABLES[box.kind]
    count = int.from_bytes(moov[box.body + 4 : box.body + 8], "big")
    if box.size_bytes < skip + count * entry:
        raise CorruptMedia(f"the box {box.name!r} is shorter than its count says")
    end = box.body + skip + count * entry
    note_rest(box.name, place, moov[end : box.end], tags)
    return pack(box.kind, moov[box.body : end])


def extends(
    moov: bytes, box: Box | None, kept: set[int], tags: dict[Tag, None]
) -> tuple[bytes, dict[int, tuple[int, int]]]:
    """Mvex of the kept tracks (8.8.1 to 8.8.3)."""
    if box is None:
        return b"", {}
    packed: list[bytes] = []
    defaults: dict[int, tuple[int, int]] = {}
    for kid in boxes(moov, box.body, box.end):
        body = moov[kid.body : kid.end]
        if kid.kind == b"mehd" and len(body) in (8, 12):
            packed.append(pack(b"mehd", body))
        elif kid.kind == b"trex" and len(body) == 24:
            track_id, description, _, size, _ = struct.unpack_from(">5I", body, 4)
            if track_id in kept:
                defaults[track_id] = (description, size)
                packed.append(pack(b"trex", body))
        else:
            tags |= dict.fromkeys(dropped_tags(moov, kid, "mvex"))
    return pack(b"mvex", *packed), defaults
