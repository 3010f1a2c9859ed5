"""Cleaned parts of an AVI film -> a file, with sizes and indexes of its own (OpenDML 1.02 if it has several RIFFs)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from media_screen.metadata.riff import pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.metadata.payload import Filter

KEY_FRAME, NOT_KEY_FRAME = 0x10, 1 << 31


@dataclass(slots=True, kw_only=True)
class Stream:
    """A stream that is kept."""

    number: int  # in the new file
    video: bool
    packed: bytes  # its strl, without an index
    filter: Filter | None


class Writer:
    """The new file: as many RIFFs as the old; sizes and indexes are filled in at the end."""

    def __init__(
        self, out: BinaryIO, main: bytes, streams: list[Stream], riffs: int, *, indexed: bool, info: bytes
    ) -> None:
        self.info = info  # a list of kept fields, or nothing
        self.out, self.main, self.streams, self.riffs, self.indexed = out, main, streams, riffs, indexed
        self.riff_at = self.movie_at = self.super_at = 0
        self.count = 0  # of RIFFs begun
        self.rows: list[tuple[bytes, int, int, int]] = []  # name, key flag, where the content begins, size
        self.supers: dict[int, list[bytes]] = {stream.number: [] for stream in streams}

    @property
    def _large(self) -> bool:
        return self.riffs > 1

    def open_riff(self) -> None:
        """RIFF, with all headers if it is the first, and its movi list."""
        self.riff_at = self.out.tell()
        self.out.write(b"RIFF" + bytes(4) + (b"AVIX" if self.count else b"AVI "))
        if not self.count:
            self.out.write(self._headers() + self.info)
        self.movie_at = self.out.tell()
        self.out.write(b"LIST" + bytes(4) + b"movi")
        self.count += 1

    def _headers(self) -> bytes:
        main = self.main[:24] + struct.pack("<I", len(self.streams)) + self.main[28:]
        lists = [
            pack(b"LIST", b"strl", stream.packed, self._super_index(stream) if self._large else b"")
            for stream in self.streams
        ]
        return pack(b"LIST", b"hdrl", pack(b"avih", main), *lists)

    def _super_index(self, stream: Stream) -> bytes:
        """Room for one entry a RIFF, then the entries (OpenDML 1.02, super index)."""
        entries = b"".join(self.supers[stream.number]).ljust(16 * self.riffs, b"\0")
        name = b"%02d" % stream.number + (b"dc" if stream.video else b"wb")
        count = len(self.supers[stream.number])
        return pack(b"indx", struct.pack("<HBBI4s3I", 4, 0, 0, count, name, 0, 0, 0), entries)

    def frame(self, stream: Stream, suffix: bytes, key: bool, pieces: list[bytes] | Iterator[bytes], size: int) -> None:
        """One chunk of a kept stream."""
        name = b"%02d" % stream.number + suffix
        self.rows.append((name, KEY_FRAME if key else 0, self.out.tell() + 8, size))
        self.out.write(struct.pack("<4sI", name, size))
        for piece in pieces:
            self.out.write(piece)
        self.out.write(b"\0" * (size & 1))

    def close_riff(self) -> None:
        """The indexes, where the old file had one, and the sizes."""
        if self._large:
            for stream in self.streams:
                self._standard_index(stream)
        self._size(self.movie_at)
        if self.count == 1 and self.indexed:
            base = self.movie_at + 8
            rows = (struct.pack("<4sIII", name, key, at - 8 - base, size) for name, key, at, size in self.rows)
            self.out.write(pack(b"idx1", *rows))
        self._size(self.riff_at)
        self.rows = []

    def _standard_index(self, stream: Stream) -> None:
        prefix = b"%02d" % stream.number
        rows = [row for row in self.rows if row[0][:2] == prefix and row[0][2:] != b"pc"]
        at, base = self.out.tell(), self.movie_at
        entries = (
            struct.pack("<II", where - base, size | (0 if key else NOT_KEY_FRAME)) for _, key, where, size in rows
        )
        name = rows[0][0] if rows else prefix + b"dc"
        index = pack(b"ix" + prefix, struct.pack("<HBBI4sQI", 2, 0, 1, len(rows), name, base, 0), *entries)
        self.out.write(index)
        self.supers[stream.number].append(struct.pack("<QII", at, len(index), len(rows)))

    def _size(self, at: int) -> None:
        end = self.out.tell()
        self.out.seek(at + 4)
        self.out.write(struct.pack("<I", end - at - 8))
        self.out.seek(end)

    def finish(self) -> None:
        """The super indexes, now that all RIFFs are written."""
        if self._large:
            end = self.out.tell()
            self.out.seek(12)
            self.out.write(self._headers())
            self.out.seek(end)
