"""A movie box (moov) -> the kept tracks with everything that display needs, and tags for all the rest."""

from __future__ import annotations

import re
import struct
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.isobmff import boxes, loose_boxes, pack, pack_full, version_flags
from media_screen.metadata.kinds import named
from media_screen.metadata.mp4_entries import Entry, clean_entries
from media_screen.metadata.mp4_samples import SampleTable, pack_offsets, pack_runs, pack_sizes, read_table
from media_screen.metadata.mp4_tags import dropped_tags, track_kind

if TYPE_CHECKING:
    from media_screen.metadata.isobmff import Box
    from media_screen.metadata.payload import Filter
    from media_screen.types import Tag

MAX_TRACKS = 256
MAX_GROUP_BYTES = 4096
_PICTURE_FORMATS = (b"jpeg", b"png ", b"mjpa")
# timing of samples: box -> (bytes before its table, bytes an entry); ISO/IEC 14496-12, 8.6
_TABLES = {b"stts": (8, 8), b"ctts": (8, 8), b"stss": (8, 4), b"stps": (8, 4)}
_GROUPS = (b"roll", b"prol", b"rap ", b"sync", b"tsas", b"stsa", b"tscl")  # 10.1: where decoding may start
_MEDIA_HEADERS = {b"vmhd": 12, b"smhd": 8}
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{2,35}\0")  # elng: BCP 47


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
    defaults: dict[int, tuple[int, int]]  # track -> default description and size of fragments
    others: list[SampleTable]  # of tracks that are dropped
    tags: dict[Tag, None]

    def pack(self, *, wide: bool) -> bytes:
        """The moov box."""
        return pack(b"moov", self.header, *(track.pack(wide=wide) for track in self.tracks), self.extends)


def read_movie(moov: bytes, file_bytes: int) -> Movie:
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
        elif box.kind == b"mvhd":
            header = _timed_header(moov, box, "moov", tags)
        elif box.kind == b"mvex":
            extends = box
        elif box.kind == b"cmov":
            raise StripFailed("the movie header is compressed")
        elif box.kind not in (b"iods", b"dpnd"):
            tags |= dict.fromkeys(dropped_tags(moov, box, "moov"))
    if not header or len(traks) > MAX_TRACKS:
        raise CorruptMedia("the movie header is absent" if not header else "more tracks than any real file has")
    kept = _chosen(traks, tags)
    tracks = [trak.keep(file_bytes) for trak in kept]
    if len({track.track_id for track in tracks}) < len(tracks):
        raise CorruptMedia("two tracks have one number")
    others = [table for trak in traks if trak not in kept for table in trak.loose_table(file_bytes)]
    packed, defaults = _extends(moov, extends, {track.track_id for track in tracks})
    return Movie(header=header, tracks=tracks, extends=packed, defaults=defaults, others=others, tags=tags)


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
        mdia = next((kid for kid in self.kids if kid.kind == b"mdia"), None)
        self.mdia = list(boxes(moov, mdia.body, mdia.end)) if mdia else []
        self.minf = self._inside(self.mdia, b"minf")
        self.stbl = self._inside(self.minf, b"stbl")
        handlers = [moov[kid.body + 8 : kid.body + 12] for kid in self.mdia if kid.kind == b"hdlr"]
        self.handler = handlers[0] if handlers else b""
        stsd = next((kid for kid in self.stbl if kid.kind == b"stsd"), None)
        self.format = moov[stsd.body + 12 : stsd.body + 16] if stsd else b""

    @property
    def format_name(self) -> str:
        text = (self.format or self.handler).decode("latin-1").strip()
        return text if text.isprintable() and text else "nameless"

    def _inside(self, level: list[Box], kind: bytes) -> list[Box]:
        found = next((kid for kid in level if kid.kind == kind), None)
        return list(boxes(self.moov, found.body, found.end)) if found else []

    def tag_rest(self, tags: dict[Tag, None]) -> None:
        """Names and user data of a track that is dropped."""
        for kid in self.kids:
            if kid.kind in (b"udta", b"meta", b"uuid"):
                tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))

    def loose_table(self, file_bytes: int) -> list[SampleTable]:
        """The sample table of a dropped track, where it parses."""
        try:
            return [read_table(self.moov, {kid.kind: kid for kid in self.stbl}, file_bytes)]
        except CorruptMedia:
            return []

    def keep(self, file_bytes: int) -> Track:
        """This track, cleaned."""
        heads = {b"tkhd": _timed_header, b"edts": _edits, b"tapt": _apertures}
        before = self._cleaned(self.kids, heads, quiet=(b"mdia", b"tref"))
        media = self._cleaned(
            self.mdia, {b"mdhd": _timed_header, b"hdlr": _handler, b"elng": _language}, quiet=(b"minf",)
        )
        inner = {b"vmhd": _media_header, b"smhd": _media_header, b"hdlr": _handler, b"dinf": _data_information}
        information = self._cleaned(self.minf, inner, quiet=(b"stbl",))
        kinds = {kid.kind for kid in (*self.kids, *self.mdia, *self.minf)}
        if not {b"tkhd", b"mdhd", b"dinf"} <= kinds:
            raise CorruptMedia(f"{self.place} lacks one of its headers")
        tkhd = next(kid for kid in self.kids if kid.kind == b"tkhd")
        at = tkhd.body + (20 if self.moov[tkhd.body] else 12)
        samples, entries, table = self._samples(file_bytes)
        return Track(
            track_id=int.from_bytes(self.moov[at : at + 4], "big"),
            place=self.place,
            table=table,
            entries=entries,
            before=before,
            media=media,
            information=information,
            samples=samples,
        )

    def _cleaned(self, kids: list[Box], cleaners: Mapping[bytes, _BoxCleaner], quiet: tuple[bytes, ...]) -> list[bytes]:
        """The children that have a cleaner, once each and in order; the others become tags."""
        packed: dict[bytes, bytes] = {}
        for kid in kids:
            cleaner = cleaners.get(kid.kind)
            if cleaner and kid.kind not in packed:
                packed[kid.kind] = cleaner(self.moov, kid, self.place, self.tags)
            elif kid.kind not in quiet:
                self.tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))
        return list(packed.values())

    def _samples(self, file_bytes: int) -> tuple[list[bytes], list[Entry], SampleTable]:
        """The children of stbl but sizes and offsets."""
        stsd = next((kid for kid in self.stbl if kid.kind == b"stsd"), None)
        if stsd is None or b"stts" not in {kid.kind for kid in self.stbl}:
            raise CorruptMedia(f"{self.place} has no sample description or no times")
        body = self.moov[stsd.body : stsd.end]
        packed, entries = clean_entries(body, video=self.handler == b"vide", place=self.place, found=self.tags)
        table = read_table(self.moov, {kid.kind: kid for kid in self.stbl}, file_bytes)
        samples, seen = [packed], {b"stsd"}
        for kid in self.stbl:
            if kid.kind in _TABLES and kid.kind not in seen:
                samples.append(_table(self.moov, kid))
                seen.add(kid.kind)
            elif (small := small_table(self.moov, kid, table.count)) is not None:
                samples.append(small)
            elif kid.kind in (b"saiz", b"saio", b"senc"):
                raise StripFailed(f"{self.place} is encrypted")
            elif kid.kind not in (*seen, b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"sgpd", b"sbgp", b"subs"):
                self.tags |= dict.fromkeys(dropped_tags(self.moov, kid, self.place))
        samples.append(pack_runs(table))
        return samples, entries, table


def small_table(buffer: bytes, box: Box, samples: int) -> bytes | None:
    """A box about samples that holds no text, without what follows its numbers; None where it is another.

    Dependencies and composition shift (8.6.4, 8.6.1.4), groups of samples where decoding may start (8.9).
    """
    body = buffer[box.body : box.end]
    if box.kind == b"sdtp":
        return pack(b"sdtp", body[: 4 + samples])
    if box.kind == b"cslg":
        return pack(b"cslg", body[: 44 if body[:1] == b"\1" else 24])
    if box.kind not in (b"sgpd", b"sbgp") or body[4:8] not in _GROUPS:
        return None
    if box.kind == b"sgpd":
        return pack(b"sgpd", body) if len(body) <= MAX_GROUP_BYTES else None
    at = 12 if body[:1] == b"\1" else 8
    return pack(b"sbgp", body[: at + 4 + 8 * int.from_bytes(body[at : at + 4], "big")])


# --- one cleaner a box: (buffer, box, place, tags) -> the box, packed --------------------------------------------


def _timed_header(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """mvhd, tkhd, mdhd: everything but the two times (8.2.2, 8.3.2, 8.4.2)."""
    version, _ = version_flags(moov, box)
    width = 8 if version == 1 else 4
    lengths = {b"mvhd": (108, 96), b"tkhd": (92, 80), b"mdhd": (32, 20)}  # content, version 1 and not, without flags
    length = 4 + lengths[box.kind][version != 1]
    body = moov[box.body : box.end]
    if len(body) < length or version > 1:
        raise CorruptMedia(f"the box {box.name!r} is cut short")
    if any(body[4 : 4 + 2 * width]):
        tags[named("creation and modification time", f"{place}/{box.name}", kind="time")] = None
    kept = bytearray(body[:length])
    kept[4 : 4 + 2 * width] = bytes(2 * width)
    return pack(box.kind, bytes(kept))


def _edits(moov: bytes, box: Box, _place: str, _tags: dict[Tag, None]) -> bytes:
    """The edit list (8.6.5, 8.6.6)."""
    for kid in boxes(moov, box.body, box.end):
        if kid.kind == b"elst":
            version, _ = version_flags(moov, kid)
            return pack(b"edts", _table(moov, kid, (8, 20 if version == 1 else 12)))
    return b""


def _apertures(moov: bytes, box: Box, _place: str, _tags: dict[Tag, None]) -> bytes:
    """QuickTime's track apertures: three sizes."""
    kept = [
        pack(kid.kind, moov[kid.body : kid.body + 12])
        for kid in loose_boxes(moov, box.body, box.end)
        if kid.kind in (b"clef", b"prof", b"enof")
    ]
    return pack(b"tapt", *kept)


def _handler(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Hdlr without maker and name (8.4.3)."""
    body = moov[box.body : box.end]
    if len(body) < 20:
        raise CorruptMedia(f"the handler of {place} is cut short")
    if (name := body[24:].strip(b"\0 ")) or body[12:24].strip(b"\0"):
        tags[named("handler name", place, name, "device")] = None
    return pack(b"hdlr", bytes(4), body[4:12], bytes(12), b"\0")


def _language(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    body = moov[box.body : box.end]
    if _LANGUAGE.fullmatch(body[4:]):
        return pack(b"elng", body)
    tags[named("elng", place, body, "unknown")] = None
    return b""


def _media_header(moov: bytes, box: Box, _place: str, _tags: dict[Tag, None]) -> bytes:
    """Vmhd, smhd (12.1.2, 12.2.2)."""
    return pack(box.kind, moov[box.body : box.body + _MEDIA_HEADERS[box.kind]])


def _data_information(moov: bytes, box: Box, place: str, tags: dict[Tag, None]) -> bytes:
    """Dinf, which says that the media lie in this file; QuickTime writes the name of the disk here (8.7.2)."""
    for kid in boxes(moov, box.body, box.end):
        if kid.kind == b"dref":
            entries = list(boxes(moov, kid.body + 8, kid.end))
            for entry in entries:
                if not version_flags(moov, entry)[1] & 1 or entry.kind not in (b"url ", b"urn ", b"alis"):
                    raise StripFailed(f"{place} lies outside the file")
                if moov[entry.body + 4 : entry.end].strip(b"\0"):
                    tags[named("data reference", place, moov[entry.body + 4 : entry.end], "device")] = None
            packed = [pack_full(b"url ", 0, 1) for _ in entries]
            return pack(b"dinf", pack(b"dref", bytes(4), struct.pack(">I", len(packed)), *packed))
    raise CorruptMedia(f"{place} has no data reference")


def _table(moov: bytes, box: Box, layout: tuple[int, int] | None = None) -> bytes:
    """A box of a count and entries, without what follows them."""
    skip, entry = layout or _TABLES[box.kind]
    count = int.from_bytes(moov[box.body + 4 : box.body + 8], "big")
    if box.size_bytes < skip + count * entry:
        raise CorruptMedia(f"the box {box.name!r} is shorter than its count says")
    return pack(box.kind, moov[box.body : box.body + skip + count * entry])


def _extends(moov: bytes, box: Box | None, kept: set[int]) -> tuple[bytes, dict[int, tuple[int, int]]]:
    """Mvex of the kept tracks (8.8.1 to 8.8.3)."""
    if box is None:
        return b"", {}
    packed: list[bytes] = []
    defaults: dict[int, tuple[int, int]] = {}
    for kid in boxes(moov, box.body, box.end):
        body = moov[kid.body : kid.end]
        if kid.kind == b"mehd":
            packed.append(pack(b"mehd", body[:12]))
        elif kid.kind == b"trex" and len(body) >= 24:
            track_id, description, _, size, _ = struct.unpack_from(">5I", body, 4)
            if track_id in kept:
                defaults[track_id] = (description, size)
                packed.append(pack(b"trex", body[:24]))
    return pack(b"mvex", *packed), defaults


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _BoxCleaner = Callable[[bytes, Box, str, dict[Tag, None]], bytes]
