"""Bytes of a RIFF file -> chunks, and chunks -> bytes. Knows the grammar only, no meaning."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHUNKS = 20_000_000  # in one list: hours of uncompressed sound in small pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Where a chunk lies; of a list (`LIST`, `RIFF`) `form` says which, and its content begins after that."""

    kind: bytes
    form: bytes
    start: int
    body: int
    end: int

    @property
    def name(self) -> str:
        """Its four letters, printable."""
        return "".join(c if c.isprintable() else "." for c in (self.form or self.kind).decode("latin-1"))


def chunks(file: BinaryIO, start: int, end: int) -> Iterator[Chunk]:
    """The chunks that fill a stretch of a file.

    Raises:
        CorruptMedia: a length lies.
    """
    for _ in range(MAX_CHUNKS):
        if end - start < 8:
            return
        file.seek(start)
        head = file.read(12)
        if len(head) < 8:
            raise CorruptMedia("the file is cut short")
        kind, size = struct.unpack_from("<4sI", head)
        after = start + 8 + size
        if after > end:
            raise CorruptMedia(f"the chunk at byte {start} is longer than what holds it: the file is cut short")
        is_list = kind in (b"LIST", b"RIFF") and size >= 4
        yield Chunk(
            kind=kind,
            form=head[8:12] if is_list else b"",
            start=start,
            body=start + (12 if is_list else 8),
            end=after,
        )
        start = after + (size & 1)
    raise CorruptMedia("more chunks than any real file has")


def pack(kind: bytes, *parts: bytes) -> bytes:
    """A chunk around these parts, padded to an even length."""
    size = sum(map(len, parts))
    return b"".join((struct.pack("<4sI", kind, size), *parts, b"\0" * (size & 1)))
