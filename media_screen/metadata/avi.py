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
from media_screen.metadata import kept
from media_screen.metadata.avi_writer import KEY_FRAME, NOT_KEY_FRAME, Stream, Writer
from media_screen.metadata.intra import JpegSegments
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.kinds import SPEAKS, kind_of, named
from media_screen.metadata.payload import fourcc_filter
from media_screen.metadata.riff import Chunk, chunks, pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_screen.metadata.payload import Filter
    from media_screen.types import Tag, TagKind

_KEPT_CHUNKS = {"copyright": "ICOP", "creator": "IART", "description": "ICMT", "date": "ICRD"}
KEEPS = frozenset(_KEPT_CHUNKS)
MAX_HEADER_BYTES = 1 << 20
MAX_FRAME_BYTES = 256 << 20
MAX_STREAMS = 100  # two digits in a chunk's name
COPY_BYTES = 4 << 20
SNIFF_BYTES = 65536
_VIDEO_CHUNKS, _AUDIO_CHUNKS = (b"dc", b"db", b"pc"), (b"wb",)
_MAX_JPEG_EXTRA = 64
MAX_SHAPE_BYTES = 100  # of vprp, with two fields
MAX_SOUND_BYTES = 4096
MAX_PALETTE_BYTES = 4 + 4 * 256
MAX_INDEX_BYTES = 1 << 28


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
    riffs: list[Chunk]
    main: bytes = b""  # avih
    streams: dict[int, Stream] = field(default_factory=dict)  # by number in the old file
    dropped: set[int] = field(default_factory=set)  # streams that are named as a whole
    fields: Fields = NOTHING  # that are written back
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
    body = b""
    for at in range(start, end, SNIFF_BYTES):  # what a long padding hides may stand at its end
        film.file.seek(at)
        body = film.file.read(min(end - at, SNIFF_BYTES))
        if body.strip(b"\0 "):
            break
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


def _info(film: _Film, chunk: Chunk) -> None:
    """A list of texts; one of kept fields only is known by its bytes."""
    others, film.tags = film.tags, {}
    _note_tree(film, chunk, "top level")
    found, film.tags = list(film.tags), others
    film.file.seek(chunk.start)
    block = film.file.read(min(chunk.end - chunk.start, MAX_HEADER_BYTES))
    film.tags |= dict.fromkeys(kept.own(found, block, _packed_info))


def _packed_info(fields: Fields) -> bytes:
    """A list of these fields and nothing else."""
    texts = (pack(name.encode(), text + b"\0") for name, text in fields.packed(_KEPT_CHUNKS))
    return pack(b"LIST", b"INFO", *texts) if fields else b""


# --- headers ------------------------------------------------------------------------------------------------------


def _headers(film: _Film, header: Chunk) -> None:
    number = 0
    for chunk in chunks(film.file, header.body, header.end):
        if chunk.kind == b"avih":
            body = _content(film, chunk)
            if len(body) < 40:
                raise CorruptMedia("the film's header is cut short")
            film.main = body[:40] + bytes(16)
            _rest(film, "avih", "hdrl", body[40:])
        elif chunk.form == b"strl":
            _stream(film, chunk, number)
            number += 1
        elif chunk.form != b"odml":
            _note_tree(film, chunk, "hdrl")
        else:
            for kid in chunks(film.file, chunk.body, chunk.end):
                if kid.kind != b"dmlh":
                    _note_tree(film, kid, "odml")
                else:  # how many frames, which the stream's header says as well
                    _rest(film, "dmlh", "odml", _content(film, kid)[4:])
    if number > MAX_STREAMS:
        raise CorruptMedia("more streams than any real file has")


def _stream(film: _Film, header: Chunk, number: int) -> None:
    place = f"stream {number + 1}"
    kids: dict[bytes, Chunk] = {}
    for kid in chunks(film.file, header.body, header.end):
        if kid.kind in kids or kid.kind not in (b"strh", b"strf", b"vprp", b"indx"):
            _note_tree(film, kid, place)
        else:
            kids[kid.kind] = kid
    if b"strh" not in kids or b"strf" not in kids:
        raise CorruptMedia(f"{place} lacks one of its headers")
    head, form = _content(film, kids[b"strh"]), _content(film, kids[b"strf"])
    if len(head) < 48:
        raise CorruptMedia(f"the header of {place} is cut short")
    if b"indx" in kids:
        _index_rest(film, kids[b"indx"], place)
        film.key_frames = film.key_frames if film.key_frames is not None else set()
    video = head[:4] == b"vids"
    if head[:4] == b"iavs":
        raise StripFailed(f"{place} holds picture and sound in one (DV type 1): convert it to type 2")
    if (video and any(stream.video for stream in film.streams.values())) or head[:4] not in (b"vids", b"auds"):
        kind: TagKind = "picture" if video else "text" if head[:4] == b"txts" else "unknown"
        film.tags[named(f"video track {number + 1}" if video else "data stream", place, kind=kind)] = None
        film.dropped.add(number)
        return
    clean, form = _video_form(film, form, place) if video else (None, _audio_form(film, form, place))
    extra = _content(film, kids[b"vprp"]) if video and b"vprp" in kids else b""
    for name, rest in (("strh", head[56:]), ("vprp", extra[MAX_SHAPE_BYTES:])):
        _rest(film, name, place, rest)
    extra = extra[:MAX_SHAPE_BYTES]
    packed = pack(b"strh", head[:56]) + pack(b"strf", form) + (pack(b"vprp", extra) if extra else b"")
    film.streams[number] = Stream(number=len(film.streams), video=video, packed=packed, filter=clean)


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


def _audio_form(film: _Film, form: bytes, place: str) -> bytes:
    """WAVEFORMATEX and as many more bytes as it says."""
    if len(form) < 14:
        raise CorruptMedia(f"the sound format of {place} is cut short")
    more = struct.unpack_from("<H", form, 16)[0] if len(form) >= 18 else 0
    end = 18 + min(more, MAX_SOUND_BYTES)
    _rest(film, "strf", place, form[end:])
    return form[:end]


def _rest(film: _Film, name: str, place: str, rest: bytes) -> None:
    """Bytes after the last field of a header."""
    if rest.strip(b"\0"):
        film.tags[named(f"rest of {name}", place, rest, kind_of("", rest))] = None


def _index_rest(film: _Film, index: Chunk, place: str) -> None:
    """What stands in an index beside its numbers, which are wrong in the new file: there is room for much."""
    body = _content(film, index, MAX_INDEX_BYTES)
    if len(body) < 24:
        return
    words, _, _, count, name = struct.unpack_from("<HBBI4s", body)
    end = 24 + 4 * words * count
    if not name[:2].isdigit() or body[end:].strip(b"\0") or SPEAKS.search(body, 24, end):
        _rest(film, "index", place, body[end:] or body)


def _old_index(film: _Film, index: Chunk) -> None:
    """Where key frames lie: offsets count from the list's name or from the start of the file."""
    body = _content(film, index, MAX_INDEX_BYTES)
    if SPEAKS.search(body.replace(b"idx1", b"")) or len(body) % 16:
        _rest(film, "idx1", "top level", body)
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
    writer = (
        Writer(
            out,
            film.main,
            list(film.streams.values()),
            len(film.riffs),
            indexed=film.key_frames is not None,
            info=_packed_info(film.fields),
        )
        if out
        else None
    )
    for riff in film.riffs:
        if writer:
            writer.open_riff()
        for chunk in chunks(film.file, riff.body, riff.end):
            if chunk.form == b"movi":
                _indexes(film, chunk)
                _movie(film, chunk, writer)
            elif chunk.form == b"INFO":
                _info(film, chunk)
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
            _index_rest(film, chunk, "movi")
            _odml_index(film, _content(film, chunk, MAX_INDEX_BYTES))


def _movie(film: _Film, movie: Chunk, writer: Writer | None) -> None:
    for chunk in chunks(film.file, movie.body, movie.end):
        if chunk.form == b"rec " and movie.form == b"movi":
            _movie(film, chunk, writer)
            continue
        stream = film.streams.get(int(chunk.kind[:2])) if chunk.kind[:2].isdigit() else None
        allowed = _VIDEO_CHUNKS if stream and stream.video else _AUDIO_CHUNKS
        if stream is None or chunk.kind[2:] not in allowed:
            known = chunk.kind[:2].isdigit() and int(chunk.kind[:2]) in film.dropped
            if not known and chunk.kind[:2] != b"ix":
                _note_tree(film, chunk, "movi")
            continue
        if chunk.kind[2:] == b"pc" and chunk.end - chunk.body > MAX_PALETTE_BYTES:
            raise CorruptMedia("a change of palette is larger than a palette")
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
