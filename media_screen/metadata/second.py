"""Path -> tags, as others see the file: Pillow, libheif or FFmpeg, and a raw look at its bytes. The second opinion.

The parsers of this room decide what is written; what they overlook they overlook twice. So each file, before and after,
is also read by libraries that know nothing of them, and searched for places, pictures and files in plain bytes. Nothing
is decoded but the first frame of a video, and of the coded pictures only such signs are looked for as they never hold
by chance.
"""

from __future__ import annotations

import re
import struct
import warnings
from typing import TYPE_CHECKING, Any

from media_screen.errors import CorruptMedia, FileError
from media_screen.metadata import embedded
from media_screen.metadata.kinds import named
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from media_screen.types import TagKind

PLACE = "second reader"
_DEMUXERS = {"mp4": "mov", "matroska": "matroska", "avi": "avi", "mpegts": "mpegts"}
_LIBRARY_ERRORS = (
    *(OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError),
    *(struct.error, EOFError, RuntimeError),
)

# what Pillow and pillow-heif tell of a picture that is needed to show it, or that is read further below
_PICTURE_WORDS = """
    icc_profile icc_profile_type nclx_profile dpi jfif jfif_version jfif_unit jfif_density adobe adobe_transform
    progressive progression gamma srgb aspect transparency background duration loop version extension interlace
    compression chromaticity timestamp blend disposal bbox default_image bit_depth primary chroma premultiplied_alpha
    tiling resolution exif
"""
_SHOWN = frozenset(_PICTURE_WORDS.split())
_NAMED: dict[str, tuple[TagKind, str]] = {
    "comment": ("text", "comment"),
    "photoshop": ("unknown", "Photoshop block"),
    "mp": ("picture", "multi-picture index"),
    "thumbnails": ("picture", "thumbnail"),
    "depth_images": ("picture", "depth map"),
    "aux": ("picture", "auxiliary picture"),
}
_ORIENTATION = 0x0112
_KINDS: dict[int, TagKind] = {330: "picture", 700: "unknown", 33550: "location", 33922: "location", 34735: "location"}
_DIRECTORIES = {0x8769: "EXIF", 0x8825: "GPS", 0xA005: "interoperability", 1: "thumbnail"}
# TIFF 6.0, and Adobe's supplements: fields that say how a page is shown
_TIFF_SHOWN = {*range(254, 270), 273, 274, *range(277, 285), *range(290, 294), 296, 297, 301, *range(317, 326), 332}
_TIFF_SHOWN |= {334, *range(336, 342), 347, *range(529, 533), 34675}

_NOT_METADATA = {"major_brand", "minor_version", "compatible_brands", "language", "alpha_mode", "duration", "rotate"}
_TRACK_KINDS: dict[str, TagKind] = {"subtitle": "text", "attachment": "picture", "video": "picture"}
# of a frame: how it is turned, timed, and how bright its colours are; all else was written by somebody
_FRAME_WORDS = """
    DISPLAYMATRIX S12M_TIMECODE GOP_TIMECODE MASTERING_DISPLAY_METADATA CONTENT_LIGHT_LEVEL DYNAMIC_HDR_PLUS
    DYNAMIC_HDR_VIVID AMBIENT_VIEWING_ENVIRONMENT DOVI_RPU_BUFFER DOVI_METADATA STEREO3D SPHERICAL AFD PANSCAN
    FILM_GRAIN_PARAMS VIDEO_HINT VIEW_ID MOTION_VECTORS QP_TABLE_PROPERTIES QP_TABLE_DATA VIDEO_ENC_PARAMS
    REGIONS_OF_INTEREST ENCODING_PARAMS ICC_PROFILE MATRIXENCODING SKIP_SAMPLES
"""
_SIDE_DATA = frozenset(_FRAME_WORDS.split())
_X264 = re.compile(rb"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xefx264 - core \d{1,4}")

STEP_BYTES, OVERLAP_BYTES = 4 << 20, 256
_JPEG_START = re.compile(rb"\xff\xd8\xff")
_EXIF_SEGMENT = re.compile(rb"\xff\xe1[\0-\xff]{2}Exif\0\0")
MAX_INDEXED = 1_000_000  # packets of a track whose places are compared


def read(path: Path, format_name: str) -> list[Tag]:
    """All that others see and display does not need.

    Raises:
        CorruptMedia: the libraries do not open the file.
    """
    found = _film_tags(path, format_name) if format_name in _DEMUXERS else _still_tags(path, format_name)
    return list(dict.fromkeys([*found[0], *_raw_tags(path, format_name, found[1])]))


def _tag(kind: TagKind, name: str, value: object = "") -> Tag:
    return Tag(kind=kind, name=name, place=PLACE, value=str(value)[: embedded.MAX_VALUE_CHARS] or None)


# --- stills: Pillow and pillow-heif -------------------------------------------------------------------------------


def _still_tags(path: Path, format_name: str) -> tuple[list[Tag], None]:
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener(thumbnails=False)
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # limits on pixels are set elsewhere
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF, which is read as far as it goes
            with Image.open(path, formats=(format_name.upper(),)) as image:  # no other parser, whatever it is
                found = [tag for key, value in image.info.items() for tag in _info_tags(str(key), value)]
                found += _exif_tags(image, tiff=format_name == "tiff")
                many = image.format == "MPO" or (image.format == "HEIF" and getattr(image, "n_frames", 1) > 1)
                return [*found, *([_tag("picture", "second picture")] if many else [])], None
    except _LIBRARY_ERRORS as error:
        raise CorruptMedia("another reader does not open the picture: it is damaged") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _info_tags(key: str, value: Any) -> list[Tag]:
    if key in _SHOWN or not value:
        return []
    if key in _NAMED:
        kind, name = _NAMED[key]
        return [_tag(kind, name, _text(value))]
    if "xmp" in key.lower():
        return [_tag("unknown", "XMP packet")]
    own = embedded.kind_of_name(key)
    name = key if re.fullmatch(r"[A-Za-z][\w:.-]{0,40}|Creation Time", key) else "text"  # a key may be the message
    return [_tag(own if own in ("location", "time", "person", "picture") else "text", name, _text(value))]


def _exif_tags(image: Any, *, tiff: bool) -> list[Tag]:
    from PIL import ExifTags, Image

    exif = image.getexif() if tiff else Image.Exif()
    found: list[Tag] = []
    try:
        if not tiff:
            exif.load(image.info.get("exif") or b"")
        found += [
            _entry_tag(_KINDS.get(number), ExifTags.TAGS.get(number), number, value)
            for number, value in exif.items()
            if number not in _DIRECTORIES and number not in (_TIFF_SHOWN if tiff else {_ORIENTATION})
        ]
        for pointer, name in _DIRECTORIES.items():
            names = ExifTags.GPSTAGS if name == "GPS" else ExifTags.TAGS
            kind: TagKind | None = {"GPS": "location", "thumbnail": "picture"}.get(name)  # type: ignore[assignment]
            found += [_entry_tag(kind, names.get(n), n, v) for n, v in exif.get_ifd(pointer).items()]
    except _LIBRARY_ERRORS:
        found.append(_tag("unknown", "unreadable EXIF"))
    return found


def _entry_tag(kind: TagKind | None, name: str | None, number: int, value: Any) -> Tag:
    own = embedded.kind_of_name(name) if name else "unknown"
    own = "device" if name and own in ("unknown", "location", "picture") else own
    return _tag(kind or own, name or f"tag 0x{number:04x}", _text(value))


def _text(value: Any) -> str:
    """Pillow reads EXIF text as Latin-1; writers write UTF-8."""
    if isinstance(value, bytes):
        return embedded.text_of(value)
    if not isinstance(value, str):
        return str(value)
    try:
        return embedded.text_of(value.encode("latin-1"))
    except UnicodeEncodeError:
        return value


# --- videos: FFmpeg -----------------------------------------------------------------------------------------------


def _film_tags(path: Path, format_name: str) -> tuple[list[Tag], list[tuple[int, int]]]:
    """Tags, and where the coded packets lie as far as an index tells."""
    import av

    try:
        with av.open(f"file:{path}", format=_DEMUXERS[format_name], metadata_errors="ignore") as container:
            found = _words(container.metadata)
            films = 0
            for stream in container.streams:
                found += _words(stream.metadata)
                films += stream.type == "video"
                if stream.type not in ("video", "audio") or (stream.type == "video" and films > 1):
                    found.append(_tag(_TRACK_KINDS.get(stream.type, "unknown"), f"{stream.type} track"))
            found += [_tag("text", "chapters")] if container.chapters() else []
            places = [
                (entry.pos, entry.pos + entry.size)
                for stream in container.streams
                if format_name in ("mp4", "avi") and len(stream.index_entries) <= MAX_INDEXED
                for entry in stream.index_entries
            ]
            return [*found, *_side_tags(container)], places
    except (av.FFmpegError, *_LIBRARY_ERRORS) as error:
        raise CorruptMedia("another reader does not open the film: it is damaged") from error


def _words(metadata: Mapping[str, str]) -> list[Tag]:
    return [
        named(key, PLACE, value.encode())
        for key, value in metadata.items()
        if key.lower() not in _NOT_METADATA and value.strip() and value != "[0][0][0][0]"
    ]


def _side_tags(container: Any) -> list[Tag]:
    """Of the first frame: cameras repeat what they know with each key frame."""
    stream = next(iter(container.streams.video), None)
    frame = next(container.decode(stream), None) if stream else None
    found = []
    for side in frame.side_data if frame else ():
        name, value = side.type.name, bytes(side)
        encoder = _X264.match(value)
        if name not in _SIDE_DATA and not (encoder and encoder.end() == len(value.rstrip(b"\0"))):
            kind: TagKind | None = "device" if encoder else "text" if name == "A53_CC" else None
            found.append(named(f"frame data {name}", PLACE, value, kind))
    return found


# --- raw bytes ----------------------------------------------------------------------------------------------------


def _raw_tags(path: Path, format_name: str, places: list[tuple[int, int]] | None) -> Iterator[Tag]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if fault := _ENDS[format_name](file, size) if format_name in _ENDS else "":
                yield _tag("unknown", fault)
            for start, end in _gaps(places, size) if places else [(0, size)]:
                yield from _searched(file, start, end, jpeg=format_name == "jpeg")
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}") from error


def _gaps(places: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """What lies between the packets of all tracks: headers, tables, bytes of no track."""
    at = 0
    for start, end in [*sorted(places), (size, size)]:
        if at < start:
            yield at, min(start, size)
        at = max(at, end)


def _searched(file: BinaryIO, start: int, end: int, *, jpeg: bool) -> Iterator[Tag]:
    for step in range(start, end, STEP_BYTES):
        at = max(0, step - OVERLAP_BYTES)  # what stands across two stretches is seen in the second
        file.seek(at)
        data = file.read(min(step + STEP_BYTES, end) - at)
        if jpeg and at == 0:
            data = _EXIF_SEGMENT.sub(b"", data, 1)  # the one that Pillow read
        yield from embedded.scan_quick(data, PLACE)
        if jpeg and _JPEG_START.search(data, at == 0):  # its own coded data never hold that
            yield _tag("picture", "JPEG file")


# --- how files end: a second one may follow ---


def _jpeg_end(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - 2))
    return "" if file.read(2) == b"\xff\xd9" else "data after the end"


def _png_end(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - 12))
    return "" if file.read(12) == b"\0\0\0\0IEND\xaeB`\x82" else "data after the end"


def _gif_end(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - 1))
    return "" if file.read(1) == b";" else "data after the end"


def _riff_end(file: BinaryIO, size: int) -> str:
    """One RIFF after another: long films have several."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF":
            break
        at += 8 + length + length % 2
    return "" if at >= size else "data after the end"


def _boxes_end(file: BinaryIO, size: int) -> str:
    """ISO base media: boxes up to the end, each of a kind that a player needs."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0]
        if kind not in _BOXES or length < 8:
            return "box that no player needs" if length >= 8 else "data after the end"
        at += length
    return "" if at == size else "data after the end"


_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"meta", b"free", b"skip", b"wide"}  # the last three are searched
_BOXES |= {b"styp", b"sidx", b"ssix", b"mfra", b"pdin"}
_ENDS = {
    "jpeg": _jpeg_end,
    "png": _png_end,
    "gif": _gif_end,
    "webp": _riff_end,
    "avi": _riff_end,
    "mp4": _boxes_end,
    "heif": _boxes_end,
    "avif": _boxes_end,
}
