"""TIFF or BigTIFF -> tags; TIFF -> its pages: an allow-list of fields, each of its proper length, and the coded pixels.

TIFF 6.0, Technical Note 2 (JPEG); numbers in comments are the sections and pages of the former.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from media_screen.errors import CorruptMedia, LimitExceeded, StripFailed, UnsupportedMedia
from media_screen.metadata import embedded, exif, jpeg, kept, webp
from media_screen.metadata.exif import MAX_PIECES, Directory, Entry, Tiff
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.lzw import LzwFollower
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEEPS = frozenset(exif.TEXT_TAGS)
MAX_PAGES = 4096
MAX_XZ_BYTES = 256 << 20  # of memory: a stream may ask for gigabytes
NEW_SUBFILE, SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 255, 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES, JPEG_TABLES, SUBSAMPLING = 322, 323, 324, 325, 347, 530
ICC, DNG_VERSION = 34675, 50706
_REDUCED, _OLD_REDUCED = 1, 2  # NewSubfileType bit 0, SubfileType (p. 36, 40)
_RAW_PHOTOMETRICS = {32803, 34892}  # colour filter array, linear raw
_YCBCR = 6

NONE, CCITT, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, XZ, WEBP = 1, {2, 3, 4}, 5, 7, 8, 32946, 32773, 34925, 50001
_COMPRESSIONS = {NONE, *CCITT, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, XZ, WEBP}
_STEP_BYTES = 1 << 16

_INTEGER_TYPES, _RATIONAL = {1, 3, 4, 16}, {5}
_NUMBERS = {1, 3, 4, 6, 8, 9, 11, 12, 16, 17}
# field -> (types, number of values): 0 one a sample, -1 one for each value a sample can have, -2 that, three times
_ONE, _EACH, _TABLE, _TABLES = 1, 0, -1, -2
_FIELDS: dict[int, tuple[set[int], set[int]]] = {
    **dict.fromkeys(
        (
            *(
                NEW_SUBFILE,
                SUBFILE,
                WIDTH,
                HEIGHT,
                COMPRESSION,
                PHOTOMETRIC,
                263,
                FILL_ORDER,
                exif.ORIENTATION,
                SAMPLES,
            ),
            *(ROWS, PLANAR, 290, 292, 293, 296, PREDICTOR, TILE_WIDTH, TILE_LENGTH, 332, 334, 531),
        ),
        (_INTEGER_TYPES, {_ONE}),
    ),
    BITS: (_INTEGER_TYPES, {_ONE, _EACH}),
    280: (_INTEGER_TYPES, {_ONE, _EACH}),  # smallest and largest value
    281: (_INTEGER_TYPES, {_ONE, _EACH}),
    282: (_RATIONAL, {_ONE}),  # resolution
    283: (_RATIONAL, {_ONE}),
    291: (_INTEGER_TYPES, {_TABLE}),  # grey response
    297: (_INTEGER_TYPES, {2}),  # page number
    301: (_INTEGER_TYPES, {_TABLE, _TABLES}),  # transfer function
    318: (_RATIONAL, {2}),  # white point
    319: (_RATIONAL, {6}),  # primary colours
    320: ({3}, {_TABLES}),  # palette
    336: (_INTEGER_TYPES, {2}),  # dot range
    338: (_INTEGER_TYPES, {1, 2, 3, 4}),  # extra samples
    339: (_INTEGER_TYPES, {_ONE, _EACH}),  # sample format
    340: (_NUMBERS, {_ONE, _EACH}),  # smallest and largest sample
    341: (_NUMBERS, {_ONE, _EACH}),
    529: (_RATIONAL, {3}),  # YCbCr
    SUBSAMPLING: (_INTEGER_TYPES, {2}),
    532: (_RATIONAL, {6}),
}
_OWN_RULE = {STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES, JPEG_TABLES, ICC}


class _Field(NamedTuple):
    """One field of a page as it will be written."""

    tag: int
    type: int
    length: int
    value: bytes


@dataclass(slots=True, kw_only=True)
class _Page:
    """A picture: its fields and its pieces (strips or tiles), each a key of the file's pieces."""

    tiff: Tiff
    entries: dict[int, Entry]
    place: str
    fields: list[_Field] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def number(self, tag: int, default: int) -> int:
        """The single value of a field."""
        entry = self.entries.get(tag)
        values = self.tiff.integers(entry) if entry and entry.length == 1 else ()
        return values[0] if values else default

    @property
    def tiled(self) -> bool:
        return TILE_OFFSETS in self.entries

    @property
    def bits(self) -> list[int]:
        """Of each sample (p. 29)."""
        samples = self.number(SAMPLES, 1)
        entry = self.entries.get(BITS)
        bits = list(self.tiff.integers(entry)) if entry and entry.length <= samples else [1]
        return bits if len(bits) == samples else bits[:1] * samples


@dataclass(slots=True)
class _Parts:
    """What the pages of one file add up to."""

    pages: list[_Page] = field(default_factory=list)
    pieces: dict[tuple[int, int], bytes] = field(default_factory=dict)  # where in the source -> as it will be written
    used: list[tuple[int, int]] = field(default_factory=list)
    kept_bytes: int = 0
    lzw: LzwFollower = field(default_factory=lambda: LzwFollower(tiff=True))
    tags: Found = field(default_factory=Found)


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    tiff = Tiff.open(data)
    parts = _Parts(used=[(0, 16 if tiff.big else 8)])
    for number, directory in enumerate(_chain(tiff), 1):
        place = "TIFF" if number == 1 else f"page {number}"
        page = _Page(tiff=tiff, entries={e.tag: e for e in reversed(directory.entries)}, place=place)
        _check_kind(page)
        if page.number(NEW_SUBFILE, 0) & _REDUCED or page.number(SUBFILE, 0) == _OLD_REDUCED:
            _drop_page(tiff, directory, place, parts)
        else:
            _take_page(page, directory, parts)
    if not parts.pages:
        raise CorruptMedia("a TIFF without a picture")
    _check_unused(data, parts)
    parts.pages[0].fields += [_Field(*entry) for entry in exif.text_entries(fields)]
    return Cleaned(_written(tiff, parts), parts.tags.all())


def _chain(tiff: Tiff) -> Iterator[Directory]:
    """The directories of the pages, in order (p. 13)."""
    at, seen = tiff.first_at, set[int]()
    while at:
        if at in seen or len(seen) >= MAX_PAGES:
            raise CorruptMedia("the TIFF's pages form a loop, or are more than any real file has")
        seen.add(at)
        directory = tiff.directory(at)
        yield directory
        at = directory.next_at


def _check_kind(page: _Page) -> None:
    if DNG_VERSION in page.entries or page.number(PHOTOMETRIC, 0) in _RAW_PHOTOMETRICS:
        raise UnsupportedMedia("a camera raw file (DNG or the like): export it as JPEG or TIFF first")


def _drop_page(tiff: Tiff, directory: Directory, place: str, parts: _Parts) -> None:
    if not parts.pages:
        raise UnsupportedMedia("the first picture of the TIFF is only a preview: export it as JPEG or TIFF first")
    parts.tags.add(Tag(kind="picture", name="reduced picture", place=place))
    parts.tags += exif.directory_tags(tiff, "reduced picture,", [(directory.at, place)], parts.used)


def _take_page(page: _Page, directory: Directory, parts: _Parts) -> None:
    parts.used.append((directory.at, directory.end))
    starts: list[tuple[int, str]] = []
    seen: set[int] = set()
    for entry in directory.entries:
        parts.used.append((entry.at, entry.at + entry.size))
        if entry.tag not in seen and _take_field(page, entry, parts):
            pass
        elif pointers := exif.pointers_of(page.tiff, entry):
            starts += [(at, exif.POINTERS[entry.tag]) for at in pointers]
        else:
            parts.tags += _left_out(page, entry, parts, first=entry.tag not in seen)
        seen.add(entry.tag)
    if starts:
        parts.tags += exif.directory_tags(page.tiff, page.place, starts, parts.used)
    _take_pieces(page, parts)
    _turn_as_xmp(page)
    parts.pages.append(page)


def _left_out(page: _Page, entry: Entry, parts: _Parts, *, first: bool) -> list[Tag]:
    """Tags of a field that goes; those of a text on the first page may be what was kept."""
    found = exif.entry_tags(page.tiff, entry, "", page.place)
    if entry.type != exif.ASCII or parts.pages or not first:
        return found
    return kept.own(found, page.tiff.value(entry), lambda fields: exif.text_entries(fields)[0][3])


def _take_field(page: _Page, entry: Entry, parts: _Parts) -> bool:
    """Keep a field that says how to show the page; False for any other."""
    if entry.tag in _OWN_RULE:
        value = page.tiff.value(entry)
        if entry.tag == JPEG_TABLES:
            value = _noted(jpeg.clean_stream(value), page, parts)
        elif entry.tag == ICC:
            profile = icc_profile(value)
            if rest := value[len(profile) :].strip(b"\0"):
                parts.tags += embedded.dropped(rest, "bytes that are no ICC profile", page.place)
            value = profile
        else:
            return entry.tag in ((TILE_OFFSETS, TILE_BYTES) if page.tiled else (STRIP_OFFSETS, STRIP_BYTES))
        page.fields += [_Field(entry.tag, 7, len(value), value)] if value else []
        return True
    types, lengths = _FIELDS.get(entry.tag, (set(), set()))
    if entry.type not in types or entry.length not in _lengths(page, lengths):
        return False
    page.fields.append(_Field(entry.tag, entry.type, entry.length, page.tiff.value(entry)))
    return True


def _lengths(page: _Page, allowed: set[int]) -> Iterator[int]:
    for length in allowed:
        if length > 0:
            yield length
        elif length == _EACH:
            yield page.number(SAMPLES, 1)
        elif 0 < page.bits[0] <= 16:
            yield (1 << page.bits[0]) * (3 if length == _TABLES else 1)


def _noted(cleaned: Cleaned, page: _Page, parts: _Parts) -> bytes:
    parts.tags += [Tag(kind=t.kind, name=t.name, place=f"{page.place} {t.place}", value=t.value) for t in cleaned.tags]
    return cleaned.data


def _turn_as_xmp(page: _Page) -> None:
    """Pillow, and with it all that screens the page, turns it as XMP states where no field does."""
    packet = page.entries.get(exif.XMP)
    if exif.ORIENTATION not in page.entries and packet:
        orientation = embedded.xmp_orientation(page.tiff.value(packet))
        if orientation != 1:
            value = struct.pack(f"{page.tiff.order}H", orientation)
            page.fields.append(_Field(exif.ORIENTATION, 3, 1, value))


# --- pixels ---


def _take_pieces(page: _Page, parts: _Parts) -> None:
    """Each strip or tile, cut to the bytes that its pixels need."""
    compression = page.number(COMPRESSION, NONE)
    if compression not in _COMPRESSIONS:
        raise UnsupportedMedia(f"a TIFF of compression {compression}: save it anew with LZW, Deflate or JPEG")
    if page.number(FILL_ORDER, 1) != 1 and compression not in (NONE, *CCITT):
        raise StripFailed("a TIFF whose coded bits are reversed: save it anew with LZW, Deflate or JPEG")
    sizes = _piece_sizes(page, compression)
    offsets = _numbers(page, TILE_OFFSETS if page.tiled else STRIP_OFFSETS)
    stated = _numbers(page, TILE_BYTES if page.tiled else STRIP_BYTES)
    if not stated and compression == NONE:
        stated = tuple(sizes)  # old writers left them out
    if len(offsets) < len(sizes) or len(stated) < len(sizes):
        raise CorruptMedia("a TIFF with fewer pieces than its size needs: it is damaged or cut short")
    if len(offsets) > len(sizes):
        parts.tags.add(Tag(kind="picture", name="pieces that are not shown", place=page.place))
    for at, given, needed in zip(offsets, stated, sizes, strict=False):
        size = needed if compression == NONE and (at or given) else given  # 0 and 0: an empty tile
        page.pieces.append((at, size))
        if (at, size) not in parts.pieces:
            parts.used.append((at, at + size))
            parts.pieces[at, size] = _piece(page, at, size, needed, parts)


def _numbers(page: _Page, tag: int) -> tuple[int, ...]:
    entry = page.entries.get(tag)
    if entry and entry.length > MAX_PIECES:
        raise LimitExceeded("a TIFF picture in more than a million pieces")
    return page.tiff.integers(entry) if entry else ()


def _piece_sizes(page: _Page, compression: int) -> list[int]:
    """Unpacked bytes of each strip or tile (sections 3, 15 and 21)."""
    width, height = page.number(WIDTH, 0), page.number(HEIGHT, 0)
    samples, planes = page.number(SAMPLES, 1), 1
    if not (
        0 < width < 1 << 31 and 0 < height < 1 << 31 and 0 < samples <= 256 and all(0 < b <= 64 for b in page.bits)
    ):
        raise CorruptMedia("a TIFF page without a readable size or depth")
    bits = sum(page.bits)
    if page.number(PLANAR, 1) == 2:
        bits, planes = page.bits[0], samples
    across, rows_each = width, min(page.number(ROWS, height) or height, height)
    if page.tiled:
        across, rows_each = page.number(TILE_WIDTH, 0), page.number(TILE_LENGTH, 0)
        if not (0 < across < 1 << 31 and 0 < rows_each < 1 << 31):
            raise CorruptMedia("a TIFF page without a readable tile size")
    count = -(-width // across) * -(-height // rows_each)
    if count * planes > MAX_PIECES:
        raise LimitExceeded("a TIFF picture in more than a million pieces")
    rows = [rows_each] * count
    if not page.tiled:
        rows[-1] = height - rows_each * (count - 1)
    if page.number(PHOTOMETRIC, 0) == _YCBCR and planes == 1 and compression not in (JPEG, WEBP):
        return [_subsampled_bytes(page, across, n, page.bits[0]) for n in rows]
    return [(across * bits + 7) // 8 * n for n in rows] * planes


def _subsampled_bytes(page: _Page, width: int, rows: int, bits: int) -> int:
    """Blocks of luma samples with their two chroma samples (p. 93)."""
    entry = page.entries.get(SUBSAMPLING)
    across, down = page.tiff.integers(entry) if entry and entry.length == 2 else (2, 2)
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise CorruptMedia("a TIFF page with unreadable subsampling")
    return -(-width // across) * -(-rows // down) * (across * down + 2) * bits // 8


def _piece(page: _Page, at: int, size: int, needed: int, parts: _Parts) -> bytes:
    data = page.tiff.data[at : at + size]
    parts.kept_bytes += size
    if len(data) < size or parts.kept_bytes > len(page.tiff.data):
        raise CorruptMedia("a TIFF whose picture leaves the file or overlaps itself: it is damaged or cut short")
    compression = page.number(COMPRESSION, NONE)
    if compression == JPEG and data:
        return _noted(jpeg.clean_stream(data), page, parts)
    if compression == WEBP and data:
        return _noted(webp.clean(data), page, parts)
    if compression in (NONE, *CCITT) or not data:
        return data
    kept = data[: _coded_bytes(data, compression, needed, parts)]
    if rest := data[len(kept) :].strip(b"\0"):
        parts.tags += embedded.dropped(rest, "data after the picture", page.place)
    return kept


def _coded_bytes(data: bytes, compression: int, needed: int, parts: _Parts) -> int:
    """How many bytes of a piece its pixels need."""
    if compression == LZW:
        old_order = data[:1] == b"\0" and data[1] & 1  # before TIFF 6.0 the lowest bit came first
        end = len(data) if old_order else parts.lzw.coded_bytes(data)
        if end > 2 * needed + 1024:
            raise StripFailed("the TIFF holds more picture data than its size needs; save it anew")
        return end
    if compression == PACKBITS:
        return _packbits_bytes(data, needed)
    xz = compression == XZ
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_XZ_BYTES) if xz else zlib.decompressobj()
    try:
        return _unpacked_to_end(unpacker, data, needed)
    except (zlib.error, lzma.LZMAError) as error:
        raise CorruptMedia("a TIFF picture that does not unpack") from error


def _packbits_bytes(data: bytes, needed: int) -> int:
    """Section 9."""
    at = got = 0
    while got < needed and at < len(data):
        head = data[at]
        if head < 128:
            got += head + 1
            at += head + 2
        elif head > 128:
            got += 257 - head
            at += 2
        else:
            at += 1
    if got < needed or at > len(data):
        raise CorruptMedia("a TIFF picture that stops before its last row")
    return at


def _unpacked_to_end(unpacker: zlib._Decompress | lzma.LZMADecompressor, data: bytes, needed: int) -> int:
    got = 0
    for at in range(0, len(data), _STEP_BYTES):
        pending = data[at : at + _STEP_BYTES]
        while not unpacker.eof:
            unpacked = unpacker.decompress(pending, 1 << 20)
            got += len(unpacked)
            pending = getattr(unpacker, "unconsumed_tail", b"")
            # some writers fill the last strip up to the height of the others: no more than one strip's worth
            if got > 2 * needed + _STEP_BYTES:
                raise StripFailed("the TIFF holds more picture data than its size needs; save it anew")
            if not unpacked or (not pending and getattr(unpacker, "needs_input", True)):
                break
        if unpacker.eof:
            if got < needed:
                break
            return min(at + _STEP_BYTES, len(data)) - len(unpacker.unused_data)
    raise CorruptMedia("a TIFF picture that stops before its last row")


def _check_unused(data: bytes, parts: _Parts) -> None:
    """List what no directory speaks of: pictures and tags that were deleted, data after the end."""
    gaps, at = [], 0
    for start, end in [*sorted(parts.used), (len(data), len(data))]:
        if at < start <= len(data):
            gaps.append(data[at:start])
        at = max(at, end)
    # alignment says nothing; writers that append a page leave its own header behind
    telling = (gap for gap in gaps if len(gap) > 3 and gap.strip(b"\0") and not _bare_header(gap))
    if unused := b"".join(telling):
        parts.tags += embedded.dropped(unused, "bytes that no directory speaks of", "TIFF")


def _bare_header(gap: bytes) -> bool:
    header = gap.lstrip(b"\0")
    return header[:4] in (b"II*\0", b"MM\0*") and not header[8:].strip(b"\0")


# --- writing: header, directories with their values, then the pieces ---


def _written(tiff: Tiff, parts: _Parts) -> bytes:
    places, at = {}, (16 if tiff.big else 8) + sum(_directory_bytes(tiff, page) for page in parts.pages)
    for key, piece in parts.pieces.items():
        places[key] = at if piece else 0
        at += len(piece) + len(piece) % 2
    if at >= 1 << 32 and not tiff.big:
        raise LimitExceeded("a TIFF of more than 4 GiB")
    out = [
        tiff.data[:4] + (struct.pack(f"{tiff.order}HHQ", 8, 0, 16) if tiff.big else struct.pack(f"{tiff.order}I", 8))
    ]
    at = len(out[0])
    for page in parts.pages:
        at += _directory_bytes(tiff, page)
        out.append(_directory(tiff, page, parts, places, end=at, last=page is parts.pages[-1]))
    for piece in parts.pieces.values():
        out += (piece, b"\0" * (len(piece) % 2))
    return b"".join(out)


def _directory_bytes(tiff: Tiff, page: _Page) -> int:
    """Of a directory with its values; two more fields tell where the pieces are."""
    entry, inline = (20, 8) if tiff.big else (12, 4)
    values = [len(f.value) for f in page.fields] + [len(page.pieces) * inline] * 2
    fixed = (8 + 8 if tiff.big else 2 + 4) + entry * len(values)
    return fixed + sum(size + size % 2 for size in values if size > inline)


def _directory(
    tiff: Tiff, page: _Page, parts: _Parts, places: dict[tuple[int, int], int], *, end: int, last: bool
) -> bytes:
    """Fields in ascending order, then the values that do not fit into them (p. 14)."""
    word, kind, inline, entry = ("Q", 16, 8, 20) if tiff.big else ("I", 4, 4, 12)
    at = end - _directory_bytes(tiff, page)
    numbers = f"{tiff.order}{len(page.pieces)}{word}"
    offsets = struct.pack(numbers, *(places[key] for key in page.pieces))
    sizes = struct.pack(numbers, *(len(parts.pieces[key]) for key in page.pieces))
    tags = (TILE_OFFSETS, TILE_BYTES) if page.tiled else (STRIP_OFFSETS, STRIP_BYTES)
    count = len(page.pieces)
    fields = sorted([*page.fields, _Field(tags[0], kind, count, offsets), _Field(tags[1], kind, count, sizes)])
    head = [struct.pack(tiff.order + ("Q" if tiff.big else "H"), len(fields))]
    value_at = at + len(head[0]) + entry * len(fields) + inline
    values: list[bytes] = []
    for f in fields:
        head.append(struct.pack(tiff.order + ("HHQ" if tiff.big else "HHI"), f.tag, f.type, f.length))
        if len(f.value) <= inline:
            head.append(f.value.ljust(inline, b"\0"))
            continue
        head.append(struct.pack(tiff.order + word, value_at))
        values += (f.value, b"\0" * (len(f.value) % 2))
        value_at += len(f.value) + len(f.value) % 2
    return b"".join([*head, struct.pack(tiff.order + word, 0 if last else end), *values])
