"""Path + what to keep -> the metadata that is there, and what a cleaned copy would hold. No detector, no policy.

What would remain is not foretold but seen: the copy is made in a temporary folder, read by both readers, and deleted.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from media_screen import metadata
from media_screen.errors import FileError
from media_screen.probe import probe

if TYPE_CHECKING:
    from collections.abc import Collection

    from media_screen.types import MediaInfo, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was seen of one file."""

    media: MediaInfo
    tags: tuple[Tag, ...]
    after: tuple[Tag, ...]  # what the cleaned copy holds
    refusal: str = ""  # why there can be no cleaned copy
    notes: tuple[str, ...] = ()  # on what was to be kept


def inspected(path: Path, keep: Collection[str] = ()) -> Inspection:
    """Read, clean, and read again.

    Raises:
        FileError: the file cannot be read to its end.
    """
    info = probe(path)
    tags = tuple(metadata.read(path, info.format))
    fields, notes = metadata.to_keep(tags, keep, info.format)
    with tempfile.TemporaryDirectory(prefix="media-screen-") as folder:
        copy = Path(folder) / "copy"
        try:
            metadata.handler_for(info.format).strip(path, copy, fields)
            after = tuple(metadata.read(copy, info.format))
        except FileError as error:
            return Inspection(media=info, tags=tags, after=(), refusal=str(error))
    return Inspection(media=info, tags=tags, after=after, notes=tuple(notes))
