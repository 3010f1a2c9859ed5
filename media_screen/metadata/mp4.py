"""MP4, MOV, M4V and 3GP in -> the same film without metadata: the main video track, every audio track, nothing else.

The file is written anew: header first, then the media data of the kept samples only. Times, edits, order and bytes of
the samples stay; user data in H.264/HEVC, MPEG-4, AV1 and Motion JPEG samples goes.
"""

from __future__ import annotations

import re
import struct
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia, FileError
from media_screen.metadata.isobmff import Box, file_boxes, pack
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.kinds import SPEAKS, kind_of, named
from media_screen.metadata.mp4_fragments import Fragment, Run, read_fragment
from media_screen.metadata.mp4_moov import Movie, Track, read_movie
from media_screen.metadata.mp4_samples import Chunk, Extents
from media_screen.metadata.mp4_tags import KEPT_ITEMS, dropped_tags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_screen.types import Tag

KEEPS = frozenset(KEPT_ITEMS)
MAX_HEADER_BYTES = 256 << 20  # of a moov or moof box: a day of video has a few megabytes
MAX_BRANDS = 32
SNIFF_BYTES = 65536
COPY_BYTES = 4 << 20
MAX_SAMPLE_BYTES = 256 << 20
MAX_FILTERED_SAMPLES = 1 << 25  # a day at four hundred frames a second
WIDE_FROM_BYTES = (1 << 32) - MAX_HEADER_BYTES  # of media data: from here 64-bit offsets, with room for the header

_STRUCTURE = (b"ftyp", b"moov", b"mdat", b"moof")
_INDEXES = (b"styp", b"sidx", b"ssix", b"mfra", b"pdin")  # numbers, which are wrong in the new file
# registered with MP4RA for files any player opens; the others name the maker of a camera
_BRANDS = re.compile(
    rb"iso[m2-9a-c]|mp[42][12]|mp71|avc1|hvc1|hev1|av01|dby1|qt  |M4[ABPV][ HP]|3g[2egmprs][0-9a-c]|f4v |mmp4|dash"
    rb"|msd[hs]|msix|cm[f2][a-z0-9]|lmsg|piff"
)


def read(path: Path) -> list[Tag]:
    """Everything in the file that display does not need."""
    with _opened(path) as film:
        tags = film.movie.tags
        _plan(film)
        for track, chunk in film.chunks:
            _filter_chunk(film, track, chunk, None)
        for fragment in film.fragments:
            for run in fragment.kept:
                _filter_run(film, run, None)
        tags |= _filter_tags(film.movie)
        return list(tags | _loose_tags(film))


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    with _opened(source) as film, target.open("wb") as out:
        film.movie.fields = fields
        _plan(film)
        out.write(film.brands)
        _write_movie(film, out)
        for fragment in film.fragments:
            _write_fragment(film, fragment, out)


@dataclass(slots=True, kw_only=True)
class _Film:
    file: BinaryIO
    size_bytes: int
    boxes: list[Box]
    end: int  # of the last box
    brands: bytes
    movie: Movie
    fragments: list[Fragment]
    extents: Extents
    chunks: list[tuple[Track, Chunk]]  # of kept tracks, as they lie in the file


@contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    """The file's structure.

    Raises:
        CorruptMedia: it does not parse to its end.
    """
    try:
        with path.open("rb") as file:
            yield _structure(file, file.seek(0, 2))
    except OSError as error:
        raise FileError(f"cannot be read or written: {error.strerror or error}") from error
    except (struct.error, IndexError, OverflowError) as error:  # a field beyond the end of its box
        raise CorruptMedia("a box is shorter than its fields") from error


def _structure(file: BinaryIO, size_bytes: int) -> _Film:
    found, end = file_boxes(file, size_bytes)
    headers = [box for box in found if box.kind == b"moov"]
    if len(headers) != 1:
        raise CorruptMedia("the movie header is absent: the file is cut short" if not headers else "two movie headers")
    movie = read_movie(_content(file, headers[0]))
    fragments = [
        read_fragment(_content(file, box), box.start, movie, movie.tags) for box in found if box.kind == b"moof"
    ]
    return _Film(
        file=file,
        size_bytes=size_bytes,
        boxes=found,
        end=end,
        brands=_brands(file, found, movie.tags),
        movie=movie,
        fragments=fragments,
        extents=Extents([(box.body, box.end) for box in found if box.kind == b"mdat"]),
        chunks=[],
    )


def _content(file: BinaryIO, box: Box) -> bytes:
    if box.size_bytes > MAX_HEADER_BYTES:
        raise CorruptMedia(f"the box {box.name!r} is larger than any real one")
    file.seek(box.body)
    return file.read(box.size_bytes)


def _brands(file: BinaryIO, found: list[Box], tags: dict[Tag, None]) -> bytes:
    """The ftyp box (ISO/IEC 14496-12, 4.3), of brands that many makers share."""
    heads = [box for box in found if box.kind == b"ftyp"]
    for box in heads[1:]:
        tags[named("second ftyp", "top level", _head(file, box.body, box.end), "unknown")] = None
    if not heads:
        return b""
    body = _head(file, heads[0].body, heads[0].end)
    listed = [body[at : at + 4] for at in (0, *range(8, len(body) - 3, 4))][: MAX_BRANDS + 1]
    known = [brand for brand in listed if _BRANDS.fullmatch(brand)]
    strange = b" ".join(brand for brand in listed if brand not in known and brand.strip(b"\0"))
    strange += body[8 + 4 * MAX_BRANDS :]
    if strange:
        tags[named("brand", "ftyp", strange, "device")] = None
    if listed[0] in known:
        return pack(b"ftyp", body[:8], *known[1:])
    return pack(b"ftyp", known[0] if known else b"isom", bytes(4), *known)


def _plan(film: _Film) -> None:
    """Every kept chunk, in the order of the file; and the claims of all tracks on the media data."""
    for track in film.movie.tracks:
        track.offsets = array("Q", bytes(8 * len(track.table.offsets)))
        for chunk in track.table.chunks():
            film.extents.claim(chunk.offset, chunk.size_bytes, kept=True)
            film.chunks.append((track, chunk))
        if any(entry.filter for entry in track.entries):
            if track.table.count > min(film.size_bytes, MAX_FILTERED_SAMPLES):
                raise CorruptMedia("the sample tables speak of more samples than any real file has")
            track.sizes = array("I", bytes(4 * track.table.count))
    film.chunks.sort(key=lambda pair: (pair[1].offset, pair[1].size_bytes))  # of two at one place the empty one first
    for table in film.movie.others:
        try:
            for chunk in table.chunks():
                film.extents.claim(chunk.offset, chunk.size_bytes, kept=False)
        except CorruptMedia:
            continue  # of a track that is dropped
    for fragment in film.fragments:
        for run in fragment.runs:
            film.extents.claim(run.start, sum(run.sizes), kept=run.track is not None)


def _write_movie(film: _Film, out: BinaryIO) -> None:
    """The header, the samples it speaks of, then the header again, now that their places are known."""
    wide = sum(chunk.size_bytes for _, chunk in film.chunks) > WIDE_FROM_BYTES
    at = out.tell()
    header = film.movie.pack(wide=wide)
    out.write(header)
    if film.chunks:
        with _media_box(out):
            for track, chunk in film.chunks:
                track.offsets[chunk.index] = out.tell()
                _filter_chunk(film, track, chunk, out)
    final = film.movie.pack(wide=wide)
    if len(final) != len(header):
        raise CorruptMedia("the header changed its length")
    end = out.tell()
    out.seek(at)
    out.write(final)
    out.seek(end)


def _write_fragment(film: _Film, fragment: Fragment, out: BinaryIO) -> None:
    if not fragment.kept:
        return
    at = out.tell()
    out.write(fragment.pack())
    with _media_box(out):
        for run in fragment.kept:
            run.new_offset = out.tell() - at
            _filter_run(film, run, out)
    end = out.tell()
    out.seek(at)
    out.write(fragment.pack())
    out.seek(end)


@contextmanager
def _media_box(out: BinaryIO) -> Iterator[None]:
    """An mdat box around what is written inside; 64 bits for its length, which is not known before."""
    at = out.tell()
    out.write(struct.pack(">I4sQ", 1, b"mdat", 0))
    yield
    end = out.tell()
    out.seek(at + 8)
    out.write(struct.pack(">Q", end - at))
    out.seek(end)


def _filter_chunk(film: _Film, track: Track, chunk: Chunk, out: BinaryIO | None) -> None:
    """One chunk's samples to `out`, filtered; without `out` only looked at."""
    clean = track.filter(chunk.description) if chunk.count else None
    if clean is None or track.sizes is None:
        if out:
            _copy(film.file, chunk.offset, chunk.size_bytes, out)
        if track.sizes is not None:
            for sample in range(chunk.first, chunk.first + chunk.count):
                track.sizes[sample] = track.table.size(sample)
        return
    film.file.seek(chunk.offset)
    for sample in range(chunk.first, chunk.first + chunk.count):
        kept = clean.packet(_exactly(film.file, track.table.size(sample)))
        track.sizes[sample] = len(kept)
        if out:
            out.write(kept)


def _filter_run(film: _Film, run: Run, out: BinaryIO | None) -> None:
    clean = run.track.filter(run.description) if run.track and run.sizes else None
    if clean is None:
        if out:
            _copy(film.file, run.start, sum(run.sizes), out)
        return
    film.file.seek(run.start)
    run.new_sizes = []
    for size in run.sizes:
        kept = clean.packet(_exactly(film.file, size))
        run.new_sizes.append(len(kept))
        if out:
            out.write(kept)


def _copy(file: BinaryIO, start: int, size_bytes: int, out: BinaryIO) -> None:
    file.seek(start)
    while size_bytes:
        piece = _exactly(file, min(size_bytes, COPY_BYTES))
        out.write(piece)
        size_bytes -= len(piece)


def _exactly(file: BinaryIO, size_bytes: int) -> bytes:
    if size_bytes > MAX_SAMPLE_BYTES:
        raise CorruptMedia("a picture is larger than any real one")
    piece = file.read(size_bytes)
    if len(piece) < size_bytes:
        raise CorruptMedia("the media data is cut short")
    return piece


def _filter_tags(movie: Movie) -> dict[Tag, None]:
    """What the filters took out of samples and decoder configurations."""
    filters = (entry.filter for track in movie.tracks for entry in track.entries if entry.filter)
    return {tag: None for clean in filters for tag in clean.found}


def _loose_tags(film: _Film) -> dict[Tag, None]:
    """Top-level boxes that are dropped, media data of no track, and what follows the last box."""
    tags: dict[Tag, None] = {}
    for box in film.boxes:
        if box.kind not in _STRUCTURE:
            body = _first_bytes(film.file, box.body, box.end)
            inner = Box(kind=box.kind, start=0, body=0, end=len(body))
            if box.kind not in _INDEXES or _speaks(film.file, box):
                tags |= dict.fromkeys(dropped_tags(body, inner, "top level"))
    for start, end in film.extents.orphans():
        if body := _first_bytes(film.file, start, end):
            tags[named("bytes of no track", "mdat", body, kind_of("", body))] = None
    if film.end < film.size_bytes:
        body = _head(film.file, film.end, film.size_bytes)
        kind = "picture" if b"\xff\xd8\xff" in body else kind_of("", body)
        tags[named("bytes after the end", "after end", body, kind)] = None
    return tags


def _first_bytes(file: BinaryIO, start: int, end: int) -> bytes:
    """The first bytes that are not zero: what a long gap hides may stand at its end."""
    for at in range(start, end, SNIFF_BYTES):
        body = _head(file, at, end)
        if body.strip(b"\0"):
            return body if at == start else body.lstrip(b"\0")
    return b""


def _speaks(file: BinaryIO, box: Box) -> bool:
    """True where an index holds more than numbers, and its own four-letter words."""
    return any(SPEAKS.search(_head(file, at, box.end)) for at in range(box.body, box.end, SNIFF_BYTES))


def _head(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(min(end - start, SNIFF_BYTES))
