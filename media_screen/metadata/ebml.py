"""Bytes of an EBML document -> elements, and elements -> bytes (RFC 8794). Knows the grammar only, no meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ELEMENTS = 1_000_000  # in one parent
HEADER_BYTES = 12  # an id of at most 4, a size of at most 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Where an element lies; `end` is None where its size is unknown (a live recording)."""

    id: int
    start: int
    body: int
    end: int | None


def header(head: bytes, start: int) -> Element:
    """The element whose first bytes these are.

    Raises:
        CorruptMedia: no valid id or size.
    """
    id_bytes = 9 - head[0].bit_length() if head else 9
    if id_bytes > 4 or len(head) <= id_bytes:
        raise CorruptMedia(f"no element begins at byte {start}")
    size_bytes = 9 - head[id_bytes].bit_length()
    if size_bytes > 8 or len(head) < id_bytes + size_bytes:
        raise CorruptMedia(f"the element at byte {start} has no size")
    coded = int.from_bytes(head[id_bytes : id_bytes + size_bytes], "big")
    size = coded & (1 << 7 * size_bytes) - 1
    unknown = size == (1 << 7 * size_bytes) - 1
    body = start + id_bytes + size_bytes
    identity = int.from_bytes(head[:id_bytes], "big")
    return Element(id=identity, start=start, body=body, end=None if unknown else body + size)


def header_at(file: BinaryIO, at: int) -> Element:
    """The element that begins at this byte of a file."""
    file.seek(at)
    return header(file.read(HEADER_BYTES), at)


def elements(buffer: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Ids and contents of the elements that fill a stretch of a buffer.

    Raises:
        CorruptMedia: a length lies, or is unknown.
    """
    end = len(buffer) if end is None else end
    for _ in range(MAX_ELEMENTS):
        if start >= end:
            return
        element = header(buffer[start : min(end, start + HEADER_BYTES)], start)
        if element.end is None or element.end > end:
            raise CorruptMedia(f"the element {element.id:X} is longer than what holds it")
        yield element.id, buffer[element.body : element.end]
        start = element.end
    raise CorruptMedia("more elements than any real file has")


def loose_elements(buffer: bytes) -> Iterator[tuple[int, bytes]]:
    """As `elements`, but ends quietly at the first nonsense: for listing what will be dropped anyway."""
    try:
        yield from elements(buffer)
    except CorruptMedia:
        return


def pack_id(identity: int) -> bytes:
    """An element's id, as it stands in the file."""
    return identity.to_bytes((identity.bit_length() + 7) // 8, "big")


def pack(identity: int, *parts: bytes) -> bytes:
    """An element around these parts; the size in as few bytes as it needs."""
    body = b"".join(parts)
    size_bytes = max(1, (len(body) + 1).bit_length() + 6) // 7
    return pack_id(identity) + (len(body) | 1 << 7 * size_bytes).to_bytes(size_bytes, "big") + body


def pack_number(identity: int, value: int, size_bytes: int = 0) -> bytes:
    """An unsigned number."""
    return pack(identity, value.to_bytes(size_bytes or max(1, (value.bit_length() + 7) // 8), "big"))


def pack_size(size: int) -> bytes:
    """A size in eight bytes, for one that is written before it is known."""
    return (size | 1 << 56).to_bytes(8, "big")


def number(body: bytes) -> int:
    """The value of an unsigned number element."""
    return int.from_bytes(body, "big")
