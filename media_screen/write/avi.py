"""The AVI it was copied from + a written AVI -> the written one, its sound under the source's own headers.

AVI states no times: a sound's time is what its stream header says of bytes or chunks. The chunks are copied, so the
header that gave them their time has to stay with them; FFmpeg's muxer would make one anew from less than is known.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# AVISTREAMHEADER: dwScale and dwRate, dwStart, dwLength, dwSampleSize; WAVEFORMATEX: nAvgBytesPerSec, nBlockAlign
SCALE_RATE, START, LENGTH, SAMPLE_SIZE = slice(20, 28), slice(28, 32), slice(32, 36), slice(44, 48)
BYTES_AND_BLOCK = slice(8, 14)
HEADER_LISTS = (b"hdrl", b"strl")


def keep_sound_headers(source: Path, part: Path) -> None:
    """Give the sounds of `part` the clocks of the sounds of `source`, which are in the same order.

    Raises:
        UnsupportedMedia: a sound begins later than the picture by a statement in its header alone.
    """
    with source.open("rb") as file:
        before = [dict(chunks) for chunks in _sounds(file)]
    with part.open("r+b") as file:
        for ours, theirs in zip(list(_sounds(file)), before, strict=True):
            header = theirs[b"strh"][1]
            if any(header[START]):
                raise UnsupportedMedia("a sound that starts later than its AVI: save it as MP4 or MKV first")
            places = [(b"strh", p) for p in (SCALE_RATE, LENGTH, SAMPLE_SIZE)] + [(b"strf", BYTES_AND_BLOCK)]
            for kind, place in places:
                file.seek(ours[kind][0] + place.start)
                file.write(theirs[kind][1][place])


def _sounds(file: BinaryIO) -> Iterator[dict[bytes, tuple[int, bytes]]]:
    """Of each sound: kind of chunk -> where its body stands, and the body."""
    stream: dict[bytes, tuple[int, bytes]] = {}
    for kind, at, body in _headers(file):
        stream = {} if kind == b"strh" else stream
        stream[kind] = (at, body)
        if kind == b"strf" and stream[b"strh"][1][:4] == b"auds":
            yield stream


def _headers(file: BinaryIO) -> Iterator[tuple[bytes, int, bytes]]:
    """The chunks strh and strf of every stream, in order: kind, place, body."""
    at = 12  # behind "RIFF", size, "AVI "
    while file.seek(at) == at and len(head := file.read(12)) == 12:
        kind, size = struct.unpack("<4sI", head[:8])
        if kind == b"LIST" and head[8:] in HEADER_LISTS:
            at += 12
            continue
        if kind == b"LIST" and head[8:] == b"movi":
            return
        if kind in (b"strh", b"strf"):
            file.seek(at + 8)
            yield kind, at + 8, file.read(size)
        at += 8 + size + (size & 1)
