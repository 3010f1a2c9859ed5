"""A movie fragment (moof) -> the same for the kept tracks only, and where their samples lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.isobmff import boxes, pack, pack_full, version_flags
from media_screen.metadata.kinds import named
from media_screen.metadata.mp4_boxes import small_table
from media_screen.metadata.mp4_tags import dropped_tags, note_rest

if TYPE_CHECKING:
    from media_screen.metadata.isobmff import Box
    from media_screen.metadata.mp4_moov import Movie, Track
    from media_screen.types import Tag

# tfhd flags: ISO/IEC 14496-12, 8.8.7; trun flags: 8.8.8
BASE_OFFSET, DESCRIPTION, DURATION, SIZE, FLAGS, BASE_IS_MOOF = 1, 2, 8, 0x10, 0x20, 0x20000
OFFSET, FIRST_FLAGS, EACH_DURATION, EACH_SIZE, EACH_FLAGS, EACH_SHIFT = 1, 4, 0x100, 0x200, 0x400, 0x800


@dataclass(slots=True, kw_only=True)
class Run:
    """One trun: samples that lie one after the other from `start`."""

    track: Track | None  # None where the track is dropped
    description: int
    start: int
    sizes: list[int]
    version: int
    flags: int
    first_flags: bytes
    fields: list[tuple[bytes, bytes]]  # of each sample: before its size, and after it
    new_sizes: list[int] | None = None
    new_offset: int = 0

    def pack(self) -> bytes:
        """The trun box; every size is written, since filtering may change any."""
        sizes = self.new_sizes or self.sizes
        head = struct.pack(">Ii", len(self.sizes), self.new_offset) + self.first_flags
        rows = (a + struct.pack(">I", size) + b for (a, b), size in zip(self.fields, sizes, strict=True))
        return pack_full(b"trun", self.version, self.flags | OFFSET | EACH_SIZE, head, *rows)


@dataclass(slots=True, kw_only=True)
class Fragment:
    """A moof of kept tracks: per track its head, and its runs and small tables in order."""

    header: bytes
    parts: list[tuple[bytes, list[Run | bytes]]]
    runs: list[Run]  # all, of dropped tracks too

    def pack(self) -> bytes:
        """The moof box."""
        trafs = []
        for head, rest in self.parts:
            trafs.append(pack(b"traf", head, *(part if isinstance(part, bytes) else part.pack() for part in rest)))
        return pack(b"moof", self.header, *trafs)

    @property
    def kept(self) -> list[Run]:
        """The runs of kept tracks."""
        return [run for run in self.runs if run.track]


def read_fragment(moof: bytes, start: int, movie: Movie, tags: dict[Tag, None]) -> Fragment:
    """The content of a moof box that starts at `start` of the file.

    Raises:
        CorruptMedia: it does not parse.
        StripFailed: encryption.
    """
    fragment = Fragment(header=b"", parts=[], runs=[])
    end = start  # of the data of the run before
    for box in boxes(moof):
        if box.kind == b"mfhd":
            fragment.header = pack(b"mfhd", moof[box.body : box.body + 8])
            note_rest("mfhd", "moof", moof[box.body + 8 : box.end], tags)
        elif box.kind == b"traf":
            reader = _Traf(moof, box, (start, end), movie, tags)
            end = reader.end
            fragment.runs += reader.runs
            if reader.track:
                fragment.parts.append((reader.head, reader.rest))
        else:
            tags |= dict.fromkeys(dropped_tags(moof, box, "moof"))
    return fragment


class _Traf:
    """One track of a fragment."""

    def __init__(self, moof: bytes, box: Box, ends: tuple[int, int], movie: Movie, tags: dict[Tag, None]) -> None:
        kids = list(boxes(moof, box.body, box.end))
        tfhd = next((kid for kid in kids if kid.kind == b"tfhd"), None)
        if tfhd is None:
            raise CorruptMedia("a track fragment has no header")
        # of the moof's first byte, and where the data of the run before ended
        start, self.end = ends
        self.moof = moof
        self.runs: list[Run] = []
        self.rest: list[Run | bytes] = []
        self.head = self._header(tfhd, start, movie, tags)
        for kid in kids:
            if kid.kind == b"trun":
                self._run(kid, tags)
            elif kid.kind in (b"senc", b"saiz", b"saio") and self.track:
                raise StripFailed(f"{self.track.place} is encrypted")
            elif kid.kind == b"tfdt":
                end = kid.body + (12 if moof[kid.body] else 8)
                self.rest.append(pack(b"tfdt", moof[kid.body : end]))
                note_rest("tfdt", "moof", moof[end : kid.end], tags)
            elif (small := self._small(kid, tags)) is not None:
                self.rest.append(small)
            elif kid is not tfhd:
                tags |= dict.fromkeys(dropped_tags(moof, kid, "moof"))

    def _small(self, kid: Box, tags: dict[Tag, None]) -> bytes | None:
        return small_table(self.moof, kid, sum(len(run.sizes) for run in self.runs), "moof", tags)

    def _header(self, tfhd: Box, start: int, movie: Movie, tags: dict[Tag, None]) -> bytes:
        """The tfhd box, with offsets counted from its moof."""
        _, flags = version_flags(self.moof, tfhd)
        body = self.moof[tfhd.body : tfhd.end].ljust(40, b"\0")  # absent optional fields read as zero
        track_id, at = int.from_bytes(body[4:8], "big"), 8
        self.track = next((track for track in movie.tracks if track.track_id == track_id), None)
        if track_id not in movie.track_ids:
            tags[named("fragment of no track", "moof", kind="unknown")] = None
        self.description, self.default_bytes = movie.defaults.get(track_id, (1, 0))
        self.base = start if flags & BASE_IS_MOOF else self.end
        if flags & BASE_OFFSET:
            self.base = int.from_bytes(body[8:16], "big")
            at = 16
        optional = at
        for flag in (DESCRIPTION, DURATION, SIZE, FLAGS):
            if flags & flag:
                value = int.from_bytes(body[at : at + 4], "big")
                self.description = value if flag == DESCRIPTION else self.description
                self.default_bytes = value if flag == SIZE else self.default_bytes
                at += 4
        self.end = self.base
        note_rest("tfhd", "moof", self.moof[tfhd.body + at : tfhd.end], tags)
        return pack_full(b"tfhd", 0, flags & ~BASE_OFFSET | BASE_IS_MOOF, body[4:8], body[optional:at])

    def _run(self, box: Box, tags: dict[Tag, None]) -> None:
        version, flags = version_flags(self.moof, box)
        count = int.from_bytes(self.moof[box.body + 4 : box.body + 8], "big")
        at, start, first_flags = box.body + 8, self.end, b""
        if flags & OFFSET:
            start = self.base + int.from_bytes(self.moof[at : at + 4], "big", signed=True)
            at += 4
        if flags & FIRST_FLAGS:
            first_flags = self.moof[at : at + 4]
            at += 4
        before = 4 if flags & EACH_DURATION else 0
        size = 4 if flags & EACH_SIZE else 0
        width = before + size + sum(4 for flag in (EACH_FLAGS, EACH_SHIFT) if flags & flag)
        if at + width * count > box.end or (not width and count > box.size_bytes + 65536) or start < 0:
            raise CorruptMedia("a track run is shorter than its count says")
        note_rest("trun", "moof", self.moof[at + width * count : box.end], tags)
        rows = [self.moof[at + width * index : at + width * (index + 1)] for index in range(count)]
        sizes = [int.from_bytes(row[before : before + 4], "big") if size else self.default_bytes for row in rows]
        run = Run(
            track=self.track,
            description=self.description,
            start=start,
            sizes=sizes,
            version=version,
            flags=flags,
            first_flags=first_flags,
            fields=[(row[:before], row[before + size :]) for row in rows],
        )
        self.end = start + sum(sizes)
        self.runs.append(run)
        if self.track:
            self.rest.append(run)
