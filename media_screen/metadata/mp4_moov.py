"""A movie box (moov) -> the kept tracks with everything that display needs, and tags for all the rest."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata import kept
from media_screen.metadata import mp4_boxes as boxed
from media_screen.metadata.isobmff import boxes, pack
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.kinds import named
from media_screen.metadata.mp4_entries import Entry, clean_entries
from media_screen.metadata.mp4_samples import SampleTable, pack_offsets, pack_runs, pack_sizes, read_table
from media_screen.metadata.mp4_tags import dropped_tags, note_rest, pack_kept, track_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media_screen.metadata.isobmff import Box
    from media_screen.metadata.payload import Filter
    from media_screen.types import Tag

MAX_TRACKS = 256
MAX_OBJECT_BYTES = 64  # of iods, which no player reads: profiles and track numbers
_PICTURE_FORMATS = (b"jpeg", b"png ", b"mjpa")
_ONE_OF = {kind: kind for kind in (b"stsd", b"stsc", *boxed.TABLES)} | {b"stsz": b"stsz", b"stz2": b"stsz"}
_ONE_OF |= {b"stco": b"stco", b"co64": b"stco"}


@dataclass(slots=True, kw_only=True)
class Track:
    """A track that is kept: its boxes, cleaned, around the sample tables, which depend on where the bytes go."""

    track_id: int
    place: str
    table: SampleTable
    entries: list[Entry]
    before: list[bytes]  # children of trak before mdia
    media: list[bytes]  # children of mdia before minf
    information: list[bytes]  # children of minf before stbl
    samples: list[bytes]  # children of stbl but sizes and offsets
    sizes: array[int] | None = None  # where samples are filtered
    offsets: array[int] = field(default_factory=lambda: array("Q"))

    def filter(self, description: int) -> Filter | None:
        """For the packets of a sample entry (1-based)."""
        if not 1 <= description <= len(self.entries):
            raise CorruptMedia(f"{self.place} uses a sample description that is not there")
        return self.entries[description - 1].filter

    def pack(self, *, wide: bool) -> bytes:
        """The trak box."""
        tables = (*self.samples, pack_sizes(self.table, self.sizes), pack_offsets(self.offsets, wide=wide))
        minf = pack(b"minf", *self.information, pack(b"stbl", *tables))
        return pack(b"trak", *self.before, pack(b"mdia", *self.media, minf))


@dataclass(slots=True, kw_only=True)
class Movie:
    """What of a moov box is kept, and what is said of the rest."""

    header: bytes  # mvhd
    tracks: list[Track]
    extends: bytes  # mvex, or nothing
    track_ids: set[int]  # of all tracks
    defaults: dict[int, tuple[int, int]]  # track -> default description and size of fragments
    others: list[SampleTable]  # of tracks that are dropped
    tags: dict[Tag, None]

    fields: Fields = NOTHING  # that are written back

    def pack(self, *, wide: bool) -> bytes:
        """The moov box."""
        user_data = pack_kept(self.fields) if self.fields else b""
        return pack(b"moov", self.header, *(track.pack(wide=wide) for track in self.tracks), self.extends, user_data)


def read_movie(moov: bytes) -> Movie:
    """The content of a moov box.

    Raises:
        CorruptMedia: it does not parse, or has no video track.
        StripFailed: an unknown codec, encryption, or media outside the file.
    """
    tags: dict[Tag, None] = {}
    traks: list[_Trak] = []
    header, extends = b"", None
    for box in boxes(moov):
        if box.kind == b"trak":
            traks.append(_Trak(moov, box, len(traks) + 1, tags))
        elif box.kind == b"mvhd" and not header:
            header = boxed.timed_header(moov, box, "moov", tags)
        elif box.kind == b"mvex" and extends is None:
            extends = box
        elif box.kind == b"cmov":
            raise StripFailed("the movie header is compressed")
        elif box.kind == b"udta":
            found = dropped_tags(moov, box, "moov")
            tags |= dict.fromkeys(kept.own(found, moov[box.start : box.end], pack_kept))
        elif box.kind != b"iods" or box.size_bytes > MAX_OBJECT_BYTES:
            tags |= dict.fromkeys(dropped_tags(moov, box, "moov"))
    if not header or len(traks) > MAX_TRACKS:
        raise CorruptMedia("the movie header is absent" if not header else "more tracks than any real file has")
    chosen = _chosen(traks, tags)
    tracks = [trak.keep() for trak in chosen]
    if len({track.track_id for track in tracks}) < len(tracks):
        raise CorruptMedia("two tracks have one number")
    track_ids = {trak.track_id for trak in traks}
    others = [table for trak in traks if trak not in chosen for table in trak.loose_table()]
    packed, defaults = boxed.extends(moov, extends, {track.track_id for track in tracks}, tags)
    return Movie(
        header=header, tracks=tracks, extends=packed, track_ids=track_ids, defaults=defaults, others=others, tags=tags
    )


def _chosen(traks: list[_Trak], tags: dict[Tag, None]) -> list[_Trak]:
    """The main video track and every audio track; the others are named."""
    videos = [trak for trak in traks if trak.handler == b"vide"]
    main = next((trak for trak in videos if trak.format not in _PICTURE_FORMATS), videos[0] if videos else None)
    if main is None:
        raise CorruptMedia("no video track in this file")
    for trak in traks:
        if trak is main or trak.handler == b"soun":
            continue
        if trak.handler == b"vide":
            number = videos.index(trak) + 1
            name = "cover picture" if trak.format in _PICTURE_FORMATS else f"video track {number}"
            tags[named(name, trak.place, kind="picture")] = None
        else:
            kind = track_kind(trak.handler, trak.format)
            tags[named(f"{trak.format_name} track", trak.place, kind=kind)] = None
        trak.tag_rest(tags)
    return [trak for trak in traks if trak is main or trak.handler == b"soun"]


class _Trak:
    """One trak box, before it is known whether it is kept."""

    def __init__(self, moov: bytes, box: Box, number: int, tags: dict[Tag, None]) -> None:
        self.moov, self.box, self.tags = moov, box, tags
        self.place = f"track {number}"
        self.kids = list(boxes(moov, box.body, box.end))
        self.mdia = self._inside(self.kids, b"mdia")
        self.minf = self._inside(self.mdia, b"minf")
        self.stbl = self._inside(self.minf, b"stbl")
        handlers = [moov[kid.body + 8 : kid.body + 12] for kid in self.mdia if kid.kind == b"hdlr"]
        self.handler = handlers[0] if handlers else b""
        stsd = next((kid for kid in self.stbl if kid.kind == b"stsd"), None)
        self.format = moov[stsd.body + 12 : stsd.body + 16] if stsd else b""

    @property
    def track_id(self) -> int:
        tkhd = next((kid for kid in self.kids if kid.kind == b"tkhd" and kid.size_bytes >= 24), None)
        at = tkhd.body + (20 if self.moov[tkhd.body] else 12) if tkhd else 0
        return int.from_bytes(self.moov[at : at + 4], "big") if tkhd else 0

    @property
    def format_name(self) -> str:
        text = (self.format or self.handler).decode("latin-1").strip()
        return text if text.isprintable() and text else "nameless"

    def _inside(self, level: list[Box], kind: bytes) -> list[Box]:
        found = [kid for kid in level if kid.kind == kind]
        if len(found) > 1:
            raise CorruptMedia(f"{self.place} has two boxes {found[0].name!r}")
        return list(boxes(self.moov, found[0].body, found[0].end)) if found else []

    def tag_rest(self, tags: dict[Tag, None]) -> None:
        """Names and user data of a track that is dropped."""
        for kid in self.kids:
            if kid.kind in (b"udta", b"meta", b"uuid"):
                tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))

    def loose_table(self) -> list[SampleTable]:
        """The sample table of a dropped track, where it parses."""
        try:
            return [read_table(self.moov, {kid.kind: kid for kid in self.stbl})]
        except CorruptMedia:
            return []

    def keep(self) -> Track:
        """This track, cleaned."""
        heads = {b"tkhd": boxed.timed_header, b"edts": boxed.edits, b"tapt": boxed.apertures, b"tref": boxed.references}
        before = self._cleaned(self.kids, heads, quiet=(b"mdia",))
        media = self._cleaned(
            self.mdia, {b"mdhd": boxed.timed_header, b"hdlr": boxed.handler, b"elng": boxed.language}, quiet=(b"minf",)
        )
        inner = {
            b"vmhd": boxed.media_header,
            b"smhd": boxed.media_header,
            b"hdlr": boxed.handler,
            b"dinf": boxed.data_information,
        }
        information = self._cleaned(self.minf, inner, quiet=(b"stbl",))
        kinds = {kid.kind for kid in (*self.kids, *self.mdia, *self.minf)}
        if not {b"tkhd", b"mdhd", b"dinf"} <= kinds:
            raise CorruptMedia(f"{self.place} lacks one of its headers")
        samples, entries, table = self._samples()
        return Track(
            track_id=self.track_id,
            place=self.place,
            table=table,
            entries=entries,
            before=before,
            media=media,
            information=information,
            samples=samples,
        )

    def _cleaned(
        self, kids: list[Box], cleaners: Mapping[bytes, boxed.BoxCleaner], quiet: tuple[bytes, ...]
    ) -> list[bytes]:
        """The children that have a cleaner, once each and in order; the others become tags."""
        packed: dict[bytes, bytes] = {}
        for kid in kids:
            cleaner = cleaners.get(kid.kind)
            if cleaner and kid.kind not in packed:
                packed[kid.kind] = cleaner(self.moov, kid, self.place, self.tags)
            elif kid.kind not in quiet:
                self.tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))
        return list(packed.values())

    def _samples(self) -> tuple[list[bytes], list[Entry], SampleTable]:
        """The children of stbl but sizes and offsets."""
        children = {kid.kind: kid for kid in self.stbl}
        if not {b"stsd", b"stts"} <= children.keys():
            raise CorruptMedia(f"{self.place} has no sample description or no times")
        kinds = [_ONE_OF.get(kid.kind) for kid in self.stbl]
        if any(kinds.count(kind) > 1 for kind in kinds if kind):
            raise CorruptMedia(f"{self.place} has two sample tables of one kind")
        stsd = children[b"stsd"]
        body = self.moov[stsd.body : stsd.end]
        packed, entries = clean_entries(body, video=self.handler == b"vide", place=self.place, found=self.tags)
        table = read_table(self.moov, children)
        note_rest("sample tables", self.place, table.rest, self.tags)
        table.group = self._group(children[b"stts"], entries)
        samples = [packed]
        for kid in self.stbl:
            if kid.kind in boxed.TABLES:
                samples.append(boxed.table(self.moov, kid, self.place, self.tags))
            elif (small := boxed.small_table(self.moov, kid, table.count, self.place, self.tags)) is not None:
                samples.append(small)
            elif kid.kind in (b"saiz", b"saio", b"senc"):
                raise StripFailed(f"{self.place} is encrypted")
            elif kid.kind not in _ONE_OF:
                self.tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))
        samples.append(pack_runs(table))
        return samples, entries, table

    def _group(self, stts: Box, entries: list[Entry]) -> tuple[int, int] | None:
        """The form of QuickTime's sound whose samples are counted one by one: each lasts one unit of time."""
        if self.handler != b"soun" or self.moov[stts.body + 4 : stts.body + 8] != b"\0\0\0\1":
            return None
        if self.moov[stts.body + 12 : stts.body + 16] != b"\0\0\0\1":
            return None
        groups = {entry.group for entry in entries}
        if len(groups) > 1:
            raise StripFailed(f"{self.place} changes the form of its sound")
        return groups.pop()
