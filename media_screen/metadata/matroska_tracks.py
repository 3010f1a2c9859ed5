"""The Tracks element of a Matroska file -> the kept tracks, cleaned, and tags for all the rest (RFC 9559, 5.1.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.codec_headers import avc_config, flac_blocks, hevc_config, vorbis_headers
from media_screen.metadata.ebml import elements, number, pack, pack_number
from media_screen.metadata.intra import JpegSegments
from media_screen.metadata.kinds import SPEAKS, named
from media_screen.metadata.payload import Av1Units, Filter, StartCodes, Units, fourcc_filter

if TYPE_CHECKING:
    from collections.abc import Container

    from media_screen.types import Tag, TagKind

TRACK_ENTRY, TRACK_NUMBER, TRACK_UID, TRACK_TYPE, CODEC_ID, CODEC_PRIVATE = 0xAE, 0xD7, 0x73C5, 0x83, 0x86, 0x63A2
CONTENT_ENCODINGS, ADDITION_MAPPING, ALPHA_MODE, VIDEO = 0x6D80, 0x41E4, 0x53C0, 0xE0
NAMES = {0x536E: "Name", 0x258688: "CodecName", 0x7446: "AttachmentLink", 0xE2: "TrackOperation"}
VOID, CRC = 0xEC, 0xBF
QUIET = {VOID, CRC}  # Void, CRC-32: an old sum is wrong once anything is taken out
VIDEO_TYPE, AUDIO_TYPE, LOGO_TYPE, SUBTITLE_TYPE = 1, 2, 0x10, 0x11
MAX_TRACKS = 256
MAX_PRIVATE_BYTES = 1024
_DOLBY = {int.from_bytes(name, "big") for name in (b"dvcC", b"dvvC", b"dvwC")}
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{0,35}\0*")

Schema = dict[int, Any]  # id -> None for a number of at most 8 bytes, a pattern for text, a schema for what nests
_COLOUR: Schema = {**dict.fromkeys(range(0x55B1, 0x55BE)), 0x55D0: dict.fromkeys(range(0x55D1, 0x55DB))}
_PROJECTION: Schema = dict.fromkeys((0x7671, 0x7673, 0x7674, 0x7675))
_VIDEO: Schema = {
    **dict.fromkeys((0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2, 0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x9A, 0x9D, 0x53B8, 0x53B9)),
    **dict.fromkeys((ALPHA_MODE, 0x54B3, 0x2383E3, 0x2FB523, 0x2EB524)),
    0x55B0: _COLOUR,
    0x7670: _PROJECTION,
}
_ENTRY: Schema = {
    **dict.fromkeys((TRACK_NUMBER, TRACK_TYPE, 0xB9, 0x88, 0x55AA, 0x55AB, 0x55AC, 0x55AD, 0x55AE, 0x55AF, 0x9C)),
    **dict.fromkeys((0x6DE7, 0x6DF8, 0x23E383, 0x234E7A, 0x23314F, 0x55EE, 0x537F, 0xAA, 0x56AA, 0x56BB)),
    0x22B59C: _LANGUAGE,
    0x22B59D: _LANGUAGE,
    VIDEO: _VIDEO,
    0xE1: dict.fromkeys((0xB5, 0x78B5, 0x9F, 0x6264, 0x52F1)),
}
# what a new file has of its own, so that only its names are looked at (RFC 9559, 5.1.1, 5.1.5; RFC 8794, 11.2)
_SEEK_ID = re.compile(rb"[\x10-\x1f][\0-\xff]{3}", re.DOTALL)
EBML_HEAD: Schema = {
    **dict.fromkeys((0x4286, 0x42F7, 0x42F2, 0x42F3, 0x4287, 0x4285)),
    0x4282: re.compile(rb"(?:matroska|webm)\0*"),
}
SEEK_HEADS: Schema = {0x4DBB: {0x53AB: _SEEK_ID, 0x53AC: None}}
CUE_POINTS: Schema = {
    0xBB: {0xB3: None, 0xB7: {**dict.fromkeys((0xF7, 0xF1, 0xF0, 0xB2, 0x5378, 0xEA)), 0xDB: {0x96: None}}}
}
_OWN_WAY = (TRACK_UID, CODEC_ID, CODEC_PRIVATE, CONTENT_ENCODINGS, ADDITION_MAPPING)  # written in a way of their own
_PLAIN_VIDEO = re.compile(rb"V_(?:VP8|VP9|FFV1|PRORES|UNCOMPRESSED|DIRAC|SNOW|CAVS|AVS2)")
_START_CODED = re.compile(rb"V_MPEG[12]|V_MPEG4/ISO/(?:SP|ASP|AP)")
_PLAIN_AUDIO = re.compile(
    rb"A_(?:AAC|MPEG/L[123]|AC3|EAC3|DTS|TRUEHD|MLP|OPUS|PCM/|ALAC|WAVPACK4|TTA1|MS/ACM|ATRAC|MPC)[A-Z0-9/_-]{0,24}"
)


@dataclass(slots=True, kw_only=True)
class MatroskaTrack:
    """A track that is kept."""

    number: int
    video: bool
    packed: bytes  # its TrackEntry
    filter: Filter | None
    prefix: bytes  # bytes that the file leaves away at the start of every frame
    alpha: bool


def allowed(body: bytes, schema: Schema, place: str, tags: dict[Tag, None], known: Container[int] = ()) -> bytes:
    """The elements that a schema names; the others become tags, but for those that are `known` elsewhere."""
    parts: list[bytes] = []
    for identity, content in elements(body):
        rule = schema.get(identity)
        if identity in schema and (
            (rule is None and len(content) <= 8) or (isinstance(rule, re.Pattern) and rule.fullmatch(content))
        ):
            parts.append(pack(identity, content))
        elif isinstance(rule, dict):
            parts.append(pack(identity, allowed(content, rule, place, tags)))
        elif (identity in QUIET and (content.strip(b"\0") if identity == VOID else len(content) > 4)) or (
            identity not in QUIET and identity not in known
        ):
            tags[named(NAMES.get(identity, f"element {identity:X}"), place, content)] = None
    return b"".join(parts)


def read_tracks(body: bytes, tags: dict[Tag, None]) -> tuple[dict[int, MatroskaTrack], set[int]]:
    """The main video track and every audio track, by number, and all numbers; the other tracks are named.

    Raises:
        CorruptMedia: it does not parse, or has no video track.
        StripFailed: an unknown codec, encryption.
    """
    entries = [content for identity, content in elements(body) if identity == TRACK_ENTRY]
    allowed(body, {}, "Tracks", tags, (TRACK_ENTRY,))
    if len(entries) > MAX_TRACKS:
        raise CorruptMedia("more tracks than any real file has")
    kept: dict[int, MatroskaTrack] = {}
    numbers: set[int] = set()
    for index, entry in enumerate(entries, 1):
        fields = dict(elements(entry))
        numbers.add(number(fields.get(TRACK_NUMBER, b"")))
        kind = number(fields.get(TRACK_TYPE, b""))
        first_video = kind == VIDEO_TYPE and not any(track.video for track in kept.values())
        if first_video or kind == AUDIO_TYPE:
            track = _Entry(entry, fields, f"track {index}", tags).keep(video=kind == VIDEO_TYPE)
            if track.number in kept:
                raise CorruptMedia("two tracks have one number")
            kept[track.number] = track
        else:
            _name_dropped(fields, kind, index, tags)
    if not any(track.video for track in kept.values()):
        raise CorruptMedia("no video track in this file")
    return kept, numbers


def _name_dropped(fields: dict[int, bytes], kind: int, index: int, tags: dict[Tag, None]) -> None:
    codec = fields.get(CODEC_ID, b"").decode("latin-1").strip("\0")
    codec = codec if codec.isprintable() else "?"
    tag_kind: TagKind = "picture" if kind in (VIDEO_TYPE, LOGO_TYPE) else "text" if kind == SUBTITLE_TYPE else "unknown"
    name = f"video track {index}" if kind == VIDEO_TYPE else f"{codec} track"
    tags[named(name, f"track {index}", kind=tag_kind)] = None


class _Entry:
    """One TrackEntry that is kept."""

    def __init__(self, entry: bytes, fields: dict[int, bytes], place: str, tags: dict[Tag, None]) -> None:
        self.entry, self.fields, self.place, self.tags = entry, fields, place, tags
        self.codec = fields.get(CODEC_ID, b"").rstrip(b"\0")
        self.dolby = False
        self.filter: Filter | None = None

    def keep(self, *, video: bool) -> MatroskaTrack:
        mapping = self._mappings()
        private = self._private(self.fields.get(CODEC_PRIVATE, b""), video=video)
        encodings, prefix = self._encodings()
        track_number = number(self.fields.get(TRACK_NUMBER, b""))
        packed = pack(
            TRACK_ENTRY,
            # an unique number joins copies of one film: the track's own number serves as well
            pack_number(TRACK_UID, max(1, track_number)),
            allowed(self.entry, _ENTRY, self.place, self.tags, _OWN_WAY),
            pack(CODEC_ID, self.codec),
            pack(CODEC_PRIVATE, private) if private else b"",
            mapping,
            encodings,
        )
        alpha = dict(elements(self.fields.get(VIDEO, b""))).get(ALPHA_MODE, b"")
        return MatroskaTrack(
            number=track_number, video=video, packed=packed, filter=self.filter, prefix=prefix, alpha=any(alpha)
        )

    def _mappings(self) -> bytes:
        """Dolby Vision's configuration, and that blocks may carry alpha or HDR10+ (RFC 9559, 5.1.4.1.17)."""
        parts: list[bytes] = []
        for identity, content in elements(self.entry):
            if identity != ADDITION_MAPPING:
                continue
            fields = dict(elements(content))
            kind, extra = number(fields.get(0x41E7, b"")), fields.get(0x41ED, b"")
            if kind in (*_DOLBY, 0, 1, 4) and len(extra) <= 64 and (kind in _DOLBY or not extra):
                self.dolby |= kind in _DOLBY
                kept = (
                    pack(key, fields[key]) for key in (0x41F0, 0x41E7, 0x41ED) if len(fields.get(key, bytes(99))) <= 64
                )
                parts.append(pack(ADDITION_MAPPING, *kept))
            else:
                self.tags[named("BlockAdditionMapping", self.place, content, "unknown")] = None
        return b"".join(parts)

    def _encodings(self) -> tuple[bytes, bytes]:
        """ContentEncodings as they are, and the prefix that header stripping took away (RFC 9559, 5.1.4.1.31)."""
        body = self.fields.get(CONTENT_ENCODINGS)
        if body is None:
            return b"", b""
        codings = [dict(elements(content)) for identity, content in elements(body) if identity == 0x6240]
        if SPEAKS.search(body):
            self.tags[named("rest of ContentEncodings", self.place, body, "unknown")] = None
        if len(codings) != 1 or number(codings[0].get(0x5033, b"\0")) != 0:
            raise StripFailed(f"{self.place} is encrypted or coded twice")
        compression = dict(elements(codings[0].get(0x5034, b"")))
        algorithm, settings = number(compression.get(0x4254, b"\0")), compression.get(0x4255, b"")
        if algorithm == 3 and len(settings) <= 64:
            return pack(
                CONTENT_ENCODINGS, pack(0x6240, pack(0x5034, pack_number(0x4254, 3), pack(0x4255, settings)))
            ), settings
        if algorithm == 0 and self.filter is None:
            return pack(CONTENT_ENCODINGS, pack(0x6240, pack(0x5034, pack_number(0x4254, 0)))), b""
        raise StripFailed(f"{self.place} is compressed in a way that cannot be cleaned: remux it without compression")

    def _private(self, private: bytes, *, video: bool) -> bytes:
        cleaned = self._video_private(private) if video else self._audio_private(private)
        if cleaned != private and not (self.filter and self.filter.found):
            self.tags[named("text in the codec header", self.place, private)] = None
        return cleaned

    def _video_private(self, private: bytes) -> bytes:
        codec, place = self.codec, self.place
        if codec in (b"V_MPEG4/ISO/AVC", b"V_MPEGH/ISO/HEVC"):
            avc = codec.endswith(b"AVC")
            length_bytes = (private.ljust(22, b"\0")[4 if avc else 21] & 3) + 1
            units = Units("h264" if avc else "hevc", place, length_bytes=length_bytes, dolby=self.dolby)
            self.filter = units
            return avc_config(private, units.unit) if avc else hevc_config(private, units.unit)
        if codec == b"V_AV1":
            self.filter = Av1Units(place)
            return private[:4] + self.filter.packet(private[4:])
        if codec == b"V_MJPEG":
            self.filter = JpegSegments(place)
        elif _START_CODED.fullmatch(codec):
            self.filter = StartCodes(place)
            return self.filter.packet(private)
        elif codec == b"V_THEORA":
            return vorbis_headers(private)
        elif codec == b"V_MS/VFW/FOURCC" and len(private) >= 40:
            self.filter = fourcc_filter(private[16:20], private[40:], place)
            return (
                private[:40] + (self.filter.packet(private[40:]) if self.filter else private[40:])[:MAX_PRIVATE_BYTES]
            )
        elif not _PLAIN_VIDEO.fullmatch(codec):
            raise StripFailed(f"{place}: the video codec {codec.decode('latin-1')!r} is not known")
        return private[:MAX_PRIVATE_BYTES]

    def _audio_private(self, private: bytes) -> bytes:
        if self.codec == b"A_VORBIS":
            return vorbis_headers(private)
        if self.codec == b"A_FLAC":
            return b"fLaC" + flac_blocks(private[4:]) if private[:4] == b"fLaC" else b"fLaC" + flac_blocks(private)
        if not _PLAIN_AUDIO.fullmatch(self.codec):
            raise StripFailed(f"{self.place}: the audio codec {self.codec.decode('latin-1')!r} is not known")
        return private[:MAX_PRIVATE_BYTES]
