"""Path -> tags, and Path -> a clean file. One module per format family; a new one is a file and a line in BUILTIN.

A handler is a module with two functions:

    read(path)            -> list[Tag]   what is there that display does not need, by kind and name
    strip(source, target) -> None        writes the file anew by an allow-list; pictures, frames and sound untouched

Both raise CorruptMedia for bytes that do not parse and StripFailed where the format cannot be cleaned without loss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from pathlib import Path

    from media_screen.types import Tag

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
    """The two functions of a format family."""

    def read(self, path: Path) -> list[Tag]:
        """Everything there that display does not need."""
        ...

    def strip(self, source: Path, target: Path) -> None:
        """Write `target` without it; `source` is never touched."""
        ...


def handler_for(format_name: str) -> Handler:
    """The handler of a format; KeyError for a format that has none."""
    return cast("Handler", import_module(BUILTIN[format_name]))
