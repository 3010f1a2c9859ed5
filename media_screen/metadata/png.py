"""PNG or APNG -> tags; PNG -> the chunks that display needs, each of its fixed length, and orientation as eXIf.

PNG third edition; numbers in comments are its clauses.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, LimitExceeded, StripFailed
from media_screen.metadata import embedded, exif
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEEPS = frozenset(exif.TEXT_TAGS)
MAX_CHUNKS = 1_000_000
MAX_PICTURE_BYTES = 8 << 30  # of one frame, unpacked: a gigapixel of 8 bytes
MAX_TEXT_BYTES = 32 << 20  # compressed text or a profile that unpacks to more is an attack
_STEP_BYTES = 1 << 16
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples a pixel (11.2.1)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # 8.1

# chunk -> lengths it may have; each may stand once (5.6, 11.3). Text in any form, sPLT (it has a name), hIST: dropped
_LENGTHS: dict[bytes, set[int]] = {
    b"PLTE": set(range(3, 769, 3)),
    b"tRNS": set(range(1, 257)),
    b"cHRM": {32},
    b"gAMA": {4},
    b"sBIT": {1, 2, 3, 4},
    b"sRGB": {1},
    b"cICP": {4},
    b"mDCV": {24},
    b"cLLI": {8},
    b"bKGD": {1, 2, 6},
    b"pHYs": {9},
    b"acTL": {8},
}
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
# what may stand in a report; any other keyword may itself be the message
_KEYWORD = re.compile(rb"[A-Za-z][\w:.-]{0,40}|Creation Time")
# names that common software writes before a profile; any other is free text
_PROFILE_NAMES = {b"icc", b"ICC Profile", b"ICC profile", b"Photoshop ICC profile", b"sRGB"}


@dataclass(slots=True)
class _Parts:
    """What the chunks of one file add up to."""

    header: bytes
    kept: dict[bytes, bytes] = field(default_factory=dict)  # before the picture, in the order found
    frames: list[_Picture] = field(default_factory=list)
    exif: bytes | None = None
    tags: Found = field(default_factory=Found)
    unpacked_bytes: int = 0  # of text, in all


@dataclass(slots=True)
class _Picture:
    """The coded pieces of one frame: IDAT chunks, or fdAT chunks without their number."""

    control: bytes  # fcTL without its number, empty for a default image outside the animation
    pieces: list[bytes] = field(default_factory=list)
    is_default: bool = False


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    if not data.startswith(SIGNATURE):
        raise CorruptMedia("not a PNG")
    chunks = _chunks(data)
    kind, header, end = next(chunks)
    if kind != b"IHDR" or len(header) != 13 or header[9] not in _CHANNELS:
        raise CorruptMedia("a PNG without a readable header")
    parts = _Parts(header)
    for count, (kind, body, end) in enumerate(chunks):  # noqa: B007 - the last end is the file's
        if count >= MAX_CHUNKS:
            raise CorruptMedia("more PNG chunks than any real file has")
        _take(kind, body, parts)
    _check_frames(parts)
    parts.tags += embedded.after_end(data[end:])
    return Cleaned(_written(parts, fields), parts.tags.all())


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Type, body and end of each chunk up to IEND.

    Raises:
        CorruptMedia: a chunk leaves the file or its check sum is wrong.
    """
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data) or not kind.isalpha():
            break
        if zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise CorruptMedia(f"the check sum of a PNG chunk ({kind.decode()}) is wrong")
        if kind == b"IEND":
            if size:
                raise CorruptMedia("a PNG end chunk that is not empty")
            yield b"", b"", end
            return
        yield kind, data[at + 8 : end - 4], end
        at = end
    raise CorruptMedia("the PNG has no end chunk: it is damaged or cut short")


def _take(kind: bytes, body: bytes, parts: _Parts) -> None:
    """Keep what display needs of a chunk; a tag for the rest."""
    place = kind.decode()
    if kind in (b"IDAT", b"fdAT", b"fcTL"):
        _take_frame(kind, body, parts)
    elif kind in _LENGTHS and kind not in parts.kept and len(body) in _LENGTHS[kind]:
        parts.kept[kind] = body
    elif kind == b"iCCP" and kind not in parts.kept:
        _take_profile(body, parts)
    elif kind == b"eXIf":
        _take_exif(body.removeprefix(b"Exif\0\0"), parts)
    elif kind in _TEXT:
        _take_text(kind, body, parts)
    elif kind == b"tIME":
        parts.tags.add(Tag(kind="time", name="modification time", place=place))
    elif kind[0:1].isupper():
        raise CorruptMedia(f"a critical PNG chunk ({place}) is unknown, repeated or of a wrong length")
    elif kind:
        parts.tags += embedded.dropped(body, "unknown chunk", place)


def _take_exif(block: bytes, parts: _Parts) -> None:
    found = exif.tags(block, "eXIf")
    if parts.exif is None and not any(frame.is_default for frame in parts.frames):
        parts.exif = block
    elif not found:  # viewers turn a picture by what they read before it
        found = [Tag(kind="unknown", name="Orientation", place="eXIf that is not shown")]
    parts.tags += found


# --- pictures ---


def _take_frame(kind: bytes, body: bytes, parts: _Parts) -> None:
    if kind == b"fcTL":
        if len(body) != 26:
            raise CorruptMedia("an APNG frame header of a wrong length")
        parts.frames.append(_Picture(body[4:]))
    elif kind == b"IDAT":
        default = next((f for f in parts.frames if f.is_default), None)
        if default is None:
            if not parts.frames:
                parts.frames.append(_Picture(b""))
            default = parts.frames[0]
            default.is_default = True
        default.pieces.append(body)
    else:
        if not parts.frames or len(body) < 4 or parts.frames[-1].is_default:
            raise CorruptMedia("APNG frame data without its header")
        parts.frames[-1].pieces.append(body[4:])


def _check_frames(parts: _Parts) -> None:
    """The default image is there, the animation has as many frames as it states, each decodes to its last row."""
    if not any(f.is_default for f in parts.frames):
        raise CorruptMedia("a PNG without picture data")
    stated = struct.unpack(">I", parts.kept[b"acTL"][:4])[0] if b"acTL" in parts.kept else 0
    if (b"acTL" not in parts.kept and len(parts.frames) > 1) or (parts.frames[0].control and b"acTL" not in parts.kept):
        # viewers that see no acTL never show these frames: second pictures
        parts.tags.add(Tag(kind="picture", name="frames outside the animation", place="fdAT"))
        parts.frames = [f for f in parts.frames if f.is_default]
        parts.frames[0].control = b""
    elif stated != sum(1 for f in parts.frames if f.control):
        raise CorruptMedia("an APNG states another number of frames than it has")
    for frame in parts.frames:
        width, height = struct.unpack_from(">II", frame.control or parts.header)
        if frame.control:
            width, height = struct.unpack_from(">II", frame.control)
        rest = _check_stream(frame, _unpacked_bytes(parts.header, width, height))
        if rest:
            parts.tags += embedded.dropped(rest, "data after the picture", "IDAT")


def _unpacked_bytes(header: bytes, width: int, height: int) -> int:
    """Bytes of all rows with their filter byte (7.2, 8.1)."""
    bits = header[8] * _CHANNELS[header[9]]

    def rows(w: int, h: int) -> int:
        return h * (1 + (w * bits + 7) // 8) if w and h else 0

    if not header[12]:
        return rows(width, height)
    return sum(rows(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in _ADAM7 if width > x and height > y)


def _check_stream(frame: _Picture, expected: int) -> bytes:
    """Unpack to the last row, cut the pieces there, and return what followed (10.1)."""
    if expected > MAX_PICTURE_BYTES:
        raise LimitExceeded("a PNG of more than a gigapixel")
    unpacker = zlib.decompressobj()
    got, rest = 0, b""
    for i, piece in enumerate(frame.pieces):
        for at in range(0, len(piece), _STEP_BYTES):
            got += _unpacked_step(unpacker, piece[at : at + _STEP_BYTES], expected - got)
            if unpacker.eof:
                end = min(at + _STEP_BYTES, len(piece)) - len(unpacker.unused_data)
                rest = piece[end:] + b"".join(frame.pieces[i + 1 :])
                frame.pieces[i:] = [piece[:end]]
                break
        if unpacker.eof:
            break
    if got < expected:
        raise CorruptMedia("the PNG's picture data stop before the last row")
    return rest


def _unpacked_step(unpacker: zlib._Decompress, pending: bytes, room: int) -> int:
    """Bytes that a short stretch of a stream unpacks to."""
    got = 0
    while pending and not unpacker.eof:
        got += len(unpacker.decompress(pending, 1 << 20))
        pending = unpacker.unconsumed_tail
        if got > room:
            raise StripFailed("the PNG holds more picture data than its size needs; save it anew")
    return got


# --- other chunks ---


def _unpacked(data: bytes, parts: _Parts) -> bytes | None:
    """A zlib stream, or None; bounded over all of a file."""
    try:
        text = zlib.decompressobj().decompress(data, max(MAX_TEXT_BYTES - parts.unpacked_bytes, 1))
    except zlib.error:
        return None
    parts.unpacked_bytes += len(text)
    return text


def _take_profile(body: bytes, parts: _Parts) -> None:
    """11.3.2.3: name, method 0, compressed profile."""
    name, _, packed = body.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        whole = unpacker.decompress(packed[1:], MAX_TEXT_BYTES)
    except zlib.error:
        whole = b""
    profile = icc_profile(whole)
    if not profile or not unpacker.eof:
        parts.tags += embedded.dropped(whole or body, "unreadable ICC profile", "iCCP")
        return
    stream = packed[1 : len(packed) - len(unpacker.unused_data)]
    if len(profile) < len(whole) or unpacker.unused_data:
        extra = whole[len(profile) :] + unpacker.unused_data
        parts.tags += embedded.dropped(extra, "bytes after the ICC profile", "iCCP")
        stream = zlib.compress(profile, 9)
    if name not in _PROFILE_NAMES:
        parts.tags.add(Tag(kind="text", name="profile name", place="iCCP", value=embedded.text_of(name)))
        name = b"ICC Profile"
    parts.kept[b"iCCP"] = name + b"\0\0" + stream


def _take_text(kind: bytes, body: bytes, parts: _Parts) -> None:
    """11.3.3: keyword and text, packed or not."""
    key, _, rest = body.partition(b"\0")
    if kind == b"zTXt":
        text = _unpacked(rest[1:], parts)
    elif kind == b"iTXt" and len(rest) >= 2:
        value = rest[2:].split(b"\0", 2)[-1]
        text = _unpacked(value, parts) if rest[0] else value
    else:
        text = rest
    name = key.decode() if _KEYWORD.fullmatch(key) else "text"
    if text is None:
        parts.tags += embedded.dropped(body, name, kind.decode())
    elif key.startswith(b"Raw profile type "):
        _take_raw_profile(key, text, parts)
    elif key == b"XML:com.adobe.xmp" or b"<x:xmpmeta" in text[:400]:
        parts.tags += embedded.xmp_tags(text)
    else:
        own = embedded.kind_of_name(name)
        kind_of_text = own if own in ("location", "time", "person", "picture") else "text"
        tag = Tag(kind=kind_of_text, name=name, place=kind.decode(), value=embedded.text_of(text))
        parts.tags += [tag, *embedded.scan(text, f"{kind.decode()} {name}")]


def _take_raw_profile(key: bytes, text: bytes, parts: _Parts) -> None:
    """ImageMagick's blocks in hexadecimal: a line with the name, one with the length, then digits."""
    place = "raw profile"
    try:
        block = bytes.fromhex(text.strip().split(b"\n", 2)[2].decode("ascii"))
    except (ValueError, IndexError):
        parts.tags += embedded.dropped(text, "unreadable profile", place)
        return
    what = key.split()[-1]
    if what in (b"exif", b"APP1", b"app1") and block.startswith(b"Exif\0\0"):
        parts.tags += exif.tags(block[6:], place)
        parts.tags.add(Tag(kind="unknown", name="EXIF as text", place=place))
    elif what == b"xmp" or b"<x:xmpmeta" in block[:400]:
        parts.tags += embedded.xmp_tags(block, place)
    elif block.startswith(b"8BIM") or what == b"iptc":
        parts.tags += embedded.photoshop_tags(block, place)
    else:
        parts.tags += embedded.dropped(block, "profile", place)


# --- writing ---


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _written(parts: _Parts, fields: Fields) -> bytes:
    minimal = exif.minimal(exif.orientation_of(parts.exif), fields)
    out = [SIGNATURE, _chunk(b"IHDR", parts.header)]
    out += [_chunk(b"eXIf", minimal)] if minimal else []
    # 5.6: colour space before the palette, the palette before what refers to it
    early = [k for k in parts.kept if k not in (b"PLTE", b"tRNS", b"bKGD")]
    out += [_chunk(k, parts.kept[k]) for k in (*sorted(early), b"PLTE", b"tRNS", b"bKGD") if k in parts.kept]
    number = 0
    for frame in parts.frames:
        if frame.control:
            out.append(_chunk(b"fcTL", struct.pack(">I", number) + frame.control))
            number += 1
        for piece in frame.pieces:
            if frame.is_default:
                out.append(_chunk(b"IDAT", piece))
            else:
                out.append(_chunk(b"fdAT", struct.pack(">I", number) + piece))
                number += 1
    return b"".join([*out, _chunk(b"IEND", b"")])
