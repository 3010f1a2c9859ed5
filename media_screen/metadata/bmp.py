"""BMP -> tags; BMP -> its header, palette, pixels and embedded colour profile, and not a byte between or after them.

Headers as in Windows' wingdi.h (BITMAPCOREHEADER to BITMAPV5HEADER) and OS/2's, told apart by their size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, UnsupportedMedia
from media_screen.metadata import embedded
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from pathlib import Path

FILE_HEADER_BYTES, CORE_HEADER_BYTES, OS2_HEADER_BYTES, V4_HEADER_BYTES, V5_HEADER_BYTES = 14, 12, 64, 108, 124
KEEPS: frozenset[str] = frozenset()  # no fields: it has no place for text that viewers agree on
_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
RGB, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6
_CALIBRATED, _LINKED, _EMBEDDED = 0, 0x4C494E4B, 0x4D424544  # bV5CSType: "LINK", "MBED"
_NAMED_SPACES = {0x73524742, 0x57696E20}  # "sRGB", "Win "
_WINDOWS_SPACE = struct.pack("<I", 0x57696E20)


@dataclass(slots=True, kw_only=True)
class _Header:
    """What the two headers state."""

    info: bytearray
    width: int
    height: int
    bits: int
    compression: int
    colours: int  # 0: as many as the bits allow
    pixels_at: int
    tags: Found = field(default_factory=Found)

    @property
    def is_core(self) -> bool:
        return len(self.info) == CORE_HEADER_BYTES


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, _fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    header = _header(data)
    masks, palette, tables_end = _tables(data, header)
    if header.pixels_at < tables_end:
        raise CorruptMedia("a BMP whose pixels overlap its palette")
    end = header.pixels_at + _pixel_bytes(data, header)
    if end > len(data):
        raise CorruptMedia("the BMP's pixels stop before the last row: it is cut short")
    profile, used = _profile(data, header)
    _check_rest(data, header, [(0, tables_end), (header.pixels_at, end), used])
    if not header.is_core:
        header.info[20:24] = struct.pack("<I", end - header.pixels_at)  # biSizeImage
    pixels_at = FILE_HEADER_BYTES + len(header.info) + len(masks) + len(palette)
    pixels = data[header.pixels_at : end]
    if profile:
        # counted from the start of the second header
        header.info[112:120] = struct.pack("<II", pixels_at - FILE_HEADER_BYTES + len(pixels), len(profile))
    size = pixels_at + len(pixels) + len(profile)
    first = b"BM" + struct.pack("<IHHI", size, 0, 0, pixels_at)
    return Cleaned(b"".join((first, header.info, masks, palette, pixels, profile)), header.tags.all())


def _header(data: bytes) -> _Header:
    if data[:2] != b"BM" or len(data) < FILE_HEADER_BYTES + CORE_HEADER_BYTES:
        raise CorruptMedia("not a BMP")
    reserved, pixels_at, size = struct.unpack_from("<III", data, 6)
    info = bytearray(data[FILE_HEADER_BYTES : FILE_HEADER_BYTES + size]) if size in _HEADER_SIZES else bytearray()
    if len(info) != size or not size:
        raise CorruptMedia("a BMP without a readable header")
    if size == CORE_HEADER_BYTES:
        width, height, _planes, bits = struct.unpack_from("<HHHH", info, 4)
        compression = colours = 0
    else:
        width, height, _planes, bits, compression = struct.unpack_from("<iiHHI", info, 4)
        colours = struct.unpack_from("<I", info, 32)[0]
    if width <= 0 or not height or bits not in (1, 2, 4, 8, 16, 24, 32):
        raise CorruptMedia("a BMP without a readable size or depth")
    header = _Header(
        info=info,
        width=width,
        height=height,
        bits=bits,
        compression=compression,
        colours=colours,
        pixels_at=pixels_at,
    )
    if reserved:
        header.tags += embedded.dropped(data[6:10], "reserved bytes", "BMP")
    _blank(header, slice(40, 64), "OS/2 fields", size == OS2_HEADER_BYTES)
    return header


def _blank(header: _Header, span: slice, name: str, applies: bool) -> None:
    """Zeros in place of header fields that no viewer shows anything by."""
    if applies and any(header.info[span]):
        header.tags += embedded.dropped(bytes(header.info[span]), name, "BMP")
        header.info[span] = bytes(span.stop - span.start)


def _tables(data: bytes, header: _Header) -> tuple[bytes, bytes, int]:
    """Channel masks that stand after a short header, the palette cut to what pixels can name, and where it ends."""
    at = FILE_HEADER_BYTES + len(header.info)
    mask_bytes = {BITFIELDS: 12, ALPHA_BITFIELDS: 16}.get(header.compression, 0) if len(header.info) == 40 else 0
    masks = data[at : at + mask_bytes]
    at += mask_bytes
    entry = 3 if header.is_core else 4
    room = max(header.pixels_at - at, 0) // entry
    limit = 1 << header.bits if header.bits <= 8 else 0
    count = min(header.colours or limit, limit, room)
    if count != (header.colours or limit) and not header.is_core:
        header.info[32:36] = struct.pack("<I", count)
    palette = data[at : at + count * entry]
    return masks, palette, at + len(palette)


# --- pixels ---


def _pixel_bytes(data: bytes, header: _Header) -> int:
    """Rows are padded to four bytes; run lengths are followed to their end mark."""
    if header.compression in (RGB, BITFIELDS, ALPHA_BITFIELDS):
        return (header.width * header.bits + 31) // 32 * 4 * abs(header.height)
    if header.compression == RLE8 and header.bits == 8:
        return _run_bytes(data, header.pixels_at, 1)
    if header.compression == RLE4 and header.bits == 4:
        return _run_bytes(data, header.pixels_at, 2)
    raise UnsupportedMedia("a BMP of a compression that no viewer shows: save it as PNG or JPEG")


def _run_bytes(data: bytes, start: int, per_byte: int) -> int:
    """Length of run-length coded pixels: pairs, or after a zero an end of row, an end, a jump, or literal bytes."""
    at = start
    while at + 2 <= len(data):
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            continue
        if value == 1:
            return at - start
        if value == 2:
            at += 2
        elif value > 2:
            at += (-(-value // per_byte) + 1) & ~1
    raise CorruptMedia("the BMP's pixels have no end mark: it is cut short")


# --- the rest ---


def _profile(data: bytes, header: _Header) -> tuple[bytes, tuple[int, int]]:
    """The embedded ICC profile, and where it stands; any other colour space keeps its numbers or becomes Windows'."""
    if len(header.info) < V4_HEADER_BYTES:
        return b"", (0, 0)
    space = struct.unpack_from("<I", header.info, 56)[0]
    _blank(header, slice(60, 108), "colour end points", space != _CALIBRATED)
    if len(header.info) < V5_HEADER_BYTES:
        _only_known(header, space)
        return b"", (0, 0)
    _blank(header, slice(120, 124), "reserved bytes", applies=True)
    at, size = struct.unpack_from("<II", header.info, 112)
    at += FILE_HEADER_BYTES
    block = data[at : at + size]
    if space in (_LINKED, _EMBEDDED) and len(block) < size:
        raise CorruptMedia("the BMP's colour profile leaves the file: it is cut short")
    if space == _LINKED:
        tags = embedded.dropped(block, "path of a colour profile", "BMP")
        header.tags += [Tag(kind="text", name=tags[0].name, place="BMP", value=embedded.text_of(block)), *tags[1:]]
    profile = icc_profile(block) if space == _EMBEDDED else b""
    if space == _EMBEDDED and len(profile) < len(block):
        header.tags += embedded.dropped(block[len(profile) :], "bytes that are no ICC profile", "BMP")
    if not profile:
        _blank(header, slice(112, 120), "profile fields", space not in (_LINKED, _EMBEDDED))
        header.info[112:120] = bytes(8)
        _only_known(header, space)
    return profile, (at, at + len(block))


def _only_known(header: _Header, space: int) -> None:
    if space != _CALIBRATED and space not in _NAMED_SPACES:
        if space not in (_LINKED, _EMBEDDED):
            header.tags += embedded.dropped(bytes(header.info[56:60]), "unknown colour space", "BMP")
        header.info[56:60] = _WINDOWS_SPACE


def _check_rest(data: bytes, header: _Header, used: list[tuple[int, int]]) -> None:
    """List what stands between and after the parts; alignment with zeros is nobody's message."""
    at = 0
    for start, end in [*sorted(used), (len(data), len(data))]:
        gap = data[at:start]
        if start == len(data):
            header.tags += embedded.after_end(gap)
        elif gap.strip(b"\0"):
            header.tags += embedded.dropped(gap, "bytes between the parts", "BMP")
        at = max(at, end)
