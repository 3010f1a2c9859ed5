"""GIF -> tags; GIF -> the same coded frames with their palettes, timing, loop and colour profile, and nothing else.

GIF89a specification; numbers in comments are its sections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia
from media_screen.metadata import embedded
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.lzw import LzwFollower
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from pathlib import Path

KEEPS: frozenset[str] = frozenset()  # no fields: it has no place for text that viewers agree on
MAX_BLOCKS = 200_000  # frames and extensions; an hour at 25 frames a second has 180,000
IMAGE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
CONTROL, COMMENT, PLAIN_TEXT, APPLICATION = 0xF9, 0xFE, 0x01, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_PROFILE = b"ICCRGBG1012"
_INTRODUCER = re.compile(rb"[\x2c\x21\x3b]")


@dataclass(slots=True)
class _Parts:
    """What the blocks of one file add up to."""

    body: list[bytes] = field(default_factory=list)
    control: bytes = b""  # waits for its frame
    frames: int = 0
    lzw: LzwFollower = field(default_factory=LzwFollower)
    looped: bool = False
    profiled: bool = False
    stray: list[bytes] = field(default_factory=list)
    tags: Found = field(default_factory=Found)


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, _fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        raise CorruptMedia("not a GIF")
    parts = _Parts()
    at = 13 + _palette_bytes(data[10])
    parts.body.append(data[:at])
    for _ in range(MAX_BLOCKS):
        found = _INTRODUCER.search(data, at)
        if found is None:
            raise CorruptMedia("the GIF has no trailer: it is cut short")
        if found.start() > at:  # decoders pass over it
            parts.stray.append(data[at : found.start()])
        at = found.end()
        if data[at - 1] == TRAILER:
            return _finished(data, at, parts)
        at = _image(data, at - 1, parts) if data[at - 1] == IMAGE else _extension(data, at, parts)
    raise CorruptMedia("more GIF blocks than any real file has")


def _finished(data: bytes, end: int, parts: _Parts) -> Cleaned:
    if not parts.frames:
        raise CorruptMedia("a GIF without a picture")
    if parts.control:
        parts.tags.add(Tag(kind="unknown", name="control without a frame", place="GIF"))
    if stray := b"".join(parts.stray):
        parts.tags += embedded.dropped(stray, "bytes between blocks", "GIF")
    parts.tags += embedded.after_end(data[end:])
    return Cleaned(b"".join([*parts.body, b"\x3b"]), parts.tags.all())


def _palette_bytes(flags: int) -> int:
    """18.c: flag, and size as a power of two."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks(data: bytes, at: int) -> tuple[list[bytes], int]:
    """15: pieces each after its length, closed by an empty one."""
    pieces: list[bytes] = []
    while at < len(data):
        size = data[at]
        at += 1
        if not size:
            return pieces, at
        pieces.append(data[at : at + size])
        at += size
    raise CorruptMedia("the GIF stops inside a block: it is cut short")


def _packed(pieces: list[bytes]) -> bytes:
    return b"".join([x for piece in pieces for x in (bytes((len(piece),)), piece)] + [b"\0"])


# --- frames ---


def _image(data: bytes, start: int, parts: _Parts) -> int:
    """20-22: place and size, palette, coded pixels."""
    at = start + 10
    if at >= len(data):
        raise CorruptMedia("the GIF stops inside a frame: it is cut short")
    at += _palette_bytes(data[start + 9])
    if at >= len(data) or not 1 <= data[at] <= 11:
        raise CorruptMedia("a GIF frame without readable pixels")
    pieces, end = _sub_blocks(data, at + 1)
    joined = b"".join(pieces)
    coded_bytes = parts.lzw.coded_bytes(joined, data[at])
    if rest := joined[coded_bytes:].strip(b"\0"):
        parts.tags += embedded.dropped(rest, "data after the picture", "frame")
    head = data[start : at + 1]
    parts.body += [parts.control, head, data[at + 1 : end] if coded_bytes == len(joined) else _cut(pieces, coded_bytes)]
    parts.control = b""
    parts.frames += 1
    return end


def _cut(pieces: list[bytes], size: int) -> bytes:
    """The first bytes of a chain of pieces."""
    kept: list[bytes] = []
    for piece in pieces:
        if size <= 0:
            break
        kept.append(piece[:size])
        size -= len(piece)
    return _packed(kept)


# --- extensions ---


def _extension(data: bytes, at: int, parts: _Parts) -> int:
    """Keep what display needs of an extension; a tag for the rest."""
    if at >= len(data):
        raise CorruptMedia("the GIF stops inside a block: it is cut short")
    label = data[at]
    pieces, end = _sub_blocks(data, at + 1)
    joined = b"".join(pieces)
    if label == CONTROL:
        _control(pieces, parts)
    elif label == APPLICATION:
        _application(pieces, data[at + 1 : end], parts)
    elif label == COMMENT:
        text = Tag(kind="text", name="comment", place="comment extension", value=embedded.text_of(joined))
        parts.tags += [text, *embedded.scan(joined, "comment extension")]
    elif label == PLAIN_TEXT:
        text = Tag(kind="text", name="plain text", place="text extension", value=embedded.text_of(joined[12:]))
        parts.tags += [text, *embedded.scan(joined[12:], "text extension")]
    else:
        parts.tags += embedded.dropped(joined, "unknown extension", f"extension {label:02X}")
    return end


def _control(pieces: list[bytes], parts: _Parts) -> None:
    """23: disposal, delay, transparent colour; of several before a frame the last counts."""
    if not pieces or len(pieces[0]) < 4:
        raise CorruptMedia("a GIF control of a wrong length")
    if rest := pieces[0][4:] + b"".join(pieces[1:]):
        parts.tags += embedded.dropped(rest, "bytes after the control", "control extension")
    parts.control = b"\x21\xf9\x04" + bytes((pieces[0][0] & 0x1F,)) + pieces[0][1:4] + b"\0"


def _application(pieces: list[bytes], raw: bytes, parts: _Parts) -> None:
    """26: of the extensions that applications may add, the loop count and the colour profile."""
    name = pieces[0] if pieces else b""
    joined = b"".join(pieces[1:])
    if name in _LOOPS and not parts.looped and len(joined) >= 3 and joined[0] == 1:
        parts.looped = True
        parts.body.append(b"\x21\xff" + _packed([name, joined[:3]]))
        if rest := joined[3:]:
            parts.tags += embedded.dropped(rest, "bytes after the loop count", "application extension")
    elif name == _PROFILE and not parts.profiled and (profile := icc_profile(joined)):
        parts.profiled = True
        blocks = [profile[i : i + 255] for i in range(0, len(profile), 255)]
        parts.body.append(b"\x21\xff" + _packed([name, *blocks]))
        if rest := joined[len(profile) :]:
            parts.tags += embedded.dropped(rest, "bytes after the ICC profile", "application extension")
    elif name == b"XMP DataXMP":
        parts.tags += embedded.xmp_tags(raw[12:])  # not in pieces, but in a form that is passed over like pieces
    else:
        tag = Tag(
            kind="unknown", name="unknown application", place="application extension", value=embedded.text_of(name)
        )
        parts.tags += [tag, *embedded.dropped(name + joined, "unknown application", "application extension")]
