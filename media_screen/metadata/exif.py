"""TIFF directories (an EXIF block, or a whole TIFF) -> entries and Tags; orientation -> the smallest EXIF block."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from PIL import ExifTags

from media_screen.errors import CorruptMedia
from media_screen.metadata import kept
from media_screen.metadata.embedded import (
    MAX_TAGS,
    dropped,
    iptc_tags,
    kind_of_name,
    photoshop_tags,
    scan,
    text_of,
    xmp_tags,
)
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.types import Tag, TagKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DIRECTORIES, MAX_ENTRIES = 64, 4096
ASCII = 2  # field type
# fields that may be kept, as text
TEXT_TAGS = {
    "description": 0x010E,
    "make": 0x010F,
    "model": 0x0110,
    "date": 0x0132,
    "creator": 0x013B,
    "copyright": 0x8298,
}
ORIENTATION, SUB_IFDS, XMP, IPTC, PHOTOSHOP = 0x0112, 0x014A, 0x02BC, 0x83BB, 0x8649
EXIF_IFD, GPS_IFD, INTEROP_IFD, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
# TIFF 6.0 p. 15, BigTIFF: bytes of each field type
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}

POINTERS = {EXIF_IFD: "EXIF", GPS_IFD: "GPS", INTEROP_IFD: "interoperability", SUB_IFDS: "sub-IFD"}
_GEO_TAGS = {33550, 33920, 33922, 34264, 34735, 34736, 34737, 42112, 42113}  # GeoTIFF 1.1, GDAL
# strips, tiles, JPEG, Photoshop's layers; ThumbnailData of a second directory
_PICTURE_TAGS = {0x0111, 0x0144, 0x0201, 0x935C, 0x501B, 0xC51B}
_PIECES = (0x0111, 0x0117, 0x0144, 0x0145, 0x0201, 0x0202)  # offsets, then sizes
MAX_PIECES = 1_000_000  # strips or tiles of one picture
_PICTURE_FORM = {*range(0x00FE, 0x0104), 0x0106, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C, 0x0128, 0x0202, 0x0213}
_BLOCKS: dict[int, Callable[[bytes, str], list[Tag]]] = {XMP: xmp_tags, IPTC: iptc_tags, PHOTOSHOP: photoshop_tags}


class Entry(NamedTuple):
    """One field of a directory: its value lies at `at`."""

    tag: int
    type: int
    length: int  # in values
    at: int
    size: int


class Directory(NamedTuple):
    """One IFD."""

    at: int
    end: int
    entries: list[Entry]
    next_at: int


@dataclass(slots=True)
class Tiff:
    """Bytes with a TIFF header; offsets count from its first byte."""

    data: bytes
    order: str  # struct's "<" or ">"
    big: bool  # BigTIFF: 8-byte offsets
    first_at: int
    glanced_bytes: int = 0

    @classmethod
    def open(cls, data: bytes) -> Tiff:
        """Read the header.

        Raises:
            CorruptMedia: it is none.
        """
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 8:
            raise CorruptMedia("no TIFF header")
        version, *_rest = struct.unpack_from(f"{order}H", data, 2)
        if version == 42:
            return cls(data, order, big=False, first_at=struct.unpack_from(f"{order}I", data, 4)[0])
        if version == 43 and len(data) >= 16 and struct.unpack_from(f"{order}HH", data, 4) == (8, 0):
            return cls(data, order, big=True, first_at=struct.unpack_from(f"{order}Q", data, 8)[0])
        raise CorruptMedia("no TIFF header")

    def directory(self, at: int) -> Directory:
        """The IFD at an offset.

        Raises:
            CorruptMedia: it does not lie inside the file.
        """
        head, step, inline = ("Q", 20, 8) if self.big else ("H", 12, 4)
        head_size = struct.calcsize(head)
        if not 8 <= at <= len(self.data) - head_size:
            raise CorruptMedia("a TIFF directory lies outside the file")
        count = struct.unpack_from(self.order + head, self.data, at)[0]
        if count > MAX_ENTRIES:
            raise CorruptMedia("a TIFF directory of more entries than any real file has")
        end = at + head_size + count * step
        if end + inline > len(self.data):
            raise CorruptMedia("a TIFF directory is longer than the file")
        entries = [self._entry(at + head_size + i * step) for i in range(count)]
        return Directory(at, end + inline, entries, struct.unpack_from(self.order + "IQ"[self.big], self.data, end)[0])

    def _entry(self, at: int) -> Entry:
        tag, kind, count = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), self.data, at)
        size = TYPE_BYTES.get(kind, 1) * count
        inline = 8 if self.big else 4
        value_at = at + (12 if self.big else 8)
        if size > inline:
            value_at = struct.unpack_from(self.order + "IQ"[self.big], self.data, value_at)[0]
        return Entry(tag, kind, count, value_at, size)

    def value(self, entry: Entry) -> bytes:
        """The raw value.

        Raises:
            CorruptMedia: it does not lie inside the file.
        """
        if entry.at + entry.size > len(self.data):
            raise CorruptMedia(f"the value of TIFF tag {entry.tag} lies outside the file")
        return self.data[entry.at : entry.at + entry.size]

    def glance(self, entry: Entry) -> bytes:
        """The value for a listing: short or empty where the entry lies.

        Empty, too, once more was asked for than the file holds: values that overlap could be looked into for ever.
        """
        self.glanced_bytes += entry.size
        return self.data[entry.at : entry.at + entry.size] if self.glanced_bytes <= len(self.data) + 65536 else b""

    def integers(self, entry: Entry) -> tuple[int, ...]:
        """The value as whole numbers, empty for a type that has none."""
        code = _INTEGERS.get(entry.type)
        return struct.unpack(f"{self.order}{entry.length}{code}", self.value(entry)) if code else ()


def orientation_of(block: bytes | None) -> int:
    """Orientation 1..8 in a block that starts with its TIFF header; 1 where there is none, whatever XMP says."""
    if not block:
        return 1
    try:
        tiff = Tiff.open(block)
        entries = [e for e in tiff.directory(tiff.first_at).entries if e.tag == ORIENTATION]
        values = tiff.integers(entries[0]) if entries else ()
    except CorruptMedia:
        return 1  # viewers ignore a block that does not parse
    return values[0] if len(values) == 1 and values[0] in range(1, 9) else 1


def minimal(orientation: int, fields: Fields = NOTHING) -> bytes:
    """An EXIF block of the orientation, kept fields, and nothing else; empty for an upright picture without these."""
    return _block(orientation if orientation != 1 else None, fields, ">") if orientation != 1 or fields else b""


def _block(orientation: int | None, fields: Fields, order: str) -> bytes:
    """One directory; what does not fit into its entries follows (TIFF 6.0, p. 14)."""
    entries = [(ORIENTATION, 3, 1, struct.pack(f"{order}H", orientation))] if orientation else []
    entries = sorted(entries + text_entries(fields))
    packed, values = struct.pack(f"{order}2sHIH", b"MM" if order == ">" else b"II", 42, 8, len(entries)), b""
    values_at = len(packed) + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        packed += struct.pack(f"{order}HHI", tag, kind, count)
        if len(value) > 4:
            packed += struct.pack(f"{order}I", values_at + len(values))
            values += value + b"\0" * (len(value) % 2)
        else:
            packed += value.ljust(4, b"\0")
    return packed + bytes(4) + values


def text_entries(fields: Fields) -> list[tuple[int, int, int, bytes]]:
    """Tag, type (ASCII), length and value of each kept field, the date as EXIF writes it."""
    dated = replace(fields, date=fields.date.replace("-", ":"))
    texts = [(number, getattr(dated, name).encode() + b"\0") for name, number in TEXT_TAGS.items()]
    return sorted((number, ASCII, len(text), text) for number, text in texts if text != b"\0")


def tags(block: bytes, place: str = "EXIF") -> list[Tag]:
    """Tags of all in an EXIF block that is not its orientation, whether it parses or not."""
    orientation = orientation_of(block)
    if not block or block in [_block(orientation, NOTHING, order) for order in "<>"]:
        return []
    try:
        found = directory_tags(Tiff.open(block), place)
    except CorruptMedia:
        return dropped(block, "unreadable EXIF", place)
    found = kept.own(list(dict.fromkeys(found)), block, lambda fields: minimal(orientation, fields))
    return found or [Tag(kind="unknown", name="unused bytes", place=place, value=f"{len(block)} bytes")]


def directory_tags(
    tiff: Tiff, place: str, starts: Iterable[tuple[int, str]] = (), spans: list[tuple[int, int]] | None = None
) -> list[Tag]:
    """Tags of every directory that can be reached from the starts (offset and name), or from the first one.

    Loops and lies end the walk, not the reading. What was read is noted in `spans`.
    """
    found: list[Tag] = []
    queue = [(at, name, 0) for at, name in starts] or [(tiff.first_at, "", 0)]
    seen: set[int] = set()
    spans = [] if spans is None else spans
    while queue and len(seen) < MAX_DIRECTORIES and len(found) < MAX_TAGS:
        at, name, depth = queue.pop(0)
        if at in seen:
            continue
        seen.add(at)
        where = place if name == place else f"{place} {name}".rstrip()
        try:
            directory = tiff.directory(at)
        except CorruptMedia:
            found += [Tag(kind=_directory_kind(name), name="unreadable directory", place=where)]
            continue
        if name == "GPS" and not directory.entries:
            found.append(Tag(kind="location", name="empty GPS directory", place=where))
        spans += [(directory.at, directory.end), *picture_spans(tiff, directory)]
        for entry in directory.entries[:MAX_TAGS]:
            pointers = pointers_of(tiff, entry)
            queue += [(p, POINTERS[entry.tag], depth) for p in pointers]
            found += [] if pointers else entry_tags(tiff, entry, name, where)
            spans.append((entry.at, entry.at + entry.size))
        if directory.next_at and not name.startswith(("EXIF", "GPS", "inter", "page")):
            queue.append((directory.next_at, f"IFD{depth + 1}", depth + 1))
    return found


def picture_spans(tiff: Tiff, directory: Directory) -> list[tuple[int, int]]:
    """Where the pieces of a directory's picture lie, as far as it states them."""
    values: dict[int, tuple[int, ...]] = {}
    for entry in directory.entries:
        if entry.tag in _PIECES and entry.length <= MAX_PIECES:
            try:
                values.setdefault(entry.tag, tiff.integers(entry))
            except CorruptMedia:
                continue
    pairs = ((values.get(at, ()), values.get(size, ())) for at, size in zip(_PIECES[::2], _PIECES[1::2], strict=True))
    return [(at, at + size) for starts, sizes in pairs for at, size in zip(starts, sizes, strict=False)]


def _directory_kind(name: str) -> TagKind:
    return "location" if name == "GPS" else "picture" if name.startswith(("IFD", "sub", "page")) else "unknown"


def pointers_of(tiff: Tiff, entry: Entry) -> tuple[int, ...]:
    """Offsets of the directories that an entry refers to; none for an entry that holds a value."""
    if entry.tag not in POINTERS:
        return ()
    try:
        return tiff.integers(entry)[:MAX_DIRECTORIES]
    except CorruptMedia:
        return ()


def entry_tags(tiff: Tiff, entry: Entry, directory: str, place: str) -> list[Tag]:
    """Tags of one entry of a directory ("" is the first, "GPS", "IFD1", "sub-IFD", ...)."""
    if entry.tag == ORIENTATION and directory == "":
        return []
    value = tiff.glance(entry)
    if directory.startswith(("IFD", "sub", "page")):
        if entry.tag in _PICTURE_TAGS:
            return [Tag(kind="picture", name="thumbnail", place=place)]
        if entry.tag in _PICTURE_FORM:
            return []  # the form of that picture, not a piece of its own
    if entry.tag in _BLOCKS and directory != "GPS" and value:
        return _BLOCKS[entry.tag](value, f"{place} {ExifTags.TAGS.get(entry.tag, 'XMP')}")
    kind, name = _kind_and_name(entry.tag, directory)
    own = Tag(kind=kind, name=name, place=place, value=_text(tiff, entry, value))
    return [own, *(scan(value, f"{place} {name}") if entry.type in (2, 7) and kind != "location" else [])]


def _kind_and_name(tag: int, directory: str) -> tuple[TagKind, str]:
    if directory == "GPS":
        return "location", ExifTags.GPSTAGS.get(tag, f"tag 0x{tag:04x}")
    name = ExifTags.TAGS.get(tag)
    if tag in _GEO_TAGS:
        return "location", name or f"GeoTIFF tag {tag}"
    if tag in _PICTURE_TAGS:
        return "picture", name or "thumbnail"
    if name is None:
        return "unknown", f"tag 0x{tag:04x}"
    kind = kind_of_name(name)
    if name.startswith("XP"):
        return ("person" if name == "XPAuthor" else "text"), name
    return ("device" if kind in ("unknown", "location", "picture") else kind), name


def _text(tiff: Tiff, entry: Entry, value: bytes) -> str:
    """The value for human eyes."""
    if entry.type in (2, 7) or entry.type not in TYPE_BYTES:
        return text_of(value)
    if entry.type in (5, 10):
        numbers = struct.unpack(
            f"{tiff.order}{len(value[:64]) // 4}{'Ii'[entry.type == 10]}", value[: len(value[:64]) // 4 * 4]
        )
        return " ".join(f"{a}/{b}" for a, b in zip(numbers[::2], numbers[1::2], strict=False))
    if entry.type in (11, 12):
        return f"{entry.length} numbers"
    step = TYPE_BYTES[entry.type]
    count = min(len(value) // step, 16)
    return " ".join(map(str, struct.unpack(f"{tiff.order}{count}{_INTEGERS[entry.type]}", value[: count * step])))
