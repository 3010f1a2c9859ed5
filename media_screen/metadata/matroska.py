"""MKV and WebM in -> the same film without metadata: the main video track, every audio track, nothing else.

Written anew element by element (RFC 9559): the clock, the cleaned tracks, the blocks of the kept tracks with their
times untouched, and a fresh index. No tags, attachments, chapters, subtitles, names, dates or unique numbers.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia, FileError, StripFailed
from media_screen.metadata import kept
from media_screen.metadata.ebml import (
    Element,
    elements,
    header_at,
    loose_elements,
    number,
    pack,
    pack_number,
)
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.kinds import kind_of, named
from media_screen.metadata.matroska_tracks import (
    CRC,
    CUE_POINTS,
    EBML_HEAD,
    SEEK_HEADS,
    VOID,
    MatroskaTrack,
    allowed,
    read_tracks,
)
from media_screen.metadata.matroska_writer import CLUSTER, CUES, EBML, INFO, SEEK_HEAD, SEGMENT, TRACKS, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_screen.types import Tag

TAGS, ATTACHMENTS, CHAPTERS = 0x1254C367, 0x1941A469, 0x1043A770
TOP_LEVEL = {SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, TAGS, ATTACHMENTS, CHAPTERS, EBML, SEGMENT}
TIMESTAMP_SCALE, DURATION = 0x2AD7B1, 0x4489
TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, REFERENCE = 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
BLOCK_ADDITIONS, BLOCK_MORE, BLOCK_ADDITIONAL, BLOCK_ADD_ID = 0x75A1, 0xA6, 0xA5, 0xEE
_CLUSTER_NUMBERS = {0xA7, 0xAB, CRC}  # position, previous size, check sum: wrong from now on
_GROUP_NUMBERS = {0x9B, REFERENCE, 0x75A2, 0xFA}  # duration, references, discarded padding, priority
_INFO_NAMES = {
    0x7BA9: "Title",
    0x4461: "DateUTC",
    0x4D80: "MuxingApp",
    0x5741: "WritingApp",
    0x73A4: "SegmentUID",
    0x7384: "SegmentFilename",
}
_KEPT_TAGS = {
    "copyright": "COPYRIGHT",
    "creator": "ARTIST",
    "description": "DESCRIPTION",
    "date": "DATE",
    "make": "MAKE",
    "model": "MODEL",
}
KEEPS = frozenset(_KEPT_TAGS)
_HDR10_PLUS = b"\xb5\x00\x3c\x00\x01\x04"
MAX_HEADER_BYTES = 64 << 20
MAX_BLOCK_BYTES = 256 << 20
MAX_TOP_ELEMENTS = 1_000_000
SNIFF_BYTES = 65536


def read(path: Path) -> list[Tag]:
    """Everything in the file that display does not need."""
    with _opened(path) as film:
        _rewrite(film, None)
        return list(film.tags)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    with _opened(source) as film, target.open("wb") as out:
        film.fields = fields
        _rewrite(film, out)


@dataclass(slots=True, kw_only=True)
class _Film:
    file: BinaryIO
    size_bytes: int
    segment: Element
    end: int  # of the segment
    doc_type: bytes
    tracks: dict[int, MatroskaTrack] = field(default_factory=dict)  # that are kept
    numbers: set[int] = field(default_factory=set)  # of all tracks
    info: bytes = b""
    fields: Fields = NOTHING  # that are written back
    tags: dict[Tag, None] = field(default_factory=dict)


@contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    """The file's head.

    Raises:
        CorruptMedia: it does not parse to its end.
    """
    try:
        with path.open("rb") as file:
            yield _structure(file, file.seek(0, 2))
    except OSError as error:
        raise FileError(f"cannot be read or written: {error.strerror or error}") from error
    except (struct.error, IndexError, OverflowError) as error:  # a field beyond the end of its element
        raise CorruptMedia("an element is shorter than its fields") from error


def _structure(file: BinaryIO, size_bytes: int) -> _Film:
    head = header_at(file, 0)
    if head.id != EBML or head.end is None or head.end > size_bytes:
        raise CorruptMedia("the EBML header does not parse")
    tags: dict[Tag, None] = {}
    ebml = _content(file, head)
    allowed(ebml, EBML_HEAD, "EBML", tags)
    doc_type = dict(elements(ebml)).get(0x4282, b"").rstrip(b"\0")
    segment = header_at(file, head.end)
    voids: list[Element] = []
    while segment.id == VOID and segment.end is not None and segment.end < size_bytes:
        voids.append(segment)
        segment = header_at(file, segment.end)
    if segment.id != SEGMENT or doc_type not in (b"matroska", b"webm"):
        raise CorruptMedia("the film does not begin where it should")
    end = size_bytes if segment.end is None else segment.end
    if end > size_bytes:
        raise CorruptMedia("the file is cut short")
    film = _Film(file=file, size_bytes=size_bytes, segment=segment, end=end, doc_type=doc_type, tags=tags)
    for void in voids:
        _padding(film, void.body, void.end or 0, "EBML")
    if end < size_bytes:
        _note(film, "bytes after the end", "after end", end, size_bytes)
    return film


def _content(file: BinaryIO, element: Element, limit: int = MAX_HEADER_BYTES) -> bytes:
    size = (element.end or 0) - element.body
    if not 0 <= size <= limit:
        raise CorruptMedia(f"the element {element.id:X} is larger than any real one")
    file.seek(element.body)
    body = file.read(size)
    if len(body) < size:
        raise CorruptMedia("the file is cut short")
    return body


def _rewrite(film: _Film, out: BinaryIO | None) -> None:
    """Everything in order; without `out` only looked at."""
    clusters = _heads(film)
    if not film.tracks or not film.info:
        raise CorruptMedia("the film has no list of tracks or no clock: the file is cut short")
    writer = Writer(out) if out else None
    if writer:
        writer.begin(film.doc_type, film.info, list(film.tracks.values()), _packed_tags(film.fields))
    for cluster in clusters:
        end = cluster.end if cluster.end is not None else film.end
        if writer:
            writer.open_cluster()
        _cluster(film, cluster, end, writer)
        if writer:
            writer.close_cluster()
    for track in film.tracks.values():
        film.tags |= track.filter.found if track.filter else {}
    if writer:
        writer.finish()


def _heads(film: _Film) -> list[Element]:
    """Reads everything but the clusters, and returns these."""
    clusters: list[Element] = []
    at = film.segment.body
    for _ in range(MAX_TOP_ELEMENTS):
        if at >= film.end:
            return clusters
        element = header_at(film.file, at)
        if element.end is None:
            if element.id != CLUSTER:
                raise CorruptMedia(f"the element {element.id:X} has no size")
            element = Element(id=CLUSTER, start=at, body=element.body, end=_cluster_end(film, element.body))
        end = element.end or 0
        if end > film.end:
            raise CorruptMedia("the file is cut short")
        if element.id == CLUSTER:
            clusters.append(element)
        else:
            _head(film, element)
        at = end
    raise CorruptMedia("more elements than any real file has")


def _cluster_end(film: _Film, at: int) -> int:
    """Where a cluster of unknown size ends: at the next element of the level above (RFC 9559, 5)."""
    while at < film.end:
        element = header_at(film.file, at)
        if element.id in TOP_LEVEL:
            return at
        if element.end is None or element.end > film.end:
            raise CorruptMedia("the file is cut short")
        at = element.end
    return film.end


def _head(film: _Film, element: Element) -> None:
    if element.id == INFO and not film.info:
        film.info = _info(_content(film.file, element), film.tags)
    elif element.id == TRACKS and not film.tracks:
        film.tracks, film.numbers = read_tracks(_content(film.file, element), film.tags)
    elif element.id == TAGS:
        film.tags |= dict.fromkeys(_tags(_content(film.file, element)))
    elif element.id == ATTACHMENTS:
        _attachments(film, element)
    elif element.id == CHAPTERS:
        _note(film, "chapters", "Chapters", element.body, element.end or 0)
    elif element.id == VOID:
        _padding(film, element.body, element.end or 0, "Segment")
    elif element.id in (SEEK_HEAD, CUES):
        schema = SEEK_HEADS if element.id == SEEK_HEAD else CUE_POINTS
        allowed(_content(film.file, element), schema, "index", film.tags)
    elif element.id != CRC or (element.end or 0) - element.body > 4:
        _note(film, f"element {element.id:X}", "Segment", element.body, element.end or 0)


def _padding(film: _Film, start: int, end: int, place: str) -> None:
    """A tag for padding that is not zero, wherever in it that begins."""
    for at in range(start, end, SNIFF_BYTES):
        film.file.seek(at)
        if film.file.read(min(end - at, SNIFF_BYTES)).strip(b"\0"):
            _note(film, "padding", place, at, end)
            return


def _note(film: _Film, name: str, place: str, start: int, end: int) -> None:
    film.file.seek(start)
    body = film.file.read(min(end - start, SNIFF_BYTES))
    kind = "picture" if b"\xff\xd8\xff" in body else kind_of(name, body)
    film.tags[named(name, place, body, kind)] = None


def _info(body: bytes, tags: dict[Tag, None]) -> bytes:
    """The clock and the duration; the two names that must be there are left empty (RFC 9559, 5.1.2)."""
    kept: list[bytes] = []
    for identity, content in elements(body):
        if identity in (TIMESTAMP_SCALE, DURATION) and len(content) <= 8:
            kept.append(pack(identity, content))
        elif identity not in (CRC, VOID) and content.strip(b"\0"):
            tags[named(_INFO_NAMES.get(identity, f"element {identity:X}"), "Info", content)] = None
    return pack(INFO, *kept, pack(0x4D80), pack(0x5741))


def _tags(body: bytes) -> list[Tag]:
    """What is in a list of tags; one of kept fields only is known by its bytes."""
    found: list[Tag] = []
    for _, tag in loose_elements(body):
        for identity, simple in loose_elements(tag):
            if identity == 0x67C8:
                fields = dict(loose_elements(simple))
                name = fields.get(0x45A3, b"").decode("utf-8", "replace").strip("\0") or "nameless"
                value = fields.get(0x4487, fields.get(0x4485, b""))
                kind = kind_of(name, value)
                found.append(named(name, "Tags", value, "text" if kind == "unknown" else kind))
    if body and not found:
        return [named("Tags", "Segment", body, "text")]
    return kept.own(found, pack(TAGS, body), _packed_tags)


def _packed_tags(fields: Fields) -> bytes:
    """A list of tags that speak of the whole film (RFC 9559, 5.1.8): these fields and nothing else."""
    simple = (pack(0x67C8, pack(0x45A3, name.encode()), pack(0x4487, text)) for name, text in fields.packed(_KEPT_TAGS))
    return pack(TAGS, pack(0x7373, pack(0x63C0), *simple)) if fields else b""


def _attachments(film: _Film, element: Element) -> None:
    if (element.end or 0) - element.body > MAX_HEADER_BYTES:
        _note(film, "attachments", "Attachments", element.body, element.end or 0)
        return
    for _, attached in loose_elements(_content(film.file, element)):
        fields = dict(loose_elements(attached))
        name = fields.get(0x466E, b"").decode("utf-8", "replace").strip("\0") or "nameless"
        kind = "picture" if fields.get(0x4660, b"").startswith((b"image", b"video")) else kind_of(name)
        film.tags[named(f"attachment {name}", "Attachments", kind=kind)] = None


# --- clusters -----------------------------------------------------------------------------------------------------


def _cluster(film: _Film, cluster: Element, end: int, writer: Writer | None) -> None:
    at, time = cluster.body, 0
    while at < end:
        element = header_at(film.file, at)
        if element.end is None or element.end > end:
            raise CorruptMedia("the file is cut short")
        packed = b""
        if element.id == TIMESTAMP:
            body = _content(film.file, element, 8)
            time, packed = number(body), pack(TIMESTAMP, body)
        elif element.id in (SIMPLE_BLOCK, BLOCK_GROUP):
            body = _content(film.file, element, MAX_BLOCK_BYTES)
            packed = (
                _simple(film, body, time, writer) if element.id == SIMPLE_BLOCK else _group(film, body, time, writer)
            )
        elif element.id == 0xAF:
            raise StripFailed("a block is encrypted")
        elif element.id not in _CLUSTER_NUMBERS or element.end - element.body > 8:
            _note(film, f"element {element.id:X}", "Cluster", element.body, element.end)
        elif element.id == VOID:
            _padding(film, element.body, element.end, "Cluster")
        if writer:
            writer.out.write(packed)
        at = element.end


def _simple(film: _Film, body: bytes, time: int, writer: Writer | None) -> bytes:
    track, head = _block_head(film, body)
    if track is None:
        return b""
    if writer and track.video and body[head - 1] & 0x80:
        writer.cue(time + struct.unpack_from(">h", body, head - 3)[0], track)
    return pack(SIMPLE_BLOCK, _filtered(track, body, head))


def _group(film: _Film, body: bytes, time: int, writer: Writer | None) -> bytes:
    fields = list(elements(body))
    block = dict(fields).get(BLOCK)
    track, head = _block_head(film, block) if block is not None else (None, 0)
    if track is None or block is None:
        return b""
    if [identity for identity, _ in fields].count(BLOCK) > 1:
        raise CorruptMedia("two blocks in one group")
    parts: list[bytes] = []
    for identity, content in fields:
        if identity == BLOCK:
            parts.append(pack(BLOCK, _filtered(track, content, head)))
        elif identity in _GROUP_NUMBERS and len(content) <= 8:
            parts.append(pack(identity, content))
        elif identity == BLOCK_ADDITIONS:
            parts.append(_additions(film, track, content))
        elif identity not in (VOID, CRC):
            film.tags[named(f"element {identity:X}", "BlockGroup", content, "unknown")] = None
    if writer and track.video and REFERENCE not in dict(fields):
        writer.cue(time + struct.unpack_from(">h", block, head - 3)[0], track)
    return pack(BLOCK_GROUP, *parts)


def _block_head(film: _Film, block: bytes) -> tuple[MatroskaTrack | None, int]:
    """The kept track of a block, and where its frames begin: after number, time and flags (RFC 9559, 10.1)."""
    width = 9 - block[0].bit_length()
    if width > 8 or len(block) < width + 3:
        raise CorruptMedia("a block is shorter than its header")
    track_number = int.from_bytes(block[:width], "big") & (1 << 7 * width) - 1
    if track_number not in film.numbers:
        film.tags[named("blocks of no track", "Cluster", block[width + 3 :], kind_of("", block))] = None
    return film.tracks.get(track_number), width + 3


def _filtered(track: MatroskaTrack, block: bytes, head: int) -> bytes:
    if track.filter is None:
        return block
    if block[head - 1] & 0x06:
        raise StripFailed("several frames share a block, which cannot be cleaned: remux it without lacing")
    frame = track.prefix + block[head:]
    kept = track.filter.packet(frame)
    if kept is frame or kept == frame:
        return block
    if not kept.startswith(track.prefix):
        raise StripFailed("frames are compressed in a way that cannot be cleaned: remux it without compression")
    return block[:head] + kept[len(track.prefix) :]


def _additions(film: _Film, track: MatroskaTrack, body: bytes) -> bytes:
    """Alpha of a track that declares it, and HDR10+; the rest of what may go beside a frame is dropped."""
    kept: list[bytes] = []
    for identity, content in elements(body):
        fields = dict(elements(content)) if identity == BLOCK_MORE else {}
        add_id, extra = number(fields.get(BLOCK_ADD_ID, b"\1")), fields.get(BLOCK_ADDITIONAL, b"")
        if (add_id == 1 and track.alpha) or (add_id == 4 and extra.startswith(_HDR10_PLUS) and len(extra) <= 1024):
            kept.append(pack(BLOCK_MORE, pack_number(BLOCK_ADD_ID, add_id), pack(BLOCK_ADDITIONAL, extra)))
        elif identity not in (VOID, CRC):
            film.tags[named("data beside a frame", "BlockAdditions", extra, kind_of("", extra))] = None
    return pack(BLOCK_ADDITIONS, *kept) if kept else b""
