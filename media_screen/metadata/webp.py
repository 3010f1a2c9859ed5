"""WebP -> tags; WebP -> the same coded pictures with their colour profile, timing and orientation, and no other chunk.

RFC 9649; numbers in comments are its sections. What the flags of VP8X do not announce, decoders do not show.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia
from media_screen.metadata import embedded, exif
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.riff import chunks, pack
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEEPS = frozenset(exif.TEXT_TAGS)
MAX_CHUNKS = 100_000  # a long animation has a few thousand
ICC, ALPHA, EXIF, XMP, ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02  # 2.7, the flags of VP8X
_FRAME_HEADER_BYTES, _ANIMATION_BYTES = 16, 6  # 2.7.1.1
_CODED = {b"VP8 ", b"VP8L"}


@dataclass(slots=True)
class _Parts:
    """What the chunks of one file add up to."""

    canvas: bytes = b""  # width and height less one, 3 bytes each; empty for a file without VP8X
    flags: int = 0
    icc: bytes = b""
    animation: bytes = b""
    alpha: bytes = b""
    coded: bytes = b""
    frames: list[bytes] = field(default_factory=list)
    exif: bytes | None = None
    tags: Found = field(default_factory=Found)


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    if len(data) < 20 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise CorruptMedia("not a WebP")
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise CorruptMedia("the WebP is shorter than it states: it is cut short")
    parts = _Parts()
    for number, (kind, body) in enumerate(_chunks(data, 12, end)):
        if kind == b"VP8X" and not number:
            _header(body, parts)
        else:
            _take(kind, body, parts)
    if not parts.coded and not parts.frames:
        raise CorruptMedia("a WebP without a picture")
    parts.tags += embedded.after_end(data[end + (end & 1 and not any(data[end : end + 1])) :])
    return Cleaned(_written(parts, fields), parts.tags.all())


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for count, chunk in enumerate(chunks(io.BytesIO(data), start, end)):
        if count >= MAX_CHUNKS:
            raise CorruptMedia("more WebP chunks than any real file has")
        # what the RIFF walker takes for a list is one more unknown chunk here
        yield chunk.kind, data[chunk.start + 8 : chunk.end]
        start = chunk.end + (chunk.end & 1)
    if data[start:end].strip(b"\0"):
        raise CorruptMedia("bytes left over between two WebP chunks")


def _header(body: bytes, parts: _Parts) -> None:
    if len(body) != 10:
        raise CorruptMedia("a WebP header of a wrong length")
    parts.flags, parts.canvas = body[0], body[4:]
    if body[1:4].strip(b"\0") or body[0] & 0xC1:  # 2.7: must be 0
        parts.tags += embedded.dropped(body[:4], "reserved bits", "VP8X")


def _take(kind: bytes, body: bytes, parts: _Parts) -> None:
    """Keep what display needs of a chunk; a tag for the rest."""
    animated = parts.flags & ANIMATION
    place = kind.decode("ascii", "replace")
    if kind in _CODED and not animated and not parts.coded:
        parts.coded = pack(kind, body)
    elif kind == b"ALPH" and parts.flags & ALPHA and not animated and not parts.coded and not parts.alpha:
        parts.alpha = pack(kind, body)
    elif kind == b"ANIM" and animated and not parts.animation and len(body) == _ANIMATION_BYTES:
        parts.animation = pack(kind, body)
    elif kind == b"ANMF" and animated and parts.animation:
        parts.frames.append(pack(kind, _frame(body, parts)))
    elif kind in _CODED | {b"ALPH", b"ANMF"}:
        parts.tags.add(Tag(kind="picture", name="picture that is not shown", place=place))
    elif kind == b"ICCP" and parts.flags & ICC and not parts.icc:
        _profile(body, parts)
    elif kind == b"EXIF":
        _exif(body, parts)
    elif kind == b"XMP ":
        parts.tags += embedded.xmp_tags(body)
    else:
        parts.tags += embedded.dropped(body, "unknown chunk", place)


def _frame(body: bytes, parts: _Parts) -> bytes:
    """One frame of an animation: where and how long it stands, its alpha and its coded picture (2.7.1.1)."""
    if len(body) < _FRAME_HEADER_BYTES:
        raise CorruptMedia("a WebP frame of a wrong length")
    alpha = coded = b""
    for kind, piece in _chunks(body, _FRAME_HEADER_BYTES, len(body)):
        if kind in _CODED and not coded:
            coded = pack(kind, piece)
        elif kind == b"ALPH" and not coded and not alpha:
            alpha = pack(kind, piece)
        else:
            parts.tags += embedded.dropped(piece, "unknown chunk", f"frame, {kind.decode('ascii', 'replace')}")
    if not coded:
        raise CorruptMedia("a WebP frame without a picture")
    return body[: _FRAME_HEADER_BYTES - 1] + bytes([body[15] & 3]) + alpha + coded


def _profile(body: bytes, parts: _Parts) -> None:
    profile = icc_profile(body)
    if rest := body[len(profile) :]:
        parts.tags += embedded.dropped(rest, "bytes that are no ICC profile", "ICCP")
    parts.icc = pack(b"ICCP", profile) if profile else b""


def _exif(body: bytes, parts: _Parts) -> None:
    block = body.removeprefix(b"Exif\0\0")  # not in the standard, but common
    found = exif.tags(block)
    shown = parts.flags & EXIF and parts.exif is None
    if shown:
        parts.exif = block
    elif not found:
        found = [Tag(kind="unknown", name="Orientation", place="second EXIF")]
    parts.tags += found


def _plain_header(coded: bytes) -> tuple[int, bytes]:
    """Flags and canvas of a file that is only this picture (RFC 6386, 9.1; RFC 9649, 3.4)."""
    flags = 0
    if coded.startswith(b"VP8L"):
        bits = int.from_bytes(coded[9:13], "little")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, ALPHA if bits >> 28 & 1 else 0
    else:
        width, height = (n - 1 & 0x3FFF for n in struct.unpack_from("<HH", coded, 14))
    return flags, width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _written(parts: _Parts, fields: Fields) -> bytes:
    block = exif.minimal(exif.orientation_of(parts.exif), fields)
    plain = _plain_header(parts.coded) if parts.coded and not parts.alpha else (-1, b"")
    flags, canvas = (parts.flags & (ALPHA | ANIMATION), parts.canvas) if parts.canvas else plain
    more = (ICC if parts.icc else 0) | (EXIF if block else 0)
    # a header that says what the picture says itself is left out, as most writers do
    header = b"" if (flags | more, canvas) == plain else pack(b"VP8X", bytes([flags | more, 0, 0, 0]), canvas)
    body = (header, parts.icc, parts.animation, *parts.frames, parts.alpha, parts.coded)
    return pack(b"RIFF", b"WEBP", *body, pack(b"EXIF", block) if block else b"")
