"""AVI in -> the same film without metadata: the main video stream, every audio stream, a fresh index, nothing else.

Chunk order, frame rates and the bytes of frames and sound stay; INFO, JUNK, dates, names, camera data, text streams and
what follows the end go. Microsoft's AVI RIFF File Reference, and OpenDML 1.02 for films of more than one RIFF.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia, FileError, StripFailed
from media_screen.metadata.kinds import kind_of, named
from media_screen.metadata.intra import JpegSegments
from media_screen.metadata.payload import fourcc_filter
from media_screen.metadata.riff import Chunk, chunks, pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_screen.metadata.payload import Filter
    from media_screen.types import Tag, TagKind

MAX_HEADER_BYTES = 1 << 20
MAX_FRAME_BYTES = 256 << 20
MAX_STREAMS = 100  # two digits in a chunk's name
COPY_BYTES = 4 << 20
SNIFF_BYTES = 65536
KEY_FRAME, NOT_KEY_FRAME = 0x10, 1 << 31
_VIDEO_CHUNKS, _AUDIO_CHUNKS = (b"dc", b"db", b"pc"), (b"wb",)
_MAX_JPEG_EXTRA = 64


def read(path: Path) -> list[Tag]:
    """Everything in the file that display does not need."""
    with _opened(path) as film:
        _rewrite(film, None)
        return list(film.tags)


def strip(source: Path, target: Path) -> None:
    """Write `target` without it."""
    with _opened(source) as film, target.open("wb") as out:
        _rewrite(film, out)


@dataclass(slots=True, kw_only=True)
class _Stream:
    number: int  # in the new file
    video: bool
    packed: bytes  # its strl, without an index
    filter: Filter | None


@dataclass(slots=True, kw_only=True)
class _Film:
    file: BinaryIO
    riffs: list[Chunk]
    main: bytes = b""  # avih
    streams: dict[int, _Stream] = field(default_factory=dict)  # by number in the old file
    key_frames: set[int] | None = None  # where their content begins; None where the file has no index
    tags: dict[Tag, None] = field(default_factory=dict)


@contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    try:
        with path.open("rb") as file:
            yield _structure(file, file.seek(0, 2))
    except OSError as error:
        raise FileError(f"cannot be read or written: {error.strerror or error}") from error
    except (struct.error, IndexError, OverflowError, ValueError) as error:  # a field beyond the end of its chunk
        raise CorruptMedia("a chunk is shorter than its fields") from error


def _structure(file: BinaryIO, size_bytes: int) -> _Film:
    riffs: list[Chunk] = []
    end = 0
    while size_bytes - end >= 12:
        file.seek(end)
        kind, _, form = struct.unpack("<4sI4s", file.read(12))
        if kind != b"RIFF" or form != (b"AVIX" if riffs else b"AVI "):
            break
        riffs.append(next(chunks(file, end, size_bytes)))
        end = riffs[-1].end + (riffs[-1].end & 1)
    if not riffs:
        raise CorruptMedia("the film does not begin where it should")
    film = _Film(file=file, riffs=riffs)
    for chunk in chunks(file, riffs[0].body, riffs[0].end):
        if chunk.form == b"hdrl":
            _headers(film, chunk)
        elif chunk.kind == b"idx1":
            _old_index(film, chunk)
    if not film.main or not any(stream.video for stream in film.streams.values()):
        raise CorruptMedia("no video stream in this file")
    if end < size_bytes:
        _note(film, "bytes after the end", "after end", end, size_bytes)
    return film


def _content(film: _Film, chunk: Chunk, limit: int = MAX_HEADER_BYTES) -> bytes:
    if chunk.end - chunk.body > limit:
        raise CorruptMedia(f"the chunk {chunk.name!r} is larger than any real one")
    film.file.seek(chunk.body)
    return film.file.read(chunk.end - chunk.body)


def _note(film: _Film, name: str, place: str, start: int, end: int) -> None:
    film.file.seek(start)
    body = film.file.read(min(end - start, SNIFF_BYTES))
    if body.strip(b"\0 "):
        kind = "picture" if b"\xff\xd8\xff" in body else kind_of(name, body)
        film.tags[named(name, place, body, kind)] = None


def _note_tree(film: _Film, chunk: Chunk, place: str) -> None:
    """A chunk that is dropped; of a list, each of its chunks."""
    if not chunk.form:
        name = "padding" if chunk.kind in (b"JUNK", b"junk", b"PAD ", b"FLLR") else chunk.name
        _note(film, name, place, chunk.body, chunk.end)
        return
    try:
        for kid in list(chunks(film.file, chunk.body, chunk.end))[:200]:
            _note(film, kid.name, chunk.name, kid.body, kid.end)
    except CorruptMedia:
        _note(film, chunk.name, place, chunk.body, chunk.end)


# --- headers ------------------------------------------------------------------------------------------------------


def _headers(film: _Film, header: Chunk) -> None:
    number = 0
    for chunk in chunks(film.file, header.body, header.end):
        if chunk.kind == b"avih":
            body = _content(film, chunk)
            if len(body) < 40:
                raise CorruptMedia("the film's header is cut short")
            film.main = body[:40] + bytes(16)
        elif chunk.form == b"strl":
            _stream(film, chunk, number)
            number += 1
        elif chunk.form != b"odml":
            _note_tree(film, chunk, "hdrl")
    if number > MAX_STREAMS:
        raise CorruptMedia("more streams than any real file has")


def _stream(film: _Film, header: Chunk, number: int) -> None:
    kids = {kid.kind: kid for kid in chunks(film.file, header.body, header.end)}
    place = f"stream {number + 1}"
    if b"strh" not in kids or b"strf" not in kids:
        raise CorruptMedia(f"{place} lacks one of its headers")
    head, form = _content(film, kids[b"strh"]), _content(film, kids[b"strf"])
    if len(head) < 48:
        raise CorruptMedia(f"the header of {place} is cut short")
    for kid in kids.values():
        if kid.kind not in (b"strh", b"strf", b"vprp", b"indx"):
            _note_tree(film, kid, place)
    if b"indx" in kids:
        film.key_frames = film.key_frames if film.key_frames is not None else set()
    video = head[:4] == b"vids"
    if head[:4] == b"iavs":
        raise StripFailed(f"{place} holds picture and sound in one (DV type 1): convert it to type 2")
    if (video and any(stream.video for stream in film.streams.values())) or head[:4] not in (b"vids", b"auds"):
        kind: TagKind = "picture" if video else "text" if head[:4] == b"txts" else "unknown"
        film.tags[named(f"video track {number + 1}" if video else "data stream", place, kind=kind)] = None
        return
    clean, form = _video_form(film, form, place) if video else (None, _audio_form(form, place))
    extra = _content(film, kids[b"vprp"])[:100] if video and b"vprp" in kids else b""
    packed = pack(b"strh", head[:56]) + pack(b"strf", form) + (pack(b"vprp", extra) if extra else b"")
    film.streams[number] = _Stream(number=len(film.streams), video=video, packed=packed, filter=clean)


def _video_form(film: _Film, form: bytes, place: str) -> tuple[Filter | None, bytes]:
    """BITMAPINFOHEADER and what the codec or a palette adds to it."""
    if len(form) < 40:
        raise CorruptMedia(f"the picture format of {place} is cut short")
    clean = fourcc_filter(form[16:20], form[40:], place)
    extra = clean.packet(form[40:]) if clean and form[40:41] != b"\x01" else form[40:]
    if len(extra) > (_MAX_JPEG_EXTRA if isinstance(clean, JpegSegments) else 4096):
        film.tags[named("codec header", place, extra)] = None
        extra = b""
    return clean, form[:40] + extra


def _audio_form(form: bytes, place: str) -> bytes:
    """WAVEFORMATEX and as many more bytes as it says."""
    if len(form) < 14:
        raise CorruptMedia(f"the sound format of {place} is cut short")
    more = struct.unpack_from("<H", form, 16)[0] if len(form) >= 18 else 0
    return form[: 18 + min(more, 4096)]


def _old_index(film: _Film, index: Chunk) -> None:
    """Where key frames lie: offsets count from the list's name or from the start of the file."""
    if index.end - index.body > 1 << 28:
        raise CorruptMedia("the index is larger than any real one")
    body = _content(film, index, 1 << 28)
    rows = list(struct.iter_unpack("<4sIII", body[: len(body) // 16 * 16]))
    movie = next((c for c in chunks(film.file, film.riffs[0].body, film.riffs[0].end) if c.form == b"movi"), None)
    base = 0
    if movie and rows:
        film.file.seek(movie.body - 4 + rows[0][2])
        base = movie.body - 4 if film.file.read(4) == rows[0][0] else 0
    film.key_frames = {base + offset + 8 for _, flags, offset, _ in rows if flags & KEY_FRAME}


def _odml_index(film: _Film, body: bytes) -> None:
    """Key frames of a standard index chunk (OpenDML 1.02, 3.0)."""
    if len(body) < 32 or body[2:4] != b"\0\1" or film.key_frames is None:
        return
    base = struct.unpack_from("<Q", body, 12)[0]
    for offset, size in struct.iter_unpack("<II", body[24 : 24 + (len(body) - 24) // 8 * 8]):
        if not size & NOT_KEY_FRAME:
            film.key_frames.add(base + offset)


# --- the film -----------------------------------------------------------------------------------------------------


def _rewrite(film: _Film, out: BinaryIO | None) -> None:
    """Every RIFF in order; without `out` only looked at."""
    writer = _Writer(out, film) if out else None
    for riff in film.riffs:
        if writer:
            writer.open_riff()
        for chunk in chunks(film.file, riff.body, riff.end):
            if chunk.form == b"movi":
                _indexes(film, chunk)
                _movie(film, chunk, writer)
            elif chunk.form != b"hdrl" and chunk.kind != b"idx1":
                _note_tree(film, chunk, "top level")
        if writer:
            writer.close_riff()
    if writer:
        writer.finish()
    for stream in film.streams.values():
        film.tags |= stream.filter.found if stream.filter else {}


def _indexes(film: _Film, movie: Chunk) -> None:
    for chunk in chunks(film.file, movie.body, movie.end):
        if chunk.kind[:2] == b"ix":
            _odml_index(film, _content(film, chunk, 1 << 26))


def _movie(film: _Film, movie: Chunk, writer: _Writer | None) -> None:
    for chunk in chunks(film.file, movie.body, movie.end):
        if chunk.form == b"rec " and movie.form == b"movi":
            _movie(film, chunk, writer)
            continue
        stream = film.streams.get(int(chunk.kind[:2])) if chunk.kind[:2].isdigit() else None
        allowed = _VIDEO_CHUNKS if stream and stream.video else _AUDIO_CHUNKS
        if stream is None or chunk.kind[2:] not in allowed:
            if not chunk.kind[:2].isdigit() and chunk.kind[:2] != b"ix":
                _note_tree(film, chunk, "movi")
            continue
        key = film.key_frames is not None and chunk.body in film.key_frames
        if stream.filter and chunk.kind[2:] != b"pc":
            frame = stream.filter.packet(_content(film, chunk, MAX_FRAME_BYTES))
            if writer:
                writer.frame(stream, chunk.kind[2:], key, [frame], len(frame))
        elif writer:
            writer.frame(stream, chunk.kind[2:], key, _pieces(film.file, chunk), chunk.end - chunk.body)


def _pieces(file: BinaryIO, chunk: Chunk) -> Iterator[bytes]:
    file.seek(chunk.body)
    for at in range(chunk.body, chunk.end, COPY_BYTES):
        yield file.read(min(COPY_BYTES, chunk.end - at))


class _Writer:
    """The new file: as many RIFFs as the old; sizes and indexes are filled in at the end."""

    def __init__(self, out: BinaryIO, film: _Film) -> None:
        self.out, self.film = out, film
        self.riff_at = self.movie_at = self.super_at = 0
        self.count = 0  # of RIFFs begun
        self.rows: list[tuple[bytes, int, int, int]] = []  # name, key flag, where the content begins, size
        self.supers: dict[int, list[bytes]] = {stream.number: [] for stream in film.streams.values()}

    @property
    def _large(self) -> bool:
        return len(self.film.riffs) > 1

    def open_riff(self) -> None:
        """RIFF, with all headers if it is the first, and its movi list."""
        self.riff_at = self.out.tell()
        self.out.write(b"RIFF" + bytes(4) + (b"AVIX" if self.count else b"AVI "))
        if not self.count:
            self.out.write(self._headers())
        self.movie_at = self.out.tell()
        self.out.write(b"LIST" + bytes(4) + b"movi")
        self.count += 1

    def _headers(self) -> bytes:
        main = self.film.main[:24] + struct.pack("<I", len(self.film.streams)) + self.film.main[28:]
        lists = [
            pack(b"LIST", b"strl", stream.packed, self._super_index(stream) if self._large else b"")
            for stream in self.film.streams.values()
        ]
        return pack(b"LIST", b"hdrl", pack(b"avih", main), *lists)

    def _super_index(self, stream: _Stream) -> bytes:
        """Room for one entry a RIFF, then the entries (OpenDML 1.02, super index)."""
        entries = b"".join(self.supers[stream.number]).ljust(16 * len(self.film.riffs), b"\0")
        name = b"%02d" % stream.number + (b"dc" if stream.video else b"wb")
        count = len(self.supers[stream.number])
        return pack(b"indx", struct.pack("<HBBI4s3I", 4, 0, 0, count, name, 0, 0, 0), entries)

    def frame(
        self, stream: _Stream, suffix: bytes, key: bool, pieces: list[bytes] | Iterator[bytes], size: int
    ) -> None:
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
            for stream in self.film.streams.values():
                self._standard_index(stream)
        self._size(self.movie_at)
        if self.count == 1 and self.film.key_frames is not None:
            base = self.movie_at + 8
            rows = (struct.pack("<4sIII", name, key, at - 8 - base, size) for name, key, at, size in self.rows)
            self.out.write(pack(b"idx1", *rows))
        self._size(self.riff_at)
        self.rows = []

    def _standard_index(self, stream: _Stream) -> None:
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
