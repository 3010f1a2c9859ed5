"""Path -> tags, and Path -> a clean file. One module per format family; a new one is a file and a line in BUILTIN.

A handler is a module with two functions and a set:

    read(path)                    -> list[Tag]  what is there that display does not need, by kind and name
    strip(source, target, fields) -> None       writes the file anew by an allow-list; pictures, frames, sound untouched
    KEEPS                                       names of the fields (see kept.py) that the format has a place for

Both raise CorruptMedia for bytes that do not parse and StripFailed where the format cannot be cleaned without loss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from media_screen.metadata import kept, second
from media_screen.metadata.kept import NOTHING, WORDS, Fields, remaining

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from media_screen.types import Tag

__all__ = ["BUILTIN", "NOTHING", "WORDS", "Fields", "Handler", "handler_for", "read", "remaining", "to_keep"]

# format (see probe.FORMATS) -> module
BUILTIN = {
    "jpeg": "media_screen.metadata.jpeg",
    "png": "media_screen.metadata.png",
    "webp": "media_screen.metadata.webp",
    "gif": "media_screen.metadata.gif",
    "tiff": "media_screen.metadata.tiff",
    "bmp": "media_screen.metadata.bmp",
    "heif": "media_screen.metadata.heif",
    "avif": "media_screen.metadata.heif",
    "mp4": "media_screen.metadata.mp4",
    "matroska": "media_screen.metadata.matroska",
    "avi": "media_screen.metadata.avi",
    "mpegts": "media_screen.metadata.mpegts",
}


class Handler(Protocol):
    """What a module of a format family offers."""

    KEEPS: frozenset[str]

    def read(self, path: Path) -> list[Tag]:
        """Everything there that display does not need."""
        ...

    def strip(self, source: Path, target: Path, fields: Fields = NOTHING) -> None:
        """Write `target` without it, but with these fields; `source` is never touched."""
        ...


def handler_for(format_name: str) -> Handler:
    """The handler of a format; KeyError for a format that has none."""
    return cast("Handler", import_module(BUILTIN[format_name]))


def read(path: Path, format_name: str) -> list[Tag]:
    """What a file's handler lists, and what only the second reader sees.

    Of a kind that the handler lists as well, the second reader's names would only repeat it in other words: they count
    where the handler is silent, as it must be for every file that was cleaned.
    """
    first = handler_for(format_name).read(path)
    kinds = {tag.kind for tag in first if tag.place != kept.PLACE}
    values = {tag.value for tag in first if tag.place == kept.PLACE}
    others = second.read(path, format_name)
    return [*first, *(tag for tag in others if tag.kind not in kinds and tag.value not in values)]


def to_keep(tags: Iterable[Tag], keep: Collection[str], format_name: str) -> tuple[Fields, list[str]]:
    """The fields of a file that are to be written back, and notes on them."""
    return kept.chosen(tags, keep, handler_for(format_name).KEEPS)
