"""A still's bytes -> its clean bytes and the tags of all that was left out. What the still formats share."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from media_screen.errors import CorruptMedia, FileError, LimitExceeded, StripFailed
from media_screen.metadata.kept import NOTHING, PLACE, Fields
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ICC_HEADER_BYTES = 128  # ICC.1:2022, 7.2
MAX_FILE_BYTES = 4 << 30  # the whole still is held in memory; the offsets of most formats end here too
MAX_FOUND = 5000

# what struct, zlib and indexing say of bytes that lie; a format module checks first, this is the second line
_PARSE_ERRORS = (struct.error, zlib.error, IndexError, ValueError, KeyError, OverflowError, RecursionError)


class Cleaned(NamedTuple):
    """The parts of the file that display needs, and a tag for each part that is not among them."""

    data: bytes
    tags: list[Tag]


class Found:
    """Tags of what is left out, each once; a hostile file may name millions, the first thousands say enough."""

    def __init__(self) -> None:
        self._tags: dict[Tag, None] = {}

    def __iadd__(self, tags: Iterable[Tag]) -> Self:
        for tag in tags:
            full = len(self._tags) >= MAX_FOUND
            self._tags[Tag(kind="unknown", name="more of the same", place="file") if full else tag] = None
        return self

    def add(self, tag: Tag) -> None:
        """One more."""
        self += (tag,)

    def all(self) -> list[Tag]:
        """In the order found."""
        return list(self._tags)


class Clean(Protocol):
    """What a still format's module does with a whole file; where it has a place for kept fields, it puts them in."""

    def __call__(self, data: bytes, fields: Fields = NOTHING, /) -> Cleaned:
        """The clean bytes, and the tags of the rest."""
        ...


def read_tags(path: Path, clean: Clean) -> list[Tag]:
    """All that `clean` would leave out of the file."""
    return _cleaned(_bytes(path), clean).tags


def strip_file(source: Path, target: Path, clean: Clean, fields: Fields) -> None:
    """Write what `clean` keeps, once cleaning that again finds nothing and changes nothing; then, if any, `fields`.

    A copy of ours may be cleaned where it stands: `target` is `source` then.

    Raises:
        StripFailed: something would be left behind.
    """
    data = _bytes(source)
    kept, tags = _cleaned(data, clean)
    if tags or kept != data:  # otherwise it was clean, and has been cleaned twice
        again = _cleaned(kept, clean)
        if again.tags:
            left = sorted({f"{t.name} ({t.place})" for t in again.tags})
            raise StripFailed(f"would still be there: {', '.join(left)}")
        if again.data != kept:
            raise StripFailed("the file is not stable when it is cleaned twice")
    written = _with_fields(kept, clean, fields) if fields else kept
    if written != data or target != source:
        target.write_bytes(written)


def _with_fields(kept: bytes, clean: Clean, fields: Fields) -> bytes:
    """A clean file with a block of these fields: cleaning it must find that block only, and give the same back."""
    written = clean(kept, fields).data
    again = _cleaned(written, clean)
    if again.data != kept or any(tag.place != PLACE for tag in again.tags):
        raise StripFailed("the fields to keep would bring more with them")
    return written


def icc_profile(data: bytes) -> bytes:
    """The ICC profile at the start of the bytes, cut to the length it states; empty where there is none."""
    if len(data) < ICC_HEADER_BYTES or data[36:40] != b"acsp":
        return b""
    size = struct.unpack_from(">I", data)[0]
    return data[:size] if ICC_HEADER_BYTES <= size <= len(data) else b""


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LimitExceeded("a still of more than 4 GiB")
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}") from error


def _cleaned(data: bytes, clean: Clean) -> Cleaned:
    try:
        return clean(data)
    except _PARSE_ERRORS as error:
        raise CorruptMedia(f"the file's structure does not parse: {error}") from error
    except MemoryError as error:
        raise LimitExceeded("the file asks for more memory than there is") from error
