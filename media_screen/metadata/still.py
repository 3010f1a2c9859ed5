"""A still's bytes -> its clean bytes and the tags of all that was left out. What the still formats share."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from media_screen.errors import CorruptMedia, FileError, StripFailed
from media_screen.metadata.embedded import scan_certain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from media_screen.types import Tag

ICC_HEADER_BYTES = 128  # ICC.1:2022, 7.2

# what struct, zlib and indexing say of bytes that lie; a format module checks first, this is the second line
_PARSE_ERRORS = (struct.error, zlib.error, IndexError, ValueError, KeyError, OverflowError, RecursionError)


class Cleaned(NamedTuple):
    """The parts of the file that display needs, and a tag for each part that is not among them."""

    data: bytes
    tags: list[Tag]


def read_tags(path: Path, clean: Callable[[bytes], Cleaned]) -> list[Tag]:
    """All that `clean` would leave out of the file."""
    return _cleaned(_bytes(path), clean).tags


def strip_file(source: Path, target: Path, clean: Callable[[bytes], Cleaned]) -> None:
    """Write what `clean` keeps, once cleaning that again finds nothing and changes nothing.

    Raises:
        StripFailed: something would be left behind.
    """
    kept = _cleaned(_bytes(source), clean).data
    again = _cleaned(kept, clean)
    if again.tags:
        raise StripFailed(f"would still be there: {', '.join(sorted({f'{t.name} ({t.place})' for t in again.tags}))}")
    if again.data != kept:
        raise StripFailed("the file is not stable when it is cleaned twice")
    target.write_bytes(kept)


def icc_profile(data: bytes) -> bytes:
    """The ICC profile at the start of the bytes, cut to the length it states; empty where there is none."""
    if len(data) < ICC_HEADER_BYTES or data[36:40] != b"acsp":
        return b""
    size = struct.unpack_from(">I", data)[0]
    return data[:size] if ICC_HEADER_BYTES <= size <= len(data) else b""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}") from error


def _cleaned(data: bytes, clean: Callable[[bytes], Cleaned]) -> Cleaned:
    try:
        kept, tags = clean(data)
        return Cleaned(kept, tags + scan_certain(kept, "picture data"))
    except _PARSE_ERRORS as error:
        raise CorruptMedia(f"the file's structure does not parse: {error}") from error
