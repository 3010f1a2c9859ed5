"""Bytes of an ISO base media file -> boxes, and boxes -> bytes. Knows the box grammar only, no meaning."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BOXES = 100_000  # on one level; a real file has a few dozen, a long fragmented one a few thousand
_NEVER_CUT = frozenset({b"ftyp", b"moov", b"moof", b"mdat", b"meta"})  # what follows the end never begins so


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a box lies: header at `start`, content from `body` to `end`; positions in the buffer or file walked."""

    kind: bytes
    start: int
    body: int
    end: int

    @property
    def size_bytes(self) -> int:
        """Of the content, without the header."""
        return self.end - self.body

    @property
    def name(self) -> str:
        """Its four letters, printable."""
        return letters(self.kind)


def letters(kind: bytes) -> str:
    """Four letters as text; what is not printable becomes a dot."""
    return "".join(c if c.isprintable() else "." for c in kind.decode("latin-1"))


def boxes(buffer: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that fill a stretch of a buffer exactly (ISO/IEC 14496-12, 4.2).

    Four zero bytes at the end are allowed: QuickTime closes lists so.

    Raises:
        CorruptMedia: a length lies, or the boxes do not end where the stretch does.
    """
    end = len(buffer) if end is None else end
    for _ in range(MAX_BOXES):
        if end - start < 8:
            if any(buffer[start:end]):
                raise CorruptMedia("bytes left over between two boxes")
            return
        box = _header(buffer[start : min(start + 16, end)], start, end)
        if box is None or box.end > end:
            raise CorruptMedia(f"the box at byte {start} is longer than what holds it")
        yield box
        start = box.end
    raise CorruptMedia("more boxes than any real file has")


def loose_boxes(buffer: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """As `boxes`, but ends quietly at the first nonsense: for listing what will be dropped anyway."""
    try:
        yield from boxes(buffer, start, end)
    except CorruptMedia:
        return


def file_boxes(file: BinaryIO, size_bytes: int) -> tuple[list[Box], int]:
    """Top-level boxes of a file, and where they end: what follows is no box (trailing data).

    A last box that claims more bytes than the file has is not returned, unless it is a header or media data.

    Raises:
        CorruptMedia: a header or media data is cut short.
    """
    found: list[Box] = []
    start = 0
    while size_bytes - start >= 8 and len(found) < MAX_BOXES:
        file.seek(start)
        box = _header(file.read(16), start, size_bytes)
        if box is None:
            break
        if box.end > size_bytes:
            if box.kind in _NEVER_CUT:
                what = "media data is" if box.kind == b"mdat" else f"box {box.name!r} is"
                raise CorruptMedia(f"the {what} cut short")
            break
        found.append(box)
        start = box.end
    if len(found) >= MAX_BOXES:
        raise CorruptMedia("more boxes than any real file has")
    return found, start


def _header(head: bytes, start: int, limit: int) -> Box | None:
    """The box whose header this is; None where it is shorter than its own header."""
    length, kind = struct.unpack_from(">I4s", head)
    header = 8
    if length == 1:  # 64-bit length
        if len(head) < 16:
            return None
        (length,) = struct.unpack_from(">Q", head, 8)
        header = 16
    elif length == 0:  # to the end
        length = limit - start
    return Box(kind=kind, start=start, body=start + header, end=start + length) if length >= header else None


def pack(kind: bytes, *parts: bytes) -> bytes:
    """A box around these parts."""
    length = 8 + sum(map(len, parts))
    if length < 1 << 32:
        return b"".join((struct.pack(">I4s", length, kind), *parts))
    return b"".join((struct.pack(">I4sQ", 1, kind, length + 8), *parts))


def pack_full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags around these parts (ISO/IEC 14496-12, 4.2.2)."""
    return pack(kind, struct.pack(">I", version << 24 | flags), *parts)


def version_flags(buffer: bytes, box: Box) -> tuple[int, int]:
    """Version and flags of a full box."""
    if box.size_bytes < 4:
        raise CorruptMedia(f"the box {box.name!r} has no version")
    (word,) = struct.unpack_from(">I", buffer, box.body)
    return word >> 24, word & 0xFFFFFF
